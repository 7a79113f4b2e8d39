import type { Outcome, Plan, PlannedChange } from '../../../src/engine/plan/plan.ts'
import { painter, type View } from '../../../src/report/view.ts'

export const plainView: View = { paint: painter(false), columns: 100, verbose: false }

/** Returns a change with defaults for everything that the test is not about. */
export const change = (host: string, resource: string, more: Partial<PlannedChange> = {}): PlannedChange => ({
  host,
  role: 'nginx',
  resource,
  action: 'create',
  certainty: 'exact',
  reason: 'does not exist',
  differences: [],
  play: 0,
  ...more,
})

export const planOf = (...changes: readonly PlannedChange[]): Plan => ({
  changes,
  resources: new Map([...new Set(changes.map(({ host }) => host))].filter((host) => host !== 'controller').map((host) => [host, 10])),
})

export const outcomeOf = (result: Outcome['result'], ...hosts: Outcome['hosts']): Outcome => ({ result, durationMs: 1200, hosts })
