import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { loginPackages } from '../guarded/login-access.ts'
import { HostRefusal } from '../kind/step.ts'
import type { PackageSpec } from './spec.ts'

/** The answer of `apt-get -s` to the transaction that all packages of the host need together. */
export interface Simulated {
  readonly isPossible: boolean
  /** Packages that apt would install, without their architecture unless it is a foreign one. */
  readonly installs: readonly string[]
  /** Their versions, where the answer has them. */
  readonly versions?: ReadonlyMap<string, string>
  /** Packages that were installed automatically and that no package would need any more. */
  readonly unneeded?: readonly string[]
  /** Packages that apt would remove although nobody asked for it. */
  readonly removes: readonly string[]
  /** The output of apt, without the list of its actions. */
  readonly words: readonly string[]
  /** Whether the account of the run becomes root by sudo. */
  readonly usesSudo?: boolean
  /** Whether the next run asks the same: the package lists are those of the sources, and no earlier transaction was interrupted. */
  readonly isFinal: boolean
}

/** Options of apt that decide whether a transaction is possible. */
export const transactionOptions = (recommends: boolean): readonly string[] =>
  `-y -q ${recommends ? '--install-recommends' : '--no-install-recommends'} --allow-downgrades -o APT::Cmd::Pattern-Only=true`.split(' ')

/** Options of apt for a simulation, which writes no cache and takes no lock. */
export const SIMULATION_OPTIONS =
  '-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o Debug::NoLocking=1 -o APT::Get::Show-User-Simulation-Note=no'.split(' ')

/** Architectures of Debian: dpkg's output has one of them before each version. */
const ARCHITECTURES = 'all amd64 arm64 armel armhf i386 mips64el ppc64el riscv64 s390x'.split(' ')

/**
 * Shell function `lists_are_old`: whether the package lists are missing, or older than their sources or a number of minutes. A source that
 * was deleted changes its directory. Ends the script if that cannot be found out.
 */
export const listsAreOld = (minutes: number): Script => sh`lists_are_old() {
  read_at=/var/lib/provision/apt-updated; [ -e "$read_at" ] && [ ! /var/lib/apt/lists -nt "$read_at" ] || read_at=/var/lib/apt/lists
  set -- /var/lib/apt/lists/*_Packages*
  [ -e "$1" ] || return 0
  young=$(find "$read_at" -maxdepth 0 -mmin -${minutes}) || exit
  [ "$young" ] || return 0
  changed=$(find /etc/apt -maxdepth 2 ! -path '/etc/apt/apt.conf*' ! -path '/etc/apt/preferences*' -newercm "$read_at") || exit
  [ -n "$changed" ]
}`

/** Age at which package lists are read again, in minutes. */
export const listMinutes = (specs: readonly PackageSpec[]): number =>
  Math.floor(Math.min(...specs.map(({ cacheHours }) => cacheHours)) * 60)

/**
 * Asks apt whether it can change these packages, and only if one of them has to change: once for those with and once for those without
 * recommended packages. It uses `$installed`. A package that dpkg has installed has a file in its database, except for a few old ones,
 * which are looked up in the list. A package on hold whose hold is declared may change.
 */
export const simulationScript = (specs: readonly PackageSpec[]): Script => sh`${listsAreOld(listMinutes(specs))}
tab='	' newline='
'; all=$newline$installed$newline
listed() { case $all in *"$newline""installed$tab$1$tab"*) ;; *) return 1 ;; esac; }
has() {
  case $1 in *:*) listed "\${1%%:*}$tab\${1#*:}" ;; *) [ -e "/var/lib/dpkg/info/$1.md5sums" ] || listed "$1" ;; esac
}
begins() { case $all in *"$newline""installed$tab$1"*) ;; *) return 1 ;; esac; }
has_version() {
  name=\${1%%=*} version=\${1#*=}
  case $version in *'*') found=begins version=\${version%?} ;; *) found=listed ;; esac
  case $name in *:*) "$found" "\${name%%:*}$tab\${name#*:}$tab$version"; return ;; esac
  for architecture in ${ARCHITECTURES}; do ! "$found" "$name$tab$architecture$tab$version" || return 0; done; return 1
}
is_held() { case $all in *"$newline""installed$tab$1$tab"*) rest=\${all#*"$newline""installed$tab$1$tab"}; case \${rest%%"$newline"*} in *"$tab"'hold ok') return 0 ;; esac ;; esac; return 1; }
simulate() {
  status=0; apt-get -s "$@" >"$T/simulated" 2>&1 || status=$?
  case $status in 0|100) ;; 127) status=100; echo 'E: apt-get is not installed' >"$T/simulated" ;; *) cat "$T/simulated" >&2; exit "$status" ;; esac
}
${[false, true].map((recommends) =>
  simulationOf(
    specs.filter((spec) => spec.recommends === recommends),
    recommends,
  ),
)}`

