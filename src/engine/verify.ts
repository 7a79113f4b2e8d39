import { openShell } from '../host/shell/open.ts'
import type { Target } from '../host/target/connection.ts'
import type { Problem } from '../problem.ts'
import { secretsIn } from '../secret/secret.ts'
import { type Checked, type RoleCheck, runChecks } from './checks.ts'
import { calling, problemsOn } from './failure.ts'
import { UNDER_WAY_SCRIPT, underWay } from './observe/under-way.ts'
import type { Prepared } from './prepare.ts'

export type { Checked } from './checks.ts'

/** The results of all checks, and a problem for each cause of failures. */
export interface Verified {
  readonly checked: readonly Checked[]
  readonly problems: readonly Problem[]
  /** Hosts that another run is changing: its steps can make checks fail. */
  readonly underWay: readonly { readonly host: string; readonly what: string }[]
}

/** The results of a host. Failures elsewhere may follow from its units that do not run, so those problems are separate. */
interface HostVerified extends Verified {
  readonly stopped: readonly Problem[]
}

/** Runs the behavioural checks of every role on its hosts. Takes no lock and changes nothing. */
export const verify = async (prepared: Prepared, signal: AbortSignal): Promise<Verified> => {
  const hosts = await Promise.all(prepared.targets.map((host) => verifyHost(host, prepared, signal)))
  return {
    checked: hosts.flatMap(({ checked }) => checked),
    problems: [...hosts.flatMap(({ stopped }) => stopped), ...hosts.flatMap(({ problems }) => problems)],
    underWay: hosts.flatMap(({ underWay }) => underWay),
  }
}

const verifyHost = async (host: string, prepared: Prepared, signal: AbortSignal): Promise<HostVerified> => {
  const target = prepared.reach.get(host)
  if (target === undefined) return NOTHING
  try {
    return await checkHost(host, target, prepared, signal)
  } catch (error) {
    if (signal.aborted) throw error
    return { ...NOTHING, problems: problemsOn(host, error, { call: 'check of this host' }) }
  }
}

const NOTHING: HostVerified = { checked: [], stopped: [], problems: [], underWay: [] }

const checkHost = async (host: string, target: Target, prepared: Prepared, signal: AbortSignal): Promise<HostVerified> => {
  const checks = checksOf(host, prepared)
  const secrets = secretsIn(prepared.bindings.bound.filter((bound) => bound.host === host).map(({ context }) => context.options))
  if (checks.length === 0) return NOTHING
  const shell = await openShell(target, { signal })
  try {
    const before = shell.request(String(UNDER_WAY_SCRIPT))
    const results = await runChecks(shell, checks, secrets)
    const what = underWay((await before).stdout.toString())
    return { ...results, underWay: what === undefined ? [] : [{ host, what }] }
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
