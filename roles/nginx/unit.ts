import {
  dropin,
  file,
  type Resource,
  type Script,
  Secret,
  sandbox,
  service,
  settingLines,
  sh,
  slice,
  type Text,
  text,
  unit,
} from 'provision'
import type { AppOptions, Options, SiteOptions } from './options.ts'

/** Slice of nginx and the applications, so that they cannot starve the rest of the host. */
const SLICE = 'web.slice'

export const webSlice = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): Resource =>
  slice({
    name: 'web',
    description: 'Web server and applications',
    cpuWeight: cpu_weight,
    ioWeight: io_weight,
    memoryMax: `${memory_percent}%`,
  })

/** Capabilities of the main process, which opens logs of www-data, starts workers as that account, and reads private keys. */
const CAPABILITIES = ['CAP_NET_BIND_SERVICE', 'CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_KILL']

/** Drop-in for the unit of the package: slice, sandbox and restart. */
export const nginxSandbox = (): Resource =>
  dropin({
    unit: 'nginx.service',
    name: 'provision',
    settings: {
      Service: {
        Slice: SLICE,
        ...sandbox({ network: 'all', capabilities: CAPABILITIES }, { ReadWritePaths: '/run /var/log/nginx /var/lib/nginx', UMask: '0027' }),
        LimitNOFILE: '16384',
        Restart: 'on-failure',
        RestartSec: '1s',
      },
    },
  })

/** Runtimes compile code while they run, and read the number of processors, the memory and the networks. Libraries restore the group of files (chown). */
const APPLICATION = {
  MemoryDenyWriteExecute: 'no',
  ProcSubset: 'all',
  RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6',
  UMask: '0027',
}

/** Resources of an application: its environment file, its unit and its service. */
export const appResources = ({ name }: SiteOptions, app: AppOptions): readonly Resource[] => {
  const own = `provision-app-${name}`
  const environment = Object.entries(app.environment)
  const variables = file({
    path: `/etc/provision/${own}.env`,
    mode: '600',
    content: joined(environment.map(([key, value]) => text`${key}=${quoted(value)}\n`)),
  })
  const settings = {
    ExecStart: app.command,
    // nginx starts after this unit, so the application answers when the balancers find nginx healthy.
    ExecStartPost: `/bin/bash -c '${untilListening(app.port)}'`,
    Environment: `PORT=${app.port}`,
    ...(environment.length > 0 && { EnvironmentFile: `/etc/provision/${own}.env` }),
    ...(app.user === undefined ? { DynamicUser: 'yes' } : { User: app.user }),
    ...(app.directory !== undefined && { WorkingDirectory: app.directory }),
    StateDirectory: own,
    Slice: SLICE,
    ...sandbox({ network: 'all', calls: ['@chown'] }, APPLICATION),
    // Other programs of the account keep their shared memory when this one ends.
    ...(app.user !== undefined && { RemoveIPC: 'no' }),
    ...(app.writes.length > 0 && { ReadWritePaths: app.writes.join(' ') }),
    ...(app.memory !== undefined && { MemoryMax: app.memory.toUpperCase() }),
    TasksMax: '1024',
    LimitNOFILE: '65536',
    Restart: 'always',
    RestartSec: '1s',
  }
  const ours = unit({
    name: `${own}.service`,
    content: `# Written by provision.
[Unit]
Description=Application ${name}
After=network.target
Before=nginx.service
StartLimitIntervalSec=0

[Service]
${settingLines(settings)}
[Install]
WantedBy=multi-user.target
`,
  })
  const files = environment.length > 0 ? [variables, ours] : [ours]
  return [...files, service({ unit: `${own}.service`, restarts: files, reload: 'restart', took: listening(app.port) })]
}

const joined = (texts: readonly Text[]): Text => ({ type: 'text', parts: texts.flatMap(({ parts }) => parts) })

/** Quotes a value for an environment file of systemd. */
const quoted = (value: Secret): Secret => new Secret(`"${value.reveal().replace(/["\\$`]/g, '\\$&')}"`)

// systemd expands variables first, so the script must not contain any.
const untilListening = (port: number): string =>
  `for i in {1..100}; do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && exit; sleep 0.1; done; echo "the application does not listen on 127.0.0.1:${port}"; exit 1`

/** Script for `took`: waits until the application listens on its port. */
const listening = (port: number): Script => sh`
i=0; until timeout 1 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null; do
  [ $i -lt 100 ] || { echo "$unit does not listen on 127.0.0.1:${port}"; exit 1; }
  sleep 0.1; i=$((i+1))
done`
