import { killOverdue } from '../../host/shell/kill-overdue.ts'
import { openShell } from '../../host/shell/open.ts'
import type { FirstRequest, Holder, Shell } from '../../host/shell/shell.ts'
import type { Target } from '../../host/target/connection.ts'
import { Problem } from '../../problem.ts'
import { FETCH_DIRECTORY } from '../../resource/fetched/fetch.ts'
import { GIT_DIRECTORY } from '../../resource/fetched/git-command.ts'
import { CLEAR_STAGED, STAGED_LIST } from '../../resource/file/place.ts'
import { FORGET_CONFIRMED } from '../../resource/guarded/trial.ts'
import { outputExcerpt } from '../../resource/kind/step.ts'
import { OWNED } from '../../resource/ownership/record.ts'
import type { Facts } from '../../role/role.ts'
import { sh } from '../../shell/sh.ts'
import type { Listener } from '../events.ts'
import type { DeclaredResource } from '../plan/declared.ts'
import { type OwnedRecords, readOwned } from '../plan/orphans.ts'
import { clockFault } from './clock.ts'
import { FACTS_SCRIPT, readFacts } from './facts.ts'
import { type Observation, queryHost } from './host-query.ts'
import { askOwn, type OwnAnswers, type OwnQuestion } from './own-facts.ts'
import { UNDER_WAY_SCRIPT, underWay } from './under-way.ts'

/** A connection to one host during a run: its persistent shell, its facts and its ownership records. */
export interface Session {
  readonly host: string
  readonly target: Target
  /** Replaced after a reboot. */
  shell: Shell
  /** Opens another shell, with the lock of the run, for which it waits. */
  reopen(until: AbortSignal): Promise<Shell>
  readonly facts: Facts
  /** What the host answered to the questions of its roles, by role. */
  readonly own: OwnAnswers
  /** The host's records of the resources that provision owns there. */
  readonly owned: OwnedRecords
  /** A warning that another run is changing the host; undefined if none is under way, and in a run, which has the lock. */
  readonly underWay: string | undefined
}

export interface OpenOptions {
  readonly listen: Listener
  readonly signal: AbortSignal
  /** Holder of the lock; undefined in a dry run, which takes no lock and writes nothing. */
  readonly lock: Holder | undefined
  readonly wait: boolean
  /** Returns the questions of the roles to a host. Default: none. */
  readonly asks?: (host: string) => readonly OwnQuestion[]
  /** The session that takes its lock before this one; it resolves when this session may take its own. */
  readonly before?: { readonly host: string; readonly locked: Promise<unknown> }
}

/**
 * Opens sessions on all hosts at once. Runs that wait for locks take them in order of host name; otherwise two runs could wait for each
 * other forever.
 */
export const openSessions = (targets: readonly Target[], options: OpenOptions): ReadonlyMap<string, Promise<Session>> => {
  if (!options.wait || options.lock === undefined) return new Map(targets.map((target) => [target.name, openSession(target, options)]))
  let before: OpenOptions['before']
  return new Map(
    targets
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
      .map((target): [string, Promise<Session>] => {
        const session = openSession(target, { ...options, ...(before !== undefined && { before }) })
        before = { host: target.name, locked: Promise.allSettled([before?.locked, session]) }
        return [target.name, session]
      }),
  )
}

/** Connects, takes the lock if `lock` is given, and reads the host's facts, without a round trip of their own. */
export const openSession = async (target: Target, { listen, signal, lock, wait, asks, before }: OpenOptions): Promise<Session> => {
  const host = target.name
  listen({ type: 'host', host, state: 'connecting' })
  const { script, read } = askOwn(host, asks?.(host) ?? [])
  const first = {
    script: String(sh`${lock === undefined ? UNDER_WAY_SCRIPT : TIDY_SCRIPT}${FACTS_SCRIPT}\nset +e${script}`),
    deadlineMs: OBSERVE_MS,
  }
  const open = (waits: boolean, until: AbortSignal, request?: FirstRequest): Promise<Shell> =>
    openShell(target, {
      ...(lock === undefined ? {} : { lock }),
      first: request,
      wait: waits,
      turn: async () => {
        if (before === undefined) return
        listen({ type: 'doing', host, what: `waiting until ${before.host} is locked: hosts are locked in order` })
        await before.locked
        listen({ type: 'doing', host, what: undefined })
      },
      signal: until,
      killOverdue: killOverdue(target),
      onTransport: (what) => listen({ type: 'note', host, what: `${host} ${what}`, isDetail: true }),
      onWaiting: (holder) => listen({ type: 'doing', host, what: `waiting for the lock: ${holder}` }),
    })
  const shell = await open(wait, signal, first).finally(() => listen({ type: 'doing', host, what: undefined }))
  try {
    const asked = Date.now()
    const answer = await (shell.first ?? shell.request(first.script, first))
    if (answer.code !== 0) throw unanswered(host, answer)
    const { before: output, own } = read(answer.stdout.toString())
    const held = underWay(output)
    for (const what of [clockFault(output, asked, Date.now()), held]) if (what !== undefined) listen({ type: 'warning', host, what })
    return {
      host,
      target,
      shell,
      reopen: (until) => open(true, until),
      facts: readFacts(host, output, shell.sshConnection),
      own,
      owned: readOwned(host, output),
      underWay: held,
    }
  } catch (error) {
    await shell.close().catch(() => undefined)
    throw error
  }
}

const unanswered = (host: string, { code, stderr }: { readonly code: number; readonly stderr: string }): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'host did not report its facts',
    why: `exit ${code}: ${outputExcerpt(stderr)}`,
    fix: 'check the host, then run again; nothing was changed on it',
  })

/** Observes all resources of a host, in one request. */
export const observe = async ({ host, shell }: Session, resources: readonly DeclaredResource[]): Promise<Observation> => {
  const query = queryHost(host, resources)
  const { stdout, code } = await shell.request(query.script, { deadlineMs: OBSERVE_MS })
  return query.read(stdout, code)
}

/** An observation takes well under a second. A host that needs this long hangs, for example on a dead network file system. */
const OBSERVE_MS = 120_000

// Clears half-written files of a killed run before anything is read. Uses builtins only, unless there is something to clear.
const TIDY_SCRIPT = sh`
[ -d ${OWNED} ] || { mkdir -p -m 700 /var/lib/provision && mkdir -p -m 700 ${OWNED}; }
[ ! -e ${STAGED_LIST} ] || { ${CLEAR_STAGED}; }
for left in ${FETCH_DIRECTORY} ${GIT_DIRECTORY}; do [ ! -e "$left" ] || rm -rf "$left"; done
${FORGET_CONFIRMED}
`
