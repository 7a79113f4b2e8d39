import type { Shell } from '../host/shell/shell.ts'
import { Problem } from '../problem.ts'
import { unitQuery } from '../resource/kind/queries.ts'
import type { Check } from '../role/role.ts'
import { masked, type Secret } from '../secret/secret.ts'

/** The result of one check on one host. */
export interface Checked {
  readonly host: string
  readonly role: string
  readonly name: string
  readonly passed: boolean
  /** The cause of this failure: a unit that does not run, or another check. The failure follows its cause in the list. */
  readonly because?: string
}

/** The results of a host, with a problem for each cause of failures: units that do not run, and failed checks. */
export interface HostChecks {
  readonly checked: readonly Checked[]
  readonly stopped: readonly Problem[]
  readonly problems: readonly Problem[]
}

export interface RoleCheck extends Check {
  readonly role: string
}

/** A failed check, or a unit that does not run. */
interface Failure extends Pick<RoleCheck, 'role' | 'name' | 'fix'> {
  readonly why: string
}

/**
 * Runs checks on a host. A check whose unit does not run is not run: the unit is the failure. A failed check that follows from another
 * failed one is a consequence of it.
 */
export const runChecks = async (shell: Shell, checks: readonly RoleCheck[], secrets: readonly Secret[]): Promise<HostChecks> => {
  const { host } = shell
  const stopped = await stoppedUnits(shell, checks)
  const reasons = await Promise.all(
    checks.map(async (check): Promise<Reason> => {
      if (check.units?.some((unit) => stopped.has(unit))) return undefined
      const { code, stdout, stderr } = await shell.request(String(check.script), { deadlineMs: CHECK_MS })
      if (code === NOTHING_TO_CHECK) return 'nothing'
      const output = masked(`${stderr}${stdout}`, secrets).trim().slice(0, MAX_OUTPUT)
      return code === 0 ? 'passed' : { why: output === '' ? `the check ended with exit status ${code} and printed nothing` : output }
    }),
  )
  const failedNames = new Set(checks.filter((_, i) => typeof reasons[i] === 'object').map(({ role, name }) => `${role} ${name}`))
  const results = checks.flatMap((check, i): readonly (Checked & { readonly failure?: Failure })[] => {
    const { role, name, units = [], follows, fix } = check
    const reason = reasons[i]
    const checked = { host, role, name, passed: false }
    if (reason === 'nothing') return []
    if (reason === 'passed') return [{ ...checked, passed: true }]
    if (reason === undefined) return [{ ...checked, because: runs(units.find((unit) => stopped.has(unit)) ?? '') }]
    if (follows !== undefined && failedNames.has(`${role} ${follows}`)) return [{ ...checked, because: follows }]
    const why = [reason.why, ...consequencesOf(check, checks, reasons)].join('\n')
    return [{ ...checked, failure: { role, name, why, ...(fix !== undefined && { fix }) } }]
  })
  const ofUnits = [...stopped].map(([unit, why]): Checked & { readonly failure: Failure } => {
    const role = checks.find(({ units }) => units?.includes(unit))?.role ?? ''
    return { host, role, name: runs(unit), passed: false, failure: { role, name: runs(unit), why, fix: startIt(unit, host) } }
  })
  const all = [...ofUnits, ...results]
  const failuresIn = (some: typeof all): readonly Failure[] => some.flatMap(({ failure }) => failure ?? [])
  return {
    checked: causesFirst(all).map(({ failure: _, ...checked }) => checked),
    stopped: problemsOf(host, failuresIn(ofUnits)),
    problems: problemsOf(host, failuresIn(results)),
  }
}

type Reason = undefined | 'nothing' | 'passed' | { readonly why: string }

/** A line for each failed check that follows from this one, because the reason can also be another. */
const consequencesOf = (cause: RoleCheck, checks: readonly RoleCheck[], reasons: readonly Reason[]): readonly string[] =>
  checks.flatMap(({ role, name, follows }, i) => {
    const reason = reasons[i]
    if (typeof reason !== 'object' || role !== cause.role || follows !== cause.name) return []
    return [`${name}: ${reason.why.split('\n', 1)[0]}`]
  })

const runs = (unit: string): string => `${unit} runs`

const startIt = (unit: string, host: string): string =>
  `run provision run --limit ${host}, which starts it; if it stops again, read journalctl -u ${unit} -n 50 on ${host}`

/** The units of checks that do not run, with the reason. One request for all. */
const stoppedUnits = async (shell: Shell, checks: readonly RoleCheck[]): Promise<ReadonlyMap<string, string>> => {
  const units = [...new Set(checks.flatMap((check) => check.units ?? []))]
  if (units.length === 0) return new Map()
  const query = unitQuery(units)
  const { stdout, stderr } = await shell.request(String(query.script), { deadlineMs: CHECK_MS })
  try {
    return new Map(
      [...query.read(stdout)].flatMap(([unit, state]): readonly (readonly [string, string])[] => {
        const [active = '', sub = '', result = ''] = ['ActiveState', 'SubState', 'Result'].map((key) => state.get(key))
        if (RUNNING.has(active)) return []
        if (state.get('LoadState') === 'not-found') return [[unit, `${unit} is not installed`]]
        const last = result === '' || result === 'success' ? '' : `, last result: ${result}`
        return [[unit, `${unit} is not running: it is ${active} (${sub})${last}`]]
      }),
    )
  } catch (error) {
    throw new Problem({
      class: 'task',
      where: { host: shell.host },
      what: 'host did not report the state of its units',
      why: `${error instanceof Error ? error.message : String(error)}${stderr === '' ? '' : `\n${stderr.trim()}`}`,
      fix: `run systemctl status ${units.join(' ')} there`,
    })
  }
}

const RUNNING: ReadonlySet<string> = new Set(['active', 'reloading', 'refreshing'])

/** Moves each consequence behind its cause. */
const causesFirst = <T extends Checked>(all: readonly T[]): readonly T[] => {
  const isFollower = ({ because, role }: Checked) => because !== undefined && all.some((one) => one.name === because && one.role === role)
  return all.flatMap((cause) => {
    if (isFollower(cause)) return []
    return [cause, ...all.filter((one) => isFollower(one) && one.because === cause.name && one.role === cause.role)]
  })
}

/** One problem for each failure with its own fix, and one for the other failures of a role. */
const problemsOf = (host: string, failures: readonly Failure[]): readonly Problem[] => {
  const problem = (role: string, what: string, why: string, fix: string): Problem =>
    new Problem({ class: 'task', where: { host, role: `role ${role}` }, what, why, fix })
  const named = failures.filter(({ fix }) => fix !== undefined)
  const others = Map.groupBy(
    failures.filter(({ fix }) => fix === undefined),
    ({ role }) => role,
  )
  return [
    ...named.map(({ role, name, why, fix = '' }) => problem(role, `check failed: ${name}`, why, fix)),
    ...[...others].map(([role, some]) => {
      const [first] = some
      if (first !== undefined && some.length === 1) return problem(role, `check failed: ${first.name}`, first.why, COMPARE)
      return problem(
        role,
        `${some.length} checks failed`,
        some.map(({ name, why }) => `${name}:\n  ${why.replaceAll('\n', '\n  ')}`).join('\n'),
        COMPARE,
      )
    }),
  ]
}

/** Exit status of a check that does not apply to this host. */
const NOTHING_TO_CHECK = 77

/** A check asks one service. A service that does not answer within this time counts as failed. */
const CHECK_MS = 60_000

const MAX_OUTPUT = 2000

const COMPARE = 'run provision run --dry-run to see whether its configuration differs; if it does not, read the service’s own log'
