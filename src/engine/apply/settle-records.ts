import { keyOf } from '../../resource/kind/kind.ts'
import { isOrphan } from '../../resource/ownership/orphan.ts'
import { settling } from '../../resource/ownership/settle.ts'
import { isInterruption, problemsOn } from '../failure.ts'
import { observe } from '../observe/session.ts'
import type { DeclaredResource } from '../plan/declared.ts'
import type { Run, RunHost } from '../run-state.ts'
import { runSteps, stepContextOf } from './run-steps.ts'

/** Makes the ownership records of hosts true again where changes were not applied. A run that applied everything asks nothing. */
export const settleRecords = async (run: Run): Promise<void> => {
  if (run.prepared.isAdHoc === true) return
  await Promise.all([...run.hosts.values()].map((runHost) => settleOn(run, runHost)))
}

const settleOn = async (run: Run, runHost: RunHost): Promise<void> => {
  const { session } = runHost
  const resources = settlingOn(run, runHost)
  if (resources.length === 0 || run.progress.isLost(session.host)) return
  try {
    const states = await observe(session, resources)
    for (const { resource } of resources) {
      const { kind, spec, id } = resource
      const state = states.get(keyOf(resource))
      const change = kind.plan(spec, state, { now: new Date(), packagesPending: false, changes: () => false, members: () => new Map() })
      if (change === undefined) continue
      await runSteps(kind.apply([{ id, spec, state, change }]), session, stepContextOf(run), 'correcting the record of managed resources')
    }
  } catch (error) {
    if (!isInterruption(error)) run.progress.exclude(session.host, problemsOn(session.host, error, { call: 'record of managed resources' }))
  } finally {
    run.listen({ type: 'doing', host: session.host, what: undefined })
  }
}

/** The records to settle: those of roles with a change that failed or was not reached. */
const settlingOn = ({ progress }: Run, { session, changes, resources }: RunHost): readonly DeclaredResource[] => {
  if (!progress.isTouched(session.host)) return []
  const unapplied = new Set(changes.filter((change) => !progress.isApplied(change)).map(({ resource }) => resource))
  const files = resources.filter(
    ({ resource }) => unapplied.has(keyOf(resource)) && resource.kind.bookkeeping !== true && !isOrphan(resource),
  )
  return [...Map.groupBy(files, ({ role }) => role)].flatMap(([role, ofRole]) => {
    const paths = ofRole.flatMap(({ resource: { kind, spec } }) => (kind.files?.(spec) ?? []).map(({ path }) => path))
    if (paths.length === 0) return []
    const before = session.owned.get(role)?.lines ?? []
    const resource = settling({ role, before, unapplied: ofRole.map(({ resource }) => keyOf(resource)), paths })
    return [{ play: 0, role, resource }]
  })
}
