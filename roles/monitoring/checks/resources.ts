import { directory, file, type HostContext, pkg, type Resource, service, unit } from 'provision'
import { TEXTFILES } from '../agent.ts'
import type { Options } from '../options.ts'
import { checksScript } from './script.ts'

const SCRIPT = '/usr/local/sbin/provision-checks'
const CONF = '/etc/provision/checks.conf'

/** A timer on every host that looks at its files, ports, accounts and logins. */
export const checksResources = (context: HostContext<Options>): readonly Resource[] => {
  const script = file({ path: SCRIPT, mode: '755', content: checksScript(TEXTFILES) })
  const known = file({ path: CONF, content: checksConf(context) })
  const job = unit({ name: 'provision-checks.service', content: JOB })
  const timer = unit({ name: 'provision-checks.timer', content: timerText(context.options) })
  return [
    pkg({ name: 'iproute2' }),
    directory({ path: '/etc/provision' }),
    known,
    script,
    job,
    timer,
    service({ unit: 'provision-checks.timer', restarts: [timer], reload: 'restart' }),
  ]
}

/** What roles and options speak of: ports as `443/tcp`, and accounts. */
export const checksConf = ({ host, flows, exposed, facts, options }: HostContext<Options>): string => {
  const ports = [
    ...flows.filter((flow) => flow.host === host.name && flow.protocol !== 'vrrp').map(({ port, protocol }) => `${port}/${protocol}`),
    ...facts.sshPorts.map((port) => `${port}/tcp`),
    ...options.known_ports,
  ]
  const users = ['root', host.user, ...options.known_users]
  const balancer = exposed.some((one) => one.host === host.name && one.type === 'metrics' && one.job === 'haproxy')
  return `# Written by provision.\nPORTS='${[...new Set(ports)].join(' ')}'\nUSERS='${[...new Set(users)].join(' ')}'\nBALANCER=${balancer ? 'yes' : 'no'}\n`
}

const JOB = `# Written by provision (role monitoring).
[Unit]
Description=Files, ports, accounts and logins of this host, looked at for the monitoring

[Service]
Type=oneshot
ExecStart=${SCRIPT}
TimeoutStartSec=10min
CPUWeight=50
IOWeight=50
OOMScoreAdjust=-300
`

const timerText = ({ checks_seconds }: Options): string => `# Written by provision (role monitoring).
[Unit]
Description=Look at files, ports, accounts and logins every ${checks_seconds} seconds

[Timer]
OnActiveSec=1s
OnUnitInactiveSec=${checks_seconds}s
AccuracySec=1s

[Install]
WantedBy=timers.target
`
