import { type AnyKind, keyOf, type Owing } from '../../resource/kind/kind.ts'
import type { PendingChange } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { runSteps, stepContextOf } from './run-steps.ts'

/**
 * Records on the host which resources are due once these changes are made, such as a command with `when`, before the first of them is made:
 * an interrupted run leaves no other trace of it. Resources of other roles and later plays are recorded too.
 */
export const recordDebts = async (run: Run, { session, resources }: RunHost, changes: readonly PendingChange[]): Promise<void> => {
  const keys = new Set(changes.map(({ resource }) => keyOf(resource)))
  const owing = resources.flatMap(({ resource: { kind, id, spec } }) => {
    const named = kind.triggers?.owe === undefined ? [] : kind.triggers.keys(spec).filter((key) => keys.has(key))
    const state = run.observations.get(session.host)?.get(keyOf({ kind, id }))
    return named.length === 0 ? [] : [{ kind, owed: { id, spec, state, keys: named } }]
  })
  for (const [kind, ones] of Map.groupBy(owing, (one): AnyKind => one.kind)) {
    const steps = kind.triggers?.owe?.(ones.map(({ owed }): Owing<unknown, unknown> => owed))
    if (steps !== undefined) await runSteps(steps, session, stepContextOf(run), 'recording which changes follow')
  }
}
