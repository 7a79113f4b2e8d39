import { Problem, Problems, problemsIn } from '../../problem.ts'
import { outputExcerpt } from '../../resource/kind/step.ts'
import { drainScript, undrainInterruptedScript, undrainScript } from '../../resource/ownership/drained.ts'
import { type Draining, drainsOf } from '../../role/drains.ts'
import { masked, secretsIn } from '../../secret/secret.ts'
import type { Script } from '../../shell/script.ts'
import type { Session } from '../observe/session.ts'
import type { Run } from '../run-state.ts'

/** A host that is out of service at another host, and the session on that other host. */
export interface DrainedHost {
  readonly draining: Draining
  readonly session: Session
}

/** Takes hosts out of service at every host whose roles send them requests. If one cannot be taken out, puts all back and throws `Problems`. */
export const takeOut = async (run: Run, hosts: readonly string[]): Promise<readonly DrainedHost[]> => {
  const drainings = hosts.flatMap((host) => drainsOf(run.prepared.bindings, host))
  const places = Map.groupBy(drainings, ({ at }) => at)
  const sessions = new Map(await all([...places].map(async ([at, here]) => [at, await sessionAt(run, at, here)] as const)))
  // A host left out of service by an interrupted run could be the only other one that serves.
  await all([...places].map(([at, here]) => putBackLeft(here, sessions.get(at))))
  const outs = drainings.flatMap((draining) => {
    const session = sessions.get(draining.at)
    return session === undefined ? [] : [{ draining, session }]
  })
  try {
    await all(outs.map((out) => takeOutAt(run, out)))
  } catch (error) {
    throw new Problems([...problemsOf(error), ...(await putBack(run, outs))])
  }
  return outs
}

/** Puts hosts back into service and waits until they are healthy. Returns a problem for each that is not. */
export const putBack = async (run: Run, outs: readonly DrainedHost[]): Promise<readonly Problem[]> => {
  const problems = await Promise.all(
    outs.map(async (out) => {
      const { member, at, role, back } = out.draining
      const fix = `check the service on ${member}: it is back in service, and gets requests as soon as ${at} finds it healthy`
      const script = undrainScript(member, role, back)
      const failure = { doing: `putting it back into service at ${at}`, failed: `${at} does not find ${member} healthy`, fix }
      return runDrainStep(run, out, { phase: 'back', script, ...failure }).then(
        () => [],
        (error) =>
          problemsOf(error).map((problem) =>
            problem.class === 'unreachable' ? also(problem, `${member} may still be out of service there`) : problem,
          ),
      )
    }),
  )
  return problems.flat()
}

const takeOutAt = (run: Run, out: DrainedHost): Promise<void> => {
  const { member, at, role, out: script, back } = out.draining
  const fix = `correct what ${at} reports, and run again; nothing was changed on ${member}`
  const failure = { doing: `taking it out of service at ${at}`, failed: `${member} cannot be taken out of service at ${at}`, fix }
  return runDrainStep(run, out, {
    phase: 'out',
    script: drainScript(member, role, script),
    input: Buffer.from(String(back)),
    ...failure,
  })
}

/** The script to run at the other host, and its texts for progress and errors. */
interface DrainStep {
  readonly phase: 'out' | 'back'
  readonly script: Script
  readonly input?: Uint8Array
  readonly doing: string
  readonly failed: string
  readonly fix: string
}

const runDrainStep = async ({ listen }: Run, { draining, session }: DrainedHost, step: DrainStep): Promise<void> => {
  const { member, at, role, options: secret } = draining
  const { phase, script, input, doing, failed, fix } = step
  listen({ type: 'doing', host: member, what: doing })
  try {
    const started = performance.now()
    const { code, stderr } = await session.shell.request(String(script), input === undefined ? {} : { input })
    if (code === 0) listen({ type: 'rolling', phase, host: member, at, durationMs: performance.now() - started })
    else {
      const why = masked(outputExcerpt(stderr), secretsIn(secret))
      throw new Problem({ class: 'task', where: { host: member, role: `role ${role} on ${at}` }, what: failed, why, fix })
    }
  } finally {
    listen({ type: 'doing', host: member, what: undefined })
  }
}

const putBackLeft = async (here: readonly Draining[], session: Session | undefined): Promise<void> => {
  const answer = await session?.shell.request(String(undrainInterruptedScript([], here)))
  if (session === undefined || answer === undefined || answer.code === 0) return
  const [first] = here
  throw new Problem({
    class: 'task',
    where: { host: session.host },
    what: 'host that an interrupted run took out of service cannot be put back',
    why: masked(outputExcerpt(answer.stderr), secretsIn(first?.options)),
    fix: 'repair that host first (provision run --limit HOST); no other host is taken out of service until it serves again',
  })
}

/** The run's session on a host, or a borrowed one if the host is not part of the run. */
const sessionAt = async (run: Run, at: string, here: readonly Draining[]): Promise<Session> => {
  const held = run.hosts.get(at)?.session
  if (held !== undefined) return held
  const members = here.map(({ member }) => member).join(', ')
  const needed = `${members} must be taken out of service there first`
  if (run.prepared.targets.includes(at))
    throw new Problem({
      class: 'unreachable',
      where: { host: at },
      what: `host could not be reached; ${needed}`,
      fix: `make ${at} reachable, and run again; ${members} was not changed`,
    })
  return run.borrow(at).catch((error) => {
    throw new Problems(problemsOf(error).map((problem) => also(problem, needed)))
  })
}

const also = ({ class: sort, where, what, why, fix }: Problem, more: string): Problem =>
  new Problem({ class: sort, where, what: `${what}; ${more}`, fix, ...(why === undefined ? {} : { why }) })

const problemsOf = (error: unknown): readonly Problem[] => {
  const problems = problemsIn(error)
  if (problems === undefined) throw error
  return problems
}

/** Waits until all have settled, then throws the problems of all together. */
const all = async <T>(pending: readonly Promise<T>[]): Promise<readonly T[]> => {
  const settled = await Promise.allSettled(pending)
  const problems = settled.flatMap((one) => (one.status === 'rejected' ? problemsOf(one.reason) : []))
  if (problems.length > 0) throw new Problems(problems)
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