const simulationOf = (specs: readonly PackageSpec[], recommends: boolean): Script => {
  if (specs.length === 0) return sh``
  const named = (present: boolean, pinned: boolean) =>
    specs.filter(({ state, version }) => (state === 'present') === present && (version !== undefined) === pinned)
  const plain = named(true, false).map(({ name }) => name)
  const absent = [...named(false, false), ...named(false, true)].map(({ name }) => name)
  const pinned = named(true, true).map(({ name, version }) => `${name}=${version}`)
  const held = specs.filter(({ hold }) => hold !== undefined).map(({ name }) => name.split(':')[0] ?? name)
  const options = [...transactionOptions(recommends), ...SIMULATION_OPTIONS]
  const allow =
    held.length === 0 ? sh`` : sh`for one in ${held}; do ! is_held "$one" || { set -- --allow-change-held-packages "$@"; break; }; done`
  return sh`set --
for one in ${plain}; do has "$one" || set -- "$@" "$one"; done
for one in ${pinned}; do has_version "$one" || set -- "$@" "$one"; done
for one in ${absent}; do ! has "$one" || set -- "$@" "$one-"; done
if [ $# != 0 ]; then asked=$*
  ${allow}
  simulate ${options} install "$@"
  if lists_are_old; then lists=old; else lists=read; fi
  printf 'simulated %s %s %s\\n' "$status" "$lists\${SUDO_USER:+,sudo}"${recommends ? ',recommends' : ''} "$asked"
  sed -e 's/^Inst \\([^ ]*\\) .*(\\([^ ]*\\).*/Inst \\1 \\2/' -e 's/^Remv \\([^ ]*\\).*/Remv \\1/' -e '/^Conf /d' -e 's/^/apt /' "$T/simulated"
fi`
}

const SIMULATED = /^simulated (\d+) (old|read)(,sudo)?(,recommends)? (.*)$/

/** Parses the lines of `simulationScript`: the answers for packages with and without what they recommend. `held` must not change. */
export const readSimulations = (
  lines: readonly string[],
  isSettled: boolean,
  held: readonly string[] = [],
): ReadonlyMap<boolean, Simulated> => {
  const starts = lines.flatMap((line, i) => (SIMULATED.test(line) ? [i] : []))
  return new Map(
    starts.flatMap((start, i) => {
      const found = readSimulation(lines.slice(start, starts[i + 1]), isSettled, held)
      return found === undefined ? [] : [[lines[start]?.includes(',recommends ') === true, found] as const]
    }),
  )
}

/** Parses the lines of one simulation. Undefined if nothing was simulated. */
export const readSimulation = (lines: readonly string[], isSettled: boolean, held: readonly string[] = []): Simulated | undefined => {
  const [, status, lists, sudo, , asked = ''] = lines.map((line) => SIMULATED.exec(line)).find((found) => found !== null) ?? []
  if (status === undefined) return undefined
  const words = lines.flatMap((line) => (line.startsWith('apt ') ? [line.slice('apt '.length)] : []))
  const actions = (verb: string): readonly (readonly string[])[] =>
    words.flatMap((line) => (line.startsWith(`${verb} `) ? [line.slice(verb.length + 1).split(' ')] : []))
  const namesOf = (verb: string): readonly string[] => actions(verb).map(([name = '']) => name)
  const removing = new Set(asked.split(' ').flatMap((word) => (word.endsWith('-') ? [word.slice(0, -1)] : [])))
  const versions = new Map(actions('Inst').flatMap(([name = '', version]) => (version === undefined ? [] : [[name, version] as const])))
  const unneeded = listBelow(words, UNNEEDED)
  const changed = [...namesOf('Inst'), ...namesOf('Remv')].filter((name) => held.includes(name.split(':')[0] ?? ''))
  const refusal = changed.length === 0 ? [] : [`E: Held packages were changed: '${changed.join("', '")}'`]
  return {
    isPossible: status === '0' && changed.length === 0,
    installs: namesOf('Inst'),
    ...(versions.size > 0 && { versions }),
    ...(unneeded.length > 0 && { unneeded }),
    removes: namesOf('Remv').filter((name) => !removing.has(name) && !removing.has(name.split(':')[0] ?? '')),
    words: [...words.filter((line) => line !== '' && !/^((Inst|Remv) |(Reading|Building) .*\.\.\.$)/.test(line)), ...refusal],
    ...(sudo !== undefined && { usesSudo: true }),
    isFinal: isSettled && lists === 'read',
  }
}

