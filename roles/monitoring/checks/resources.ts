import { directory, file, type HostContext, METRICS, pkg, type Resource, sandbox, settingLines } from 'provision'
import type { Options } from '../options.ts'
import { printing, repeatedJob } from './job.ts'
import { READER } from './reader.ts'
import { checksScript } from './script.ts'

const NAME = 'provision-checks'
const SCRIPT = `/usr/local/sbin/${NAME}`
const FOUND = `${METRICS}/checks/provision`
const READ = '/usr/local/lib/provision/checks-read'

/** Resources of the checks that every host makes of its files, ports, accounts and logins by a timer. */
export const checksResources = (context: HostContext<Options>): readonly Resource[] => {
  const script = file({
    path: SCRIPT,
    mode: '755',
    content: checksScript({ ...knownIn(context), reader: READ }),
  })
  const { checks_seconds: seconds } = context.options
  return [
    pkg({ name: 'iproute2' }),
    directory({ path: `${METRICS}/checks` }),
    directory({ path: '/usr/local/lib/provision' }),
    file({ path: READ, mode: '755', content: READER }),
    script,
    ...repeatedJob({
      ...{ name: NAME, content: JOB, seconds },
      description: `Check files, ports, accounts and logins every ${seconds} seconds`,
    }),
  ]
}

/** Ports and accounts that roles and options name. */
export const knownIn = ({ host, flows, exposed, facts, options }: HostContext<Options>) => ({
  ports: [
    ...new Set([
      ...flows.filter((flow) => flow.host === host.name && flow.protocol !== 'vrrp').map(({ port, protocol }) => `${port}/${protocol}`),
      ...facts.sshPorts.map((port) => `${port}/tcp`),
      ...options.known_ports,
    ]),
  ],
  users: [...new Set(['root', host.user, ...options.known_users])],
  balancer: exposed.some((one) => one.host === host.name && one.type === 'metrics' && one.job === 'haproxy'),
})

/** Rights to read all files, the counters of the firewall and the owners of ports. The job can write only its own state. */
const RIGHTS = ['CAP_DAC_READ_SEARCH', 'CAP_NET_ADMIN', 'CAP_SYS_PTRACE']

const JOB = `# Written by provision (role monitoring).
[Unit]
Description=Checks of files, ports, accounts and logins for the monitoring
# A start by hand must not use up the starts of the timer.
StartLimitIntervalSec=0

[Service]
Type=oneshot
${printing(SCRIPT, FOUND)}
DynamicUser=yes
StateDirectory=${NAME}
StateDirectoryMode=0700
TimeoutStartSec=10min
Nice=10
CPUWeight=50
IOWeight=50
OOMScoreAdjust=-300
${settingLines(
  sandbox(
    { network: 'kernel', capabilities: RIGHTS, ambient: true, calls: ['capset'] },
    // Managed files may be in homes.
    { ReadWritePaths: `${METRICS}/checks`, ProtectHome: 'read-only', ProcSubset: 'all', UMask: '0022' },
  ),
)}`
