import { Problem } from '../problem.ts'
import type { Facts } from '../role/role.ts'

/**
 * Asks what a host is: one `grep` for memory, processors and what architecture its own dpkg is of (within a dozen lines of its
 * name), builtins for the rest.
 */
export const FACTS_SCRIPT = `
while IFS= read -r l; do printf 'os %s\\n' "$l"; done </etc/os-release
IFS= read -r l </proc/sys/kernel/hostname; printf 'hostname %s\\n' "$l"
grep -hsE -A 12 '^(MemTotal|processor[[:space:]]*):|^Package: dpkg$' /proc/meminfo /proc/cpuinfo /var/lib/dpkg/status
`

/** What the host is, from what it answered. Anything but Debian and Ubuntu is refused by name. */
export const readFacts = (host: string, stdout: string, sshConnection: readonly string[]): Facts => {
  const lines = stdout.split('\n')
  const field = (pattern: RegExp): string | undefined => lines.map((line) => pattern.exec(line)?.[1]).find((found) => found !== undefined)
  const dpkg = lines.slice(Math.max(0, lines.indexOf('Package: dpkg')))
  const os = (key: string): string => field(new RegExp(`^os ${key}="?([A-Za-z0-9._ -]*)"?$`)) ?? ''
  const distribution = os('ID')
  if (distribution !== 'debian' && distribution !== 'ubuntu') {
    const name = os('PRETTY_NAME') || distribution || 'no os-release'
    throw new Problem({
      class: 'task',
      where: { host },
      what: `runs ${name}`,
      why: 'the roles know Debian and Ubuntu',
      fix: 'take the host out of the play, or install Debian or Ubuntu on it',
    })
  }
  return {
    distribution,
    release: os('VERSION_ID'),
    codename: os('VERSION_CODENAME'),
    architecture: dpkg.map((line) => /^Architecture: ([a-z0-9]+)$/.exec(line)?.[1]).find((found) => found !== undefined) ?? 'unknown',
    memoryMB: Math.round(Number(field(/^MemTotal:\s+(\d+) kB$/) ?? 0) / 1024),
    cpus: Math.max(1, lines.filter((line) => /^processor\s*:/.test(line)).length),
    hostname: field(/^hostname ([A-Za-z0-9.-]+)$/) ?? host,
    sshAddress: sshConnection[2] ?? '',
    sshPort: Number(sshConnection[3] ?? 22),
  }
}
