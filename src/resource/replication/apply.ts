import type { Steps } from '../kind/step.ts'
import { disagreement } from './notices.ts'
import { applyPrimary } from './primary.ts'
import { applyReplica } from './replica.ts'
import { type ReplicationWork, reachedBy } from './steps.ts'

/** Applies the server of this host: the primary, with all data of the others, or a replica. */
export function* applyReplication(work: readonly ReplicationWork[]): Steps {
  for (const one of work) {
    const differing = disagreement(one.spec, reachedBy(one))
    if (differing !== undefined) throw differing
    yield* one.spec.me === one.spec.primary ? applyPrimary(one) : applyReplica(one)
  }
}
