import { isIP } from 'node:net'
import {
  type Check,
  type Connection,
  command,
  directory,
  type Facts,
  file,
  type HostContext,
  link,
  pkg,
  projectFile,
  sandbox,
  service,
  settingLines,
  sh,
  unit,
  z,
} from 'provision'
import { type Fault, HEAD, type Part } from './part.ts'

const HOST = '[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?'

export const syslogOption = z
  .strictObject({
    server: z
      .string()
      .regex(new RegExp(`^(${HOST}|\\[[0-9a-f:]+\\])(:[1-9][0-9]{0,4})?$`, 'i'), 'must be HOST or HOST:PORT')
      .refine((text) => portOf(text) <= 65_535, 'must have a port of at most 65535')
      .meta({ description: 'syslog server that receives over TLS (RFC 5425); default port: 6514', examples: ['logs.example.org:6514'] }),
    name: z
      .string()
      .regex(new RegExp(`^${HOST}$`), 'must be a host name')
      .optional()
      .meta({ description: 'name in the certificate of the server; default: the host of `server`', examples: ['logs.example.org'] }),
    ca_file: z
      .string()
      .regex(/^(?!\/)[^\p{Cc}]+$/u, 'must be a PEM file of the project')
      .optional()
      .meta({
        description: 'PEM file of the project with the authority of the server, if it is not a public one',
        examples: ['authorities/logs.pem'],
      }),
    buffer_mb: z
      .int()
      .min(16)
      .max(16_384)
      .default(256)
      .meta({ description: 'megabytes of messages that the host keeps on disk while the server does not answer' }),
  })
  .optional()
  .meta({
    description: 'send the journal to a syslog server over TLS, with its certificate verified',
    examples: [{ server: 'logs.example.org:6514', ca_file: 'authorities/logs.pem' }],
  })

export type Syslog = NonNullable<z.output<typeof syslogOption>>

const NAME = 'provision-syslog'
const UNIT = `${NAME}.service`
/** A name that the distribution's rsyslog does not include, in the directory that its AppArmor profile on Ubuntu permits. */
const CONFIG = `/etc/rsyslog.d/${NAME}`
const AUTHORITY = `${CONFIG}.pem`
const PUBLIC_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'
/** systemd gives this directory to the temporary user of the unit. The profile permits it too. */
const BUFFER = `/var/log/${NAME}`
/** The unit of the package. It would write a second copy of the journal to /var/log. */
const MASK = '/etc/systemd/system/rsyslog.service'

const hostOf = (server: string): string => server.replace(/:\d+$/, '').replaceAll(/[[\]]/g, '')
const portOf = (server: string): number => Number(/:(\d+)$/.exec(server.replace(/^\[[^\]]*\]/, ''))?.[1] ?? 6514)
const nameOf = ({ name, server }: Syslog): string => name ?? hostOf(server)

type Context = Pick<HostContext<unknown>, 'files' | 'wasDeclared'> & { readonly facts: Pick<Facts, 'rsyslog'> }

/** The unit that sends the journal, or its removal. */
export const syslog = (options: Syslog | undefined, context: Context): Part => {
  if (options === undefined) return former(context)
  const { facts, wasDeclared = () => false } = context
  // An rsyslog that this role did not install stays as it is.
  const isOurs = !facts.rsyslog || wasDeclared(`link:${MASK}`)
  const config = file({ path: CONFIG, content: configOf(options) })
  const authority =
    options.ca_file === undefined
      ? file({ path: AUTHORITY, state: 'absent' })
      : file({
          path: AUTHORITY,
          content: projectFile(context, options.ca_file, 'put the PEM file of the authority there, or correct `syslog.ca_file`'),
        })
  const job = unit({ name: UNIT, content: UNIT_TEXT })
  return {
    packages: [
      ...(isOurs ? [link({ path: MASK, target: '/dev/null' })] : []),
      ...['rsyslog', 'rsyslog-gnutls', ...(options.ca_file === undefined ? ['ca-certificates'] : [])].map((name) => pkg({ name })),
    ],
    files: [directory({ path: '/etc/rsyslog.d' }), authority, config, job],
    services: [service({ unit: UNIT, restarts: options.ca_file === undefined ? [config, job] : [authority, config, job] })],
  }
}

