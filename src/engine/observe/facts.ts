import { isIP } from 'node:net'
import { Problem } from '../../problem.ts'
import { OWNED } from '../../resource/ownership/record.ts'
import type { Facts } from '../../role/role.ts'
import { sh } from '../../shell/sh.ts'
import { INTERFACES_SCRIPT, readNetworks } from './interfaces.ts'

/**
 * Reads a host's facts: one `grep` for memory, processors, ownership records, boot time, sshd's ports and dpkg's architecture (within
 * twelve lines of its name), and shell builtins for the rest. It ends at the first command that fails; grep's status is 1 or 2 where some
 * files are missing.
 */
export const FACTS_SCRIPT = sh`set -e
[ ! -e /etc/os-release ] || while IFS= read -r line; do printf 'os %s\\n' "$line"; done </etc/os-release
IFS= read -r line </proc/sys/kernel/hostname; printf 'hostname %s\\n' "$line"
for mark in /run/systemd/container /.dockerenv /run/.containerenv; do [ ! -e $mark ] || printf 'container\\n'; done
[ ! -e /proc/vz ] || [ -e /proc/bc ] || printf 'container\\n'
for clock in timesyncd chrony; do for unit in /lib/systemd/system/systemd-$clock.service /lib/systemd/system/$clock.service; do [ ! -e $unit ] || printf 'clock %s\\n' $clock; done; done
[ ! -e /usr/sbin/rsyslogd ] || printf 'rsyslog\\n'
grep -HsE -A 12 '^(MemTotal|processor[[:space:]]*):|^Package: dpkg$|^btime |^[a-z][a-z0-9-]*:|^# [{]|^[[:space:]]*([Pp][Oo][Rr][Tt]|[Ll]isten[Aa]ddress)[[:space:]=]' \\
  /proc/stat /proc/meminfo /proc/cpuinfo ${OWNED}/* /var/lib/dpkg/status /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf || [ $? -lt 3 ]
read -r seconds _ </proc/uptime; printf 'uptime %s\\n' "$seconds"
${INTERFACES_SCRIPT}`

/**
 * The first supported releases. Older ones have packages that the roles cannot configure, for example MariaDB before 10.6. A release under
 * development has no number.
 */
const FIRST = { debian: 12, ubuntu: 22.04 } as const

/** Parses the answer to `FACTS_SCRIPT`. Throws a `Problem` that names the system if it is neither Debian nor Ubuntu, or too old. */
export const readFacts = (host: string, stdout: string, sshConnection: readonly string[]): Facts => {
  const lines = stdout.split('\n')
  const field = (pattern: RegExp): string | undefined => lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined)
  const dpkg = lines.slice(Math.max(0, lines.indexOf('/var/lib/dpkg/status:Package: dpkg')))
  const os = (key: string): string => field(new RegExp(`^os ${key}="?([A-Za-z0-9._ -]*)"?$`)) ?? ''
  const distribution = os('ID')
  // Only shown: `Debian GNU/Linux 13 (trixie)`.
  const prettyName = field(/^os PRETTY_NAME="?([A-Za-z0-9._/() -]*)"?$/)
  if (distribution !== 'debian' && distribution !== 'ubuntu') {
    const name = prettyName || distribution || 'an unknown system, without /etc/os-release'
    throw new Problem({
      class: 'task',
      where: { host },
      what: `host runs ${name}`,
      why: 'provision supports Debian and Ubuntu',
      fix: 'remove the host from the play, or install Debian or Ubuntu on it',
    })
  }
  const release = os('VERSION_ID')
  if (release !== '' && Number(release) < FIRST[distribution]) {
    throw new Problem({
      class: 'task',
      where: { host },
      what: `host runs ${prettyName || `${distribution} ${release}`}`,
      why: `provision supports Debian ${FIRST.debian} and later, and Ubuntu ${FIRST.ubuntu.toFixed(2)} and later`,
      fix: 'upgrade the host or replace it, or remove it from the play',
    })
  }
  const clock = field(/^clock (timesyncd|chrony)$/)
  const [client = '', , sshAddress = '', servedAt = ''] = sshConnection
  const clientAddress = client.replace(/^::ffff:(?=[\d.]+$)/i, '').replace(/%.*$/, '')
  const sshPort = portIn(servedAt) ?? 22
  return {
    distribution,
    release,
    codename: os('VERSION_CODENAME'),
    architecture:
      dpkg.map((line) => /^\/var\/lib\/dpkg\/status-Architecture: ([a-z0-9]+)$/.exec(line)?.[1]).find((found) => found !== undefined) ??
      'unknown',
    memoryMB: Math.round(Number(field(/^\/proc\/meminfo:MemTotal:\s+(\d+) kB$/) ?? 0) / 1024),
    cpus: Math.max(1, lines.filter((line) => /^\/proc\/cpuinfo:processor\s*:/.test(line)).length),
    hostname: field(/^hostname ([A-Za-z0-9.-]+)$/) ?? host,
    sshAddress,
    sshPort,
    sshPorts: [...new Set([sshPort, ...lines.flatMap(portOfSshd)])],
    clientAddress: isIP(clientAddress) === 0 ? '' : clientAddress,
    container: lines.includes('container'),
    ...(clock === 'timesyncd' || clock === 'chrony' ? { clock } : {}),
    rsyslog: lines.includes('rsyslog'),
    networks: readNetworks(lines),
  }
}

const SSHD_LINE = /^\/etc\/ssh\/sshd_config(?:\.d\/[^:]+)?:\s*(port|listenaddress)[\s=]+"?([^\s"#]+)/i

/** The port in a line of sshd's configuration, unless sshd listens there on loopback only. */
const portOfSshd = (line: string): readonly number[] => {
  const [, keyword, value = ''] = SSHD_LINE.exec(line) ?? []
  const found = keyword?.toLowerCase() === 'port' ? value : /^(?!127\.|\[::1\]|localhost:)(?:\[.*\]|[^:]+):(\d+)$/.exec(value)?.[1]
  const port = portIn(found ?? '')
  return port === undefined ? [] : [port]
}

const portIn = (word: string): number | undefined => {
  const port = Number(word)
  return /^\d+$/.test(word) && port >= 1 && port <= 65535 ? port : undefined
}
