import { dropin, file, type Resource, Secret, sandbox, service, settingLines, slice, type Text, text, unit } from 'provision'
import type { AppOptions, Options, SiteOptions } from './options.ts'

/** nginx and the applications share this: whatever they do, the rest of the host goes on. */
const SLICE = 'web.slice'

export const webSlice = ({ share: { cpu_weight, io_weight, memory_percent } }: Options): Resource =>
  slice({
    name: 'web',
    description: 'The web server and the applications behind it',
    cpuWeight: cpu_weight,
    ioWeight: io_weight,
    memoryMax: `${memory_percent}%`,
  })

/** Its main process opens logs of www-data, gives its workers away to that account, and reads private keys. */
const CAPABILITIES = ['CAP_NET_BIND_SERVICE', 'CAP_SETUID', 'CAP_SETGID', 'CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_KILL']

/** nginx's own unit stays the package's; this takes from it what it does not need. */
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

/** An application as a unit of its own: its environment, if it has one, and the service that runs it. */
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
    // nginx starts after it, and is found well: by then it answers.
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
Description=${name}, behind nginx
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

/** A value as systemd reads it in an environment file. */
const quoted = (value: Secret): Secret => new Secret(`"${value.reveal().replace(/["\\$`]/g, '\\$&')}"`)

// Nothing of it may be an expansion to systemd, which reads the line first.
const untilListening = (port: number): string =>
  `for i in {1..100}; do (exec 3<>/dev/tcp/127.0.0.1/${port}) 2>/dev/null && exit; sleep 0.1; done; echo "nobody listens on 127.0.0.1:${port}"; exit 1`

/** It has started when somebody answers at its port: the visitors come next. */
const listening = (port: number): string => `
i=0; until timeout 1 bash -c 'exec 3<>/dev/tcp/127.0.0.1/${port}' 2>/dev/null; do
  [ $i -lt 100 ] || { echo "$unit does not listen on 127.0.0.1:${port}"; exit 1; }
  sleep 0.1; i=$((i+1))
done`
