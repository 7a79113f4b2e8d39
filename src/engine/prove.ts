import { Problem, problemsIn } from '../problem.ts'
import { keyOf } from '../resource/kind.ts'
import type { ApplyOptions, Planned, Surveyed } from './planned.ts'
import { type Due, planHost } from './planning.ts'
import { observe } from './session.ts'
import type { Tally } from './tally.ts'

/** Observes a changed host again, whole: a plan that is not empty is an error with a name, not a surprise next week. */
export const prove = async (
  { session, placed, changes }: Surveyed,
  { selected, everywhere }: Planned,
  tally: Tally,
  { listen }: ApplyOptions,
): Promise<void> => {
  const { host } = session
  listen({ type: 'host', host, state: 'proving' })
  try {
    const seen = await observe(session, placed)
    everywhere.set(host, seen)
    const due = planHost({ placed, seen, everywhere, selected, now: new Date() })
    for (const one of due) {
      const change = changes.find(({ resource }) => resource === keyOf(one.resource))
      const problem = change === undefined ? unforetold(host, one) : unconverged(host, one)
      if (change === undefined) tally.break(host, [problem])
      else tally.fail(change, [problem])
    }
    listen({ type: 'host', host, state: 'done' })
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined) throw error
    tally.break(host, problems)
  }
}

const unconverged = (host: string, { role, resource, verdict }: Due): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'was applied and has not converged',
    why: `${verdict.reason}${verdict.differences.map(({ key, from, to }) => `; ${key}: ${from ?? '-'} → ${to ?? '-'}`).join('')}`,
    fix: 'something on the host changes it back, or two roles disagree: see who writes it',
  })

const unforetold = (host: string, { role, resource, verdict }: Due): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}`, resource: keyOf(resource) },
    what: 'was changed by this run although no plan foretold it',
    why: verdict.reason,
    fix: 'run again to mend it, and please report it: a plan that leaves something out is a defect of provision or of the role',
  })
