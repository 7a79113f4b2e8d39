import type { Steps } from '../kind/step.ts'
import { disagreement } from './notices.ts'
import { applyPrimary } from './primary.ts'
import { applyReplica } from './replica.ts'
import { type ReplicationWork, reachedBy } from './steps.ts'

/** Brings the server of this host to its state: the primary, with all that the others have, or a replica of it. */
export function* applyReplication(work: readonly ReplicationWork[]): Steps {
  for (const one of work) {
    const differing = disagreement(one.spec, reachedBy(one))
    if (differing !== undefined) throw differing
    yield* one.spec.me === one.spec.primary ? applyPrimary(one) : applyReplica(one)
  }
}
