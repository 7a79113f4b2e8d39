import { disagreement } from './replication-notices.ts'
import { seeToPrimary } from './replication-primary.ts'
import { seeToReplica } from './replication-replica.ts'
import { type ReplicationWork, reachedBy } from './replication-steps.ts'
import type { Steps } from './step.ts'

/** Brings the server of this host to its state: the primary, with all that the others have, or a replica of it. */
export function* applyReplication(work: readonly ReplicationWork[]): Steps {
  for (const one of work) {
    const differing = disagreement(one.spec, reachedBy(one))
    if (differing !== undefined) throw differing
    yield* one.spec.me === one.spec.primary ? seeToPrimary(one) : seeToReplica(one)
  }
}
