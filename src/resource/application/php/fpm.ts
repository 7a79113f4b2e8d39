import { file } from '../../file/file.ts'
import type { Resource } from '../../kind/kind.ts'
import type { UnitSettings } from '../../service/sandbox.ts'
import { unit } from '../../service/unit.ts'
import type { ReadyPhp } from './ready.ts'

/** Path that PHP-FPM answers itself. It does not end with .php, so nginx never asks for it. */
export const PING = '/.provision-ping'

/** Time for requests that are being answered when PHP is restarted. */
const STOP_SECONDS = 30

/** Socket of an application, which systemd creates. Only nginx may connect. */
export const phpSocket = (own: string): string => `/run/${own}.sock`

const iniPath = (own: string): string => `/etc/provision/${own}.ini`
const poolPath = (own: string): string => `/etc/provision/${own}.fpm.conf`

/** Packages of PHP with the extensions of an application. */
export const phpPackages = ({ version, extensions }: ReadyPhp): readonly string[] =>
  [...new Set(['fpm', 'cli', ...extensions])].map((name) => `php${version}-${name}`)

/** The set of files that is restored with the former release. PHP checks it before it goes live. */
export const phpSet = (name: string, own: string, { version, settings }: ReadyPhp) => ({
  name,
  root: '/etc/provision',
  check: ['sh', '-c', CHECK, 'php', version, iniPath(own), poolPath(own), ...Object.keys(settings).filter((one) => !OF_SERVERS.test(one))],
})

/** Settings that PHP has as a server only, not as the program that checks them. */
const OF_SERVERS = /^(cgi|fastcgi)\./

// PHP ignores settings that it does not know, such as misspelt ones. It runs without the rights of root.
const CHECK = `version=$1; ini=$2; pool=$3; shift 3
as() { setpriv --reuid=nobody --regid=nogroup --clear-groups --no-new-privs "$@"; }
found=$(as "/usr/sbin/php-fpm$version" -c "$ini" -y "$pool" -t 2>&1) || { printf '%s\\n' "$found" >&2; exit 1; }
PHP_INI_SCAN_DIR="/etc/php/$version/fpm/conf.d"; export PHP_INI_SCAN_DIR
as "/usr/bin/php$version" -c "$ini" -r '$unknown = array_filter(array_slice($argv, 1), fn ($name) => ini_get($name) === false);
foreach ($unknown as $name) fwrite(STDERR, "PHP " . PHP_VERSION . " and its extensions have no setting $name\\n");
exit($unknown === [] ? 0 : 1);' -- "$@"`

/** The files of an application: php.ini, and its pool. Root owns them. */
export const phpFiles = (own: string, php: ReadyPhp, set: ReturnType<typeof phpSet>): readonly Resource[] => [
  file({ path: iniPath(own), content: iniContent(own, php), set }),
  file({ path: poolPath(own), content: poolContent(own, php), set }),
]

const iniContent = (own: string, { settings, bodyMax }: ReadyPhp): string => {
  const all = {
    'cgi.fix_pathinfo': 0,
    display_errors: 0,
    error_log: 'syslog',
    error_reporting: 'E_ALL & ~E_DEPRECATED',
    expose_php: 0,
    log_errors: 1,
    'opcache.validate_timestamps': 0,
    post_max_size: bodyMax.toUpperCase(),
    'session.cookie_httponly': 1,
    'session.cookie_samesite': 'Lax',
    'session.save_path': `/var/lib/${own}/sessions`,
    'session.use_strict_mode': 1,
    short_open_tag: 0,
    'syslog.ident': own,
    upload_max_filesize: bodyMax.toUpperCase(),
    upload_tmp_dir: '/var/tmp',
    'zend.exception_ignore_args': 1,
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name} = ${iniValue(value)}\n`)
  return `; Written by provision.\n${lines.join('')}`
}

/** PHP evaluates constants of errors only outside of quotes. */
const iniValue = (value: string | number | boolean): string => {
  if (typeof value !== 'string') return String(Number(value))
  return /^[~() ]*E_[A-Z_&|^~() ]+$/.test(value) ? value : `"${value}"`
}

const poolContent = (own: string, { workers }: ReadyPhp): string => `; Written by provision.
[global]
error_log = syslog
syslog.ident = ${own}
process_control_timeout = ${STOP_SECONDS}s

[${own}]
listen = ${phpSocket(own)}
pm = ondemand
pm.max_children = ${workers}
pm.process_idle_timeout = 60s
pm.max_requests = 1000
ping.path = ${PING}
security.limit_extensions = .php
clear_env = no
catch_workers_output = yes
decorate_workers_output = no
`

/** Settings of the unit. PHP gets the socket as descriptor 3, and answers its last requests before it ends. */
export const phpSettings = (own: string, { version }: ReadyPhp): UnitSettings => ({
  Type: 'notify',
  ExecStart: `/usr/sbin/php-fpm${version} --nodaemonize -c ${iniPath(own)} -y ${poolPath(own)}`,
  KillSignal: 'SIGQUIT',
  KillMode: 'mixed',
  TimeoutStopSec: `${STOP_SECONDS + 15}`,
  // With a dynamic account, systemd 249 cannot create a state directory in another one.
  ExecStartPre: `/bin/mkdir -p /var/lib/${own}/sessions`,
  StateDirectory: own,
  StateDirectoryMode: '0700',
})

/** Variable by which PHP finds the socket. */
export const phpVariable = (own: string): string => `FPM_SOCKETS=${phpSocket(own)}=3`

/** The unit of the socket. Requests wait in it while PHP is restarted. */
export const socketUnit = (own: string, name: string): Resource =>
  unit({
    name: `${own}.socket`,
    content: `# Written by provision.
[Unit]
Description=Application ${name} (socket)

[Socket]
ListenStream=${phpSocket(own)}
SocketUser=www-data
SocketGroup=root
SocketMode=0600
RemoveOnStop=yes
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
`,
  })
