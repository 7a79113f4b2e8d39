import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { asMysql, DEFINE_AS_MYSQL } from '../database/files.ts'
import { DIALECTS } from '../database/flavour.ts'
import { HostRefusal, requireSuccess } from '../kind/step.ts'
import { SEEDING } from './observe.ts'
import type { ReplicationSpec } from './spec.ts'
import type { Procedure } from './steps.ts'

/** Creates the mark of an incomplete copy, before anything is deleted. */
export const markScript = (defineData: Script): Script =>
  sh`${defineData}; mark="$data"/${SEEDING}; rm -f "$mark" && : >"$mark" && sync "$mark"`

/** Deletes the mark after the copy. */
export function* removeMark({ flavour }: ReplicationSpec): Procedure<void> {
  const { defineData } = DIALECTS[flavour]
  requireSuccess(
    yield { do: 'shell', script: sh`${DEFINE_AS_MYSQL}\n${asMysql(sh`${defineData}; rm -f "$data"/${SEEDING}`)}` },
    'mark of the copy could not be deleted',
  )
}

export const interrupted = (me: string, from: string, output: string): HostRefusal =>
  new HostRefusal(
    `copy of the data of ${from} to ${me} interrupted`,
    output.trim() || 'the hosts reported no reason',
    'run again; the copy starts from the beginning',
  )
