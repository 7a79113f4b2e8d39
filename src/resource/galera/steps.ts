import { sh } from '../../shell/sh.ts'
import { readRows } from '../database/client.ts'
import { DATA_MS } from '../database/mariadb.ts'
import type { Work } from '../kind/kind.ts'
import { requireSuccess, type ShellStep, type Steps } from '../kind/step.ts'
import { applyServices } from '../service/apply.ts'
import type { ServiceSpec } from '../service/spec.ts'
import { type GaleraState, type MemberStatus, otherUnit, readStatus, STATUS_SCRIPT } from './observe.ts'
import type { GaleraSpec } from './spec.ts'

export type GaleraWork = Work<GaleraSpec, GaleraState>
/** Steps with a result. */
export type Procedure<T> = Generator<ShellStep, T, { readonly code: number; readonly stdout: Buffer; readonly stderr: string }>

/**
 * Applies its service, by steps of the service kind. A joining server receives all data before it counts as started.
 * @param before - ends the script with `CHANGED` if its own data is not as it was observed
 */
export function* applyService({ spec, state, change }: GaleraWork, service: ServiceSpec, before = sh``): Steps {
  const steps = applyServices([{ id: spec.service.unit, spec: service, state: state.service, change }], DATA_MS)
  for (let next = steps.next(); next.done !== true; ) {
    const step = next.value
    next = steps.next(yield step.do === 'shell' ? { ...step, script: sh`${before}\n${step.script}` } : step)
  }
}

/** Stops the unit of the host's former function, which has the port of its new one. */
export function* stopOther({ spec, state }: GaleraWork): Steps {
  if (!state.otherRuns) return
  const unit = otherUnit(spec)
  const script = sh`systemctl disable --now -q -- ${unit}`
  requireSuccess(yield { do: 'shell', doing: `stopping ${unit}`, script }, `${unit} not stopped`)
}

/** Status of the server of this or another host; undefined if it does not run. */
export function* statusOn(host: string | undefined, afterSeconds = 0): Procedure<MemberStatus | undefined> {
  const script = sh`${afterSeconds === 0 ? sh`` : sh`sleep ${afterSeconds}; `}${STATUS_SCRIPT}`
  const answer = yield { do: 'shell', script, ...(host === undefined ? {} : { on: host }) }
  const rows = readRows(answer.stdout)
  return rows === undefined ? undefined : readStatus(rows)
}