/** Removes what a former run made for this option. The packages stay, so the mask stays too: their service would start at the next boot. */
const former = ({ wasDeclared = () => false }: Pick<Context, 'wasDeclared'>): Part => {
  if (!wasDeclared(`unit:${UNIT}`)) return {}
  return {
    files: [
      ...(wasDeclared(`link:${MASK}`) ? [link({ path: MASK, target: '/dev/null' })] : []),
      service({ unit: UNIT, running: false, enabled: false }),
      ...[CONFIG, AUTHORITY].map((path) => file({ path, state: 'absent' })),
      unit({ name: UNIT, state: 'absent' }),
      command({
        name: 'delete the buffer of provision-syslog',
        run: sh`rm -rf /var/log/private/${NAME} ${BUFFER}`,
        unless: sh`! [ -e /var/log/private/${NAME} ] && ! [ -L ${BUFFER} ]`,
      }),
    ],
  }
}

const configOf = (options: Syslog): string => `${HEAD}global(
  workDirectory="${BUFFER}"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="${options.ca_file === undefined ? PUBLIC_AUTHORITIES : AUTHORITY}"
)
# An entry counts as read once it is in the buffer: without a queue in between, a restart loses none.
main_queue(queue.type="Direct")
# New entries, from the place in the journal at which the last run of this unit stopped. journald limits their rate.
module(load="imjournal" StateFile="journal" IgnorePreviousMessages="on" PersistStateInterval="10" Ratelimit.Interval="0")
action(
  type="omfwd" protocol="tcp" target="${hostOf(options.server)}" port="${portOf(options.server)}"
  template="RSYSLOG_SyslogProtocol23Format" TCP_Framing="octet-counted"
  StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name"
  StreamDriverPermittedPeers="${nameOf(options)}" StreamDriver.PermitExpiredCerts="off"
  action.resumeRetryCount="-1" action.resumeInterval="5" action.resumeIntervalMax="60"
  queue.type="LinkedList" queue.filename="buffer" queue.maxDiskSpace="${options.buffer_mb}m" queue.maxFileSize="4m" queue.saveOnShutdown="on"
)
`

/** rsyslog names the scheduler of each of its threads; a thread that may not do so does not start, without a message. */
const THREADS = ['sched_setscheduler']

const UNIT_TEXT = `${HEAD}[Unit]
Description=Sends the journal to a syslog server
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=/usr/sbin/rsyslogd -n -iNONE -f ${CONFIG}
DynamicUser=yes
SupplementaryGroups=systemd-journal
LogsDirectory=${NAME}
LogsDirectoryMode=0700
Restart=always
RestartSec=5s
# Its own messages are in the journal, so it sends them too.
LogRateLimitIntervalSec=1min
LogRateLimitBurst=20
MemoryMax=256M
CPUWeight=50
IOWeight=50
${settingLines(sandbox({ network: 'all', calls: THREADS }))}
[Install]
WantedBy=multi-user.target
`

/** The certificate of a server names a host. rsyslog compares no addresses. */
export const syslogFaults = (options: Syslog | undefined): readonly Fault[] =>
  options !== undefined && isIP(nameOf(options)) !== 0
    ? [
        {
          path: ['syslog', 'server'],
          what: `${hostOf(options.server)} is an address, and rsyslog verifies names only`,
          fix: 'write the host name of the server, or add `name`, the name in its certificate',
        },
      ]
    : []

export const syslogConnections = (options: Syslog | undefined): readonly Connection[] =>
  options === undefined ? [] : [{ service: 'logs', port: portOf(options.server), protocol: 'tcp' }]

/** Check that the server acknowledges the bytes of a test line, on a connection that it keeps open. */
export const syslogChecks = (options: Syslog | undefined): readonly Check[] =>
  options === undefined
    ? []
    : [
        {
          name: `a test line of the journal reaches ${options.server}`,
          units: [UNIT],
          script: `pid=$(systemctl show -P MainPID ${UNIT})
connection() { ss -HOtnip | grep -F "pid=$pid," | awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^bytes_acked:/) print $4, $3, $i }' | head -n 1; }
before=$(connection)
echo 'test line of provision verify' | systemd-cat -t provision-verify
end=$(($(date +%s) + 30))
until now=$(connection) && [ "$now" ] && [ "$now" != "$before" ] && [ "$(echo "$now" | cut -d ' ' -f 2)" = 0 ] && sleep 1 && [ "$(connection | cut -d ' ' -f 1)" = "\${now%% *}" ]; do
  [ "$(date +%s)" -lt "$end" ] || { echo 'the server does not accept it:'; journalctl -q -u ${UNIT} -n 3 --no-pager -o cat; exit 1; }
  sleep 0.5
done`,
        },
      ]
