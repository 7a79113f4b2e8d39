import { runOnce } from '../../host/shell/run-once.ts'
import type { Identities } from '../../keystore/identities.ts'
import { Problem } from '../../problem.ts'
import type { Answer, Step, Steps } from '../../resource/kind/step.ts'
import type { Listener } from '../events.ts'
import type { Session } from '../observe/session.ts'

/** What the steps of a change can be carried out with. */
export interface StepContext {
  readonly sessions: ReadonlyMap<string, Session>
  readonly identities: Identities
  readonly listen: Listener
}

/**
 * Carries out the steps of a change, one after the other, and hands each answer, or what went wrong, back. What the change throws goes
 * through. A step that does not say what the host is doing meanwhile is called `what`.
 */
export const runSteps = async (steps: Steps, session: Session, means: StepContext, what: string): Promise<void> => {
  let next = steps.next()
  while (next.done !== true) {
    const answer = await perform(next.value, session, means, what).then(
      (made) => ({ made }),
      (error: unknown) => ({ error }),
    )
    next = 'made' in answer ? steps.next(answer.made) : steps.throw(answer.error)
  }
}

const perform = async (step: Step, session: Session, { sessions, identities, listen }: StepContext, otherwise: string): Promise<Answer> => {
  const doing = (what = otherwise): void => listen({ type: 'doing', host: session.host, what })
  switch (step.do) {
    case 'shell': {
      const on = step.on === undefined ? session : sessions.get(step.on)
      if (on === undefined) throw unreached(step.on ?? '')
      doing(step.doing)
      return on.shell.request(String(step.script), {
        ...(step.input === undefined ? {} : { input: step.input }),
        deadlineMs: step.withinMs ?? STEP_MS,
        onLine: (line) => {
          if (line.startsWith(DOING)) doing(line.slice(DOING.length))
        },
      })
    }
    case 'reconnect':
      doing('coming in anew, to be sure that one still can')
      return runOnce(session.target, String(step.script), { deadlineMs: step.withinMs }).catch((error: unknown) => {
        // Not coming in is what the step asks about, so it is an answer.
        if (!(error instanceof Problem)) throw error
        return { code: 255, stdout: Buffer.alloc(0), stderr: [error.what, error.why ?? []].flat().join(': ') }
      })
    case 'tell':
      listen({ type: step.warn === true ? 'warning' : 'note', host: session.host, what: step.what })
      return { code: 0, stdout: Buffer.alloc(0), stderr: '' }
    case 'identity': {
      doing(step.doing)
      const made = await identities.issue(step.identity, step, doing)
      return { code: 0, stdout: Buffer.from(made), stderr: '' }
    }
  }
}

/** A line that a script prints so that a person who waits knows for what. */
const DOING = 'provision-doing: '

/** A step may wait ten minutes for a busy dpkg and then install for as long; a dead link is noticed by keepalive long before. */
const STEP_MS = 30 * 60_000

const unreached = (host: string): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'is needed for a change of another host, and is not part of this run',
    fix: 'run without --limit',
  })
