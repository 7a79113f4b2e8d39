import { runOnce } from '../../host/shell/run-once.ts'
import { recordCertified } from '../../keystore/certified-hosts.ts'
import type { Identities } from '../../keystore/identities.ts'
import { Problem } from '../../problem.ts'
import type { Answer, Step, Steps } from '../../resource/kind/step.ts'
import { INSTALL_MARK, STEP_MARK } from '../../resource/kind/walk.ts'
import { type Script, type ShellText, scriptOf } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { inventoryOf } from '../departed.ts'
import type { Listener } from '../events.ts'
import type { Session } from '../observe/session.ts'
import type { Run } from '../run-state.ts'
import { rebootHost } from './reboot.ts'

/** The sessions, identities and listener that steps work with. */
export interface StepContext {
  readonly sessions: ReadonlyMap<string, Session>
  readonly identities: Identities
  readonly listen: Listener
  /** Ends waiting, such as for a host that reboots. */
  readonly signal: AbortSignal
  /** Records that an identity issues a certificate to a host. */
  certified(host: string, identity: string): void
}

/** The context in which steps of this run are executed. */
export const stepContextOf = ({ prepared: { root, site }, hosts, identities, listen, signal }: Run): StepContext => ({
  sessions: new Map([...hosts].map(([name, { session }]) => [name, session])),
  identities,
  listen,
  signal,
  certified: (name, identity) => {
    const host = site.hosts.get(name)
    if (host !== undefined) recordCertified(root, inventoryOf(host), name, identity)
  },
})

/**
 * Executes the steps of a change one after the other, and passes each answer or error back to the generator. Errors that the generator
 * throws pass through. `doing` describes steps that have no description of their own.
 */
export const runSteps = async (steps: Steps, session: Session, context: StepContext, doing: string): Promise<void> => {
  let next = steps.next()
  while (next.done !== true) {
    const answer = await perform(next.value, session, context, doing).then(
      (made) => ({ made }),
      (error: unknown) => ({ error }),
    )
    next = 'made' in answer ? steps.next(answer.made) : steps.throw(answer.error)
  }
}

const perform = async (
  step: Step,
  session: Session,
  { sessions, identities, listen, signal, certified }: StepContext,
  fallback: string,
): Promise<Answer> => {
  const doing = (what = fallback): void => listen({ type: 'doing', host: session.host, what })
  switch (step.do) {
    case 'shell': {
      const on = step.on === undefined ? session : sessions.get(step.on)
      if (on === undefined) throw notInRun(step.on ?? '')
      doing(step.doing)
      return on.shell.request(String(markedScript(step.script, step.installs)), {
        ...(step.input === undefined ? {} : { input: step.input }),
        deadlineMs: step.withinMs ?? STEP_MS,
        onLine: (line) => {
          if (line.startsWith(DOING)) doing(line.slice(DOING.length))
        },
      })
    }
    case 'reconnect':
      doing('reconnecting to confirm access')
      return runOnce(session.target, String(step.script), { deadlineMs: step.withinMs }).catch((error: unknown) => {
        // The step asks whether a new connection works, so a failure is an answer.
        if (!(error instanceof Problem)) throw error
        return { code: 255, stdout: Buffer.alloc(0), stderr: [error.what, error.why ?? []].flat().join(': ') }
      })
    case 'fetch': {
      doing(step.doing)
      // Loading Node's HTTP client takes 40 ms.
      const { fetchFile } = await import('./fetch-file.ts')
      return fetchFile(step, process.env)
    }
    case 'notice':
      listen({ type: step.warn === true ? 'warning' : 'note', host: session.host, what: step.what })
      return { code: 0, stdout: Buffer.alloc(0), stderr: '' }
    case 'reboot':
      return rebootHost(session, step, { listen, signal })
    case 'identity': {
      doing(step.doing)
      certified(session.host, step.identity)
      const made = await identities.issue(step.identity, step, doing)
      return { code: 0, stdout: Buffer.from(made), stderr: '' }
    }
  }
}

let marked = 0

/**
 * Encloses a step in two marks: a write that compares first needs to know what the run itself has made since the observation. A step that
 * installs packages sets the first mark itself, once nobody else can use dpkg: `: >"$installing.from"`.
 */
export const markedScript = (script: ShellText, installs = false): Script => {
  marked += 1
  const mark = (end: 'from' | 'to'): Script => sh`[ ! "\${T-}" ] || : >"$T/"${`${STEP_MARK}${marked}.${end}`}`
  const [from, to] = installs
    ? [sh`installing=\${T-}/${`${INSTALL_MARK}${marked}`}`, sh`[ ! -e "$installing.from" ] || : >"$installing.to"`]
    : [mark('from'), mark('to')]
  return sh`${from}
( ${scriptOf(script)}
); status=$?; ${to}; exit "$status"`
}

/** Prefix of a line by which a script reports what it is doing. */
const DOING = 'provision-doing: '

/** A step may wait ten minutes for a busy dpkg and then install for as long. Keepalive detects a dead connection much earlier. */
const STEP_MS = 30 * 60_000

const notInRun = (host: string): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'host is needed for a change of another host and is not part of this run',
    fix: 'run again without --limit',
  })