const UNNEEDED = /^The following packages? (was|were) automatically installed and (is|are) no longer required:/

/** The words of the indented lines below a sentence of apt. */
export const listBelow = (words: readonly string[], sentence: RegExp): readonly string[] => {
  const start = words.findIndex((line) => sentence.test(line))
  if (start < 0) return []
  const rest = words.slice(start + 1)
  const end = rest.findIndex((line) => !line.startsWith('  '))
  return rest.slice(0, end < 0 ? rest.length : end).flatMap((line) => line.trim().split(/\s+/))
}

/** Whether apt installs the package itself. Otherwise its name is virtual, and another package provides it. */
const isInstalledBy = ({ installs }: Simulated, name: string): boolean =>
  installs.some((one) => one === name || one.split(':')[0] === name || one === name.split(':')[0])

/** Returns the refusal of a change that would shut out the run: a removal, or one that apt makes with this change. */
export const shutOut = (
  { name, state, autoremove }: Pick<PackageSpec, 'name' | 'state' | 'autoremove'>,
  { usesSudo, removes, unneeded = [] }: Pick<Simulated, 'usesSudo' | 'removes' | 'unneeded'>,
): HostRefusal | undefined => {
  const needed = loginPackages(usesSudo === true)
  const also = autoremove ? [...removes, ...unneeded] : removes
  const lost = state === 'absent' && needed.includes(name) ? name : also.find((one) => needed.includes(one.split(':')[0] ?? ''))
  if (lost === undefined) return undefined
  return new HostRefusal(
    `${lost === name ? `removal of package ${name}` : `change of package ${name}`} would shut out the account that this run uses`,
    `${lost === name ? '' : `apt-get -s removes ${lost} in the same transaction: `}${lost.split(':')[0] === 'sudo' ? 'the account becomes root by sudo' : 'the account logs in through this server'}`,
    'remove the package by hand, from a console of the host',
  )
}

/** Returns why apt cannot change this package, or undefined. */
export const impossibilityOf = ({ name, version, state }: PackageSpec, simulated: Simulated): HostRefusal | undefined => {
  const { isPossible, removes, words, installs } = simulated
  if (!isPossible) {
    const errors = words.filter((line) => line.startsWith('E: '))
    const isNamed = (line: string, one: string): boolean => new RegExp(`(^|[\\s'"])${one.replace(/[.+]/g, '\\$&')}([\\s'":]|$)`).test(line)
    const naming = errors.filter((line) => isNamed(line, name.split(':')[0] ?? ''))
    // An error that names other packages is theirs.
    if (naming.length === 0 && errors.some((line) => /'|Unable to locate package /.test(line))) return undefined
    return new HostRefusal(
      `package ${name} cannot be ${state === 'absent' ? 'removed' : 'installed'}${version === undefined ? '' : ` in version ${version}`}`,
      words.slice(-20).join('\n'),
      fixFor(words.join('\n'), name),
    )
  }
  if (removes.length > 0)
    return new HostRefusal(
      `change of package ${name} would also remove ${removes.join(', ')}`,
      `apt-get -s removes ${removes.join(', ')} in the same transaction`,
      'remove those by hand, or declare them absent too; nothing was changed',
    )
  if (state === 'absent' || isInstalledBy(simulated, name)) return undefined
  return new HostRefusal(
    `package ${name} is virtual`,
    `apt would install ${installs.join(', ') || 'nothing'} instead, because another package provides the name`,
    'declare the package that provides it',
  )
}

/** The instruction for an error of apt, by its own words. */
export const fixFor = (said: string, name: string): string => {
  if (/^E: apt-get is not installed$/m.test(said))
    return 'install apt on the host, from a file with dpkg --install, or remove the package from the role'
  if (/is a virtual package/.test(said)) return 'declare the package that provides it'
  if (/Held packages were changed/.test(said)) return `run \`apt-mark unhold ${name}\` on the host, or remove it from the role`
  if (/Unable to locate|no installation candidate|was not found/.test(said))
    return 'check name and version, or declare the repository that contains it first'
  return 'fix the problem that apt reports on the host, or remove the package from the role'
}
