import { setTimeout as sleep } from 'node:timers/promises'
import { firstNames } from '../../first-names.ts'
import { Problem, problemsIn } from '../../problem.ts'
import { keyOf } from '../../resource/kind/kind.ts'
import { type Answer, HostRefusal, outputExcerpt, type RebootStep } from '../../resource/kind/step.ts'
import { sh } from '../../shell/sh.ts'
import type { Listener } from '../events.ts'
import type { Session } from '../observe/session.ts'
import { type PendingChange, planHost } from '../plan/plan-host.ts'
import type { Run, RunHost } from '../run-state.ts'
import { renew } from './renew.ts'

interface Waiting {
  readonly listen: Listener
  readonly signal: AbortSignal
  readonly pauseMs?: number
}

/**
 * Reboots a host and waits until it is back: a shell opens, with the lock of the run, and the kernel has another boot id. Throws a `Problem`
 * of the class `unreachable` if it does not come back in time, and a `HostRefusal` if it does not go down.
 */
export const rebootHost = async (session: Session, step: RebootStep, { listen, signal, pauseMs = PAUSE_MS }: Waiting): Promise<Answer> => {
  const { host } = session
  const deadline = Date.now() + step.withinMs
  const doing = (what: string): void => listen({ type: 'doing', host, what })
  doing(`rebooting: ${step.reason}`)
  const before = await bootId(session.shell)
  await goDown(session, step)
  await session.shell.close().catch(() => undefined)
  let last: Problem | undefined
  while (Date.now() < deadline) {
    signal.throwIfAborted()
    doing(`waiting until it is back (${Math.ceil((deadline - Date.now()) / 1000)} s left)`)
    try {
      const shell = await session.reopen(AbortSignal.any([signal, AbortSignal.timeout(Math.max(1, deadline - Date.now()))]))
      if ((await bootId(shell)) !== before) {
        session.shell = shell
        return { code: 0, stdout: Buffer.alloc(0), stderr: '' }
      }
      // It is still going down.
      await shell.close().catch(() => undefined)
    } catch (error) {
      signal.throwIfAborted()
      last = problemsIn(error)?.[0] ?? last
      if (problemsIn(error) === undefined && !(error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name))) throw error
    }
    await sleep(pauseMs, undefined, { signal })
  }
  throw new Problem({
    class: 'unreachable',
    where: { host },
    what: `host did not come back within ${Math.round(step.withinMs / 60_000)} minutes after its reboot`,
    why: last === undefined ? 'it answers with the same boot id' : [last.what, last.why ?? []].flat().join(': '),
    fix: 'look at its console; once it is reachable, run again: the run continues where it stopped',
  })
}

/** A host that boots takes seconds. sshd of Debian 13 penalizes a client that fails more often. */
const PAUSE_MS = 3000

const BOOT_ID = sh`cat /proc/sys/kernel/random/boot_id`

const bootId = async (shell: Session['shell']): Promise<string> => {
  const { code, stdout } = await shell.request(String(BOOT_ID))
  if (code !== 0) throw new HostRefusal('the boot id cannot be read', `exit ${code}`, 'check that /proc is mounted on the host')
  return stdout.toString().trim()
}

/** Starts the reboot, and waits until the connection ends: until then, a new one would reach the system that goes down. */
const goDown = async ({ host, shell }: Session, { withinMs }: RebootStep): Promise<void> => {
  const seconds = Math.ceil(withinMs / 1000)
  const answer = await shell
    .request(String(sh`sync; systemctl reboot || exit; sleep ${seconds}`), { deadlineMs: withinMs + 60_000 })
    .catch((error: unknown) => {
      if (problemsIn(error)?.every(({ class: sort }) => sort === 'unreachable') === true) return undefined
      throw error
    })
  if (answer === undefined) return
  throw new HostRefusal(
    `${host} does not reboot`,
    answer.code === 0 ? `it is still running ${seconds} s after systemctl reboot` : outputExcerpt(answer.stderr),
    'find out what blocks it (systemctl list-jobs, systemd-inhibit --list), then run again',
  )
}

/**
 * Waits until everything is as declared after a reboot, apart from the changes that are still to come: services start, and a member of a
 * cluster catches up, after the host is reachable. False if the host was lost meanwhile.
 */
export const settle = async (run: Run, runHost: RunHost, pauseMs = PAUSE_MS, settleMs = SETTLE_MS): Promise<boolean> => {
  const { session, resources, pending } = runHost
  const { host } = session
  const coming = new Set(pending.map(({ resource }) => keyOf(resource)).filter((resource) => !run.progress.isApplied({ host, resource })))
  for (const deadline = Date.now() + settleMs; ; await sleep(pauseMs, undefined, { signal: run.signal })) {
    run.listen({ type: 'doing', host, what: 'observing the host after its reboot' })
    if ((await renew(run, [runHost])).length === 0) return false
    const { observations, selected, allowDataLoss } = run
    const observation = observations.get(host) ?? new Map()
    const differing = planHost({ resources, observation, observations, selected, allowDataLoss, now: new Date() }).filter(
      ({ resource }) => !coming.has(keyOf(resource)),
    )
    if (differing.length === 0) return true
    if (Date.now() > deadline) throw unsettled(host, differing)
  }
}

/** Services and clusters start within minutes. */
const SETTLE_MS = 5 * 60_000

const unsettled = (host: string, differing: readonly PendingChange[]): Problem =>
  new Problem({
    class: 'task',
    where: { host },
    what: 'host is not as declared after its reboot',
    why: firstNames(
      differing.map(({ resource, change }) => `${keyOf(resource)} (${change.reason})`),
      10,
    ),
    fix: 'declare what must survive a boot, such as enabled: true of a service, and run again; the later changes of this host were not made',
  })
