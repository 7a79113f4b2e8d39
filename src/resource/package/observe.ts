import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { KindQuery } from '../kind/kind.ts'
import { HOLD } from './hold.ts'
import { readSimulations, type Simulated, simulationScript } from './simulate.ts'
import type { PackageSpec } from './spec.ts'

/** A package in dpkg's database: version and status (`installed`, `half-configured`, `config-files`…). */
export interface PackageState {
  /** `not-installed` if dpkg has no record of it. */
  readonly status: string
  readonly version: string
  /** Held by the administrator (`apt-mark hold`). */
  readonly held: boolean
  /** Removed, with its configuration files left. Observed only for a package that is to be purged. */
  readonly residual?: true
  /** Unfinished work of an interrupted apt or run on this host. One resource carries it for all, so it is reported once. */
  readonly debt?: string
  /** The answer of apt to the transaction, simulated. Undefined if no package of the host changes. */
  readonly simulated?: Simulated
}

// dpkg's journal of status changes that are not in its database yet: files with numeric names (dpkg's lib/dpkg/dbmodify.c).
const packagesScript = (specs: readonly PackageSpec[]): Script => sh`
installed=$(dpkg-query -W -f '\${db:Status-Status}\\t\${Package}\\t\${Architecture}\\t\${Version}\\t\${db:Status-Want} \${db:Status-Eflag}\\n')
printf '%s\\nanswered 0\\n' "$installed"
set -- /var/lib/dpkg/updates/[0-9]*; [ ! -e "$1" ] || echo journal
held=; [ ! -e ${HOLD.preset} ] && [ ! -e ${HOLD.kept} ] || held=1
[ ! -f ${HOLD.policy} ] || { read -r _ || :; read -r mark || :; [ "$mark" != ${HOLD.mark} ] || held=1; } <${HOLD.policy}
[ -z "$held" ] || echo held
${simulationScript(specs)}`

/**
 * One dpkg-query for all packages of the host, because unfinished packages may belong to no role; and a simulation by apt if a package has
 * to change. The first package that `isConverged` carries the debt of unfinished ones; if every package changes, their transaction settles it.
 */
export const observePackages = (
  specs: readonly PackageSpec[],
  isConverged: (name: string, state: PackageState) => boolean,
): KindQuery<PackageState> => ({
  script: packagesScript(specs),
  parse: (stdout) => {
    const lines = stdout.toString().split('\n')
    const end = lines.findIndex((line) => line.startsWith('answered '))
    if (lines[end] !== 'answered 0') throw new Error('dpkg-query could not read the package database')
    const installed = lines.slice(0, end).map(readLine)
    const names = specs.map(({ name }) => name)
    const rest = lines.slice(end + 1)
    const isSettled = !rest.includes('journal') && !installed.some(({ status }) => isUnfinished(status))
    const simulations = readSimulations(rest, isSettled, heldByOthers(specs, installed))
    const found = new Map<string, PackageState>(
      specs.map((spec) => {
        const simulated = simulations.get(spec.recommends)
        return [spec.name, { ...stateOf(spec, installed), ...(simulated !== undefined && { simulated }) }]
      }),
    )
    const debt = debtOf(names, installed, rest)
    const carrier = [...found].find(([name, state]) => isConverged(name, state))
    if (debt !== undefined && carrier !== undefined) found.set(carrier[0], { ...carrier[1], debt })
    return found
  },
})

/** Whether an operation of dpkg on the package is unfinished. */
export const isUnfinished = (status: string): boolean => UNFINISHED.has(status)

const UNFINISHED = new Set(['half-installed', 'unpacked', 'half-configured', 'triggers-awaited', 'triggers-pending'])

interface Line {
  readonly name: string
  readonly architecture: string
  readonly held: boolean
  readonly status: string
  readonly version: string
}

const readLine = (line: string): Line => {
  const [state, name, architecture, version, flags] = line.split('\t')
  const [selection, error] = flags?.split(' ') ?? []
  if (state === undefined || name === undefined || architecture === undefined || version === undefined || error === undefined)
    throw new Error(`dpkg-query printed an incomplete line: ${JSON.stringify(line)}`)
  return { name, architecture, version, held: selection === 'hold', status: error === 'reinstreq' ? 'half-installed' : state }
}

const NOT_INSTALLED: PackageState = { status: 'not-installed', version: '', held: false }

// If a package has several architectures, the installed one counts.
const stateOf = ({ name: requested, purge }: PackageSpec, installed: readonly Line[]): PackageState => {
  const [name, architecture] = requested.split(':')
  const lines = installed.filter((line) => line.name === name && (architecture === undefined || line.architecture === architecture))
  const line = lines.find(({ status }) => status === 'installed') ?? lines.find(({ status }) => isUnfinished(status))
  if (line !== undefined) return { status: line.status, version: line.version, held: line.held }
  return purge && lines.some(({ status }) => status === 'config-files') ? { ...NOT_INSTALLED, residual: true } : NOT_INSTALLED
}

/** Packages that the administrator put on hold, by name: a transaction must not change them. */
const heldByOthers = (specs: readonly PackageSpec[], installed: readonly Line[]): readonly string[] => {
  const declared = new Set(specs.filter(({ hold }) => hold !== undefined).map(({ name }) => name.split(':')[0]))
  return installed.filter(({ name, held }) => held && !declared.has(name)).map(({ name }) => name)
}

const debtOf = (names: readonly string[], installed: readonly Line[], rest: readonly string[]): string | undefined => {
  const requested = new Set(names.map((name) => name.split(':')[0]))
  const others = installed.filter(({ name, status }) => isUnfinished(status) && !requested.has(name))
  const [first] = others
  if (first !== undefined) {
    const more = others.length === 1 ? '' : `, and ${others.length - 1} more`
    return `dpkg was interrupted: ${first.name} is ${first.status}${more}`
  }
  if (rest.includes('journal')) return 'dpkg was interrupted'
  return rest.includes('held') ? 'services held back by an interrupted installation' : undefined
}
