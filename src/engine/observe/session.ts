import { endOverdue } from '../../host/shell/kill-overdue.ts'
import { openShell } from '../../host/shell/open.ts'
import type { Holder, Shell } from '../../host/shell/shell.ts'
import type { Target } from '../../host/target/connection.ts'
import { Problem } from '../../problem.ts'
import { CLEAR_STAGED, STAGED_LIST } from '../../resource/file/place.ts'
import { FORGET_CONFIRMED } from '../../resource/guarded/trial.ts'
import { OWNED } from '../../resource/ownership/record.ts'
import type { Facts } from '../../role/role.ts'
import type { Listener } from '../events.ts'
import type { DeclaredResource } from '../plan/declared.ts'
import { type OwnedRecords, readOwned } from '../plan/orphans.ts'
import { clockFault } from './clock.ts'
import { FACTS_SCRIPT, readFacts } from './facts.ts'
import { type Observation, queryHost } from './host-query.ts'

/** One host during a run: its held shell, what it is, what shall be there. */
export interface Session {
  readonly host: string
  readonly target: Target
  readonly shell: Shell
  readonly facts: Facts
  /** What the host has written down that we own there. */
  readonly owned: OwnedRecords
}

export interface OpenOptions {
  readonly listen: Listener
  readonly signal: AbortSignal
  /** Who takes the lock; undefined for a dry run, which takes none and writes nothing. */
  readonly lock: Holder | undefined
  readonly wait: boolean
  /** When it may take the lock. */
  readonly turn?: Promise<unknown>
}

/**
 * Opens sessions on all hosts at once. Those that wait for locks take them in one order, the same for every run: two runs that
 * each held what the other awaits would wait for ever.
 */
export const openSessions = (targets: readonly Target[], options: OpenOptions): ReadonlyMap<string, Promise<Session>> => {
  if (!options.wait || options.lock === undefined) return new Map(targets.map((target) => [target.name, openSession(target, options)]))
  let turn: Promise<unknown> = Promise.resolve()
  return new Map(
    targets
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((target): [string, Promise<Session>] => {
        const session = openSession(target, { ...options, turn })
        turn = Promise.allSettled([turn, session])
        return [target.name, session]
      }),
  )
}

/** Connects, takes the lock where one is wanted, and asks what the host is: one round trip once the shell is up. */
export const openSession = async (target: Target, { listen, signal, lock, wait, turn }: OpenOptions): Promise<Session> => {
  const host = target.name
  listen({ type: 'host', host, state: 'connecting' })
  const shell = await openShell(target, {
    ...(lock === undefined ? {} : { lock }),
    wait,
    ...(turn === undefined ? {} : { turn }),
    signal,
    endOverdue: endOverdue(target),
    onWaiting: (holder) => listen({ type: 'doing', host, what: `waiting for the lock: ${holder}` }),
  }).finally(() => listen({ type: 'doing', host, what: undefined }))
  try {
    const asked = Date.now()
    const answer = await shell.request(lock === undefined ? FACTS_SCRIPT : `${TIDY_SCRIPT}${FACTS_SCRIPT}`, { deadlineMs: LOOK_MS })
    const said = answer.stdout.toString()
    const fault = clockFault(said, asked, Date.now())
    if (fault !== undefined) listen({ type: 'warning', host, what: fault })
    return { host, target, shell, facts: readFacts(host, said, shell.sshConnection), owned: readOwned(host, said) }
  } catch (error) {
    await shell.close().catch(() => undefined)
    throw error
  }
}

/** Asks a host about all its resources. */
export const observe = async ({ host, shell }: Session, placed: readonly DeclaredResource[]): Promise<Observation> => {
  const look = queryHost(host, placed)
  const answer = await shell.request(look.script, { deadlineMs: LOOK_MS })
  if (answer.code === 0) return look.read(answer.stdout)
  throw new Problem({
    class: 'task',
    where: { host },
    what: `the look at its resources ended with exit ${answer.code}`,
    why: answer.stderr.slice(0, 2000),
    fix: 'this is a defect of provision or of a kind: please report it with these words',
  })
}

/** A look takes well under a second; a host that takes this long hangs (a dead network file system, for instance). */
const LOOK_MS = 120_000

// What a killed run left half-written is cleared before anything is read. Builtins only, unless there is something to clear.
const TIDY_SCRIPT = `
[ -d ${OWNED} ] || { mkdir -p -m 700 /var/lib/provision && mkdir -p -m 700 ${OWNED}; }
[ ! -e ${STAGED_LIST} ] || { ${CLEAR_STAGED}; }
${FORGET_CONFIRMED}
`
