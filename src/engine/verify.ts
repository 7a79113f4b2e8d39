import { openShell } from '../host/shell/open.ts'
import type { Target } from '../host/target/connection.ts'
import { Problem } from '../problem.ts'
import type { Check } from '../role/role.ts'
import { masked, secretsIn } from '../secret/secret.ts'
import { calling, problemsOn } from './failure.ts'
import { UNDER_WAY_SCRIPT, underWay } from './observe/under-way.ts'
import type { Prepared } from './prepare.ts'

/** The result of one check on one host. */
export interface Checked {
  readonly host: string
  readonly role: string
  readonly name: string
  readonly passed: boolean
}

/** The results of all checks, and a problem for each check that failed or could not be run. */
export interface Verified {
  readonly checked: readonly Checked[]
  readonly problems: readonly Problem[]
  /** Hosts that another run is changing: its steps can make checks fail. */
  readonly underWay: readonly { readonly host: string; readonly what: string }[]
}

/** Runs the behavioural checks of every role on its hosts. Takes no lock and changes nothing. */
export const verify = async (prepared: Prepared, signal: AbortSignal): Promise<Verified> => {
  const hosts = await Promise.all(prepared.targets.map((host) => verifyHost(host, prepared, signal)))
  return {
    checked: hosts.flatMap(({ checked }) => checked),
    problems: hosts.flatMap(({ problems }) => problems),
    underWay: hosts.flatMap(({ underWay }) => underWay),
  }
}

interface RoleCheck extends Check {
  readonly role: string
}

const verifyHost = async (host: string, prepared: Prepared, signal: AbortSignal): Promise<Verified> => {
  const target = prepared.reach.get(host)
  if (target === undefined) return NOTHING
  try {
    return await checkHost(host, target, prepared, signal)
  } catch (error) {
    if (signal.aborted) throw error
    return { ...NOTHING, problems: problemsOn(host, error, { call: 'check of this host' }) }
  }
}

const NOTHING: Verified = { checked: [], problems: [], underWay: [] }

const checkHost = async (host: string, target: Target, prepared: Prepared, signal: AbortSignal): Promise<Verified> => {
  const checks = checksOf(host, prepared)
  const secrets = secretsIn(prepared.bindings.bound.filter((bound) => bound.host === host).map(({ context }) => context.options))
  if (checks.length === 0) return NOTHING
  const shell = await openShell(target, { signal })
  try {
    const before = shell.request(String(UNDER_WAY_SCRIPT))
    const answers = checks.map(async (check) => ({ check, answer: await shell.request(String(check.script), { deadlineMs: CHECK_MS }) }))
    const results = (await Promise.all(answers)).filter(({ answer }) => answer.code !== NOTHING_TO_CHECK)
    const problems = results.flatMap(({ check, answer: { code, stdout, stderr } }) =>
      code === 0 ? [] : [failure(host, check, `exit ${code}: ${masked(`${stderr}${stdout}`, secrets).trim().slice(0, 2000)}`)],
    )
    const what = underWay((await before).stdout.toString())
    const warnings = what === undefined ? [] : [{ host, what }]
    return {
      underWay: warnings,
      problems,
      checked: results.map(({ check: { role, name }, answer }) => ({ host, role, name, passed: answer.code === 0 })),
    }
  } finally {
    await shell.close()
  }
}

const checksOf = (host: string, { bindings, roles }: Prepared): readonly RoleCheck[] =>
  bindings.bound
    .filter((bound) => bound.host === host && (roles.length === 0 || roles.includes(bound.role.name)))
    .flatMap(({ role, context }) =>
      calling({ call: 'verify', role: role.name }, () => role.verify?.({ ...context, flows: bindings.flows }) ?? []).map((check) => ({
        ...check,
        role: role.name,
      })),
    )

/** Exit status of a check that does not apply to this host. */
const NOTHING_TO_CHECK = 77

/** A check asks one service. A service that does not answer within this time counts as failed. */
const CHECK_MS = 60_000

const failure = (host: string, check: RoleCheck, why: string): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${check.role}` },
    what: `check failed: ${check.name}`,
    why,
    fix: 'run provision run --dry-run to see whether its configuration differs; if it does not, read the service’s own log',
  })
