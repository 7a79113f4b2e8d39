import { Problem, Problems, problemsIn } from '../../problem.ts'
import { lastLines } from '../../resource/kind/step.ts'
import { drainScript, undrainInterruptedScript, undrainScript } from '../../resource/ownership/drained.ts'
import { type Draining, drainsOf } from '../../role/drains.ts'
import { masked, secretsIn } from '../../secret/secret.ts'
import type { Session } from '../observe/session.ts'
import type { Run } from '../run-state.ts'

/** A host that is out at another one, which is reached by this session. */
export interface DrainedHost {
  readonly draining: Draining
  readonly session: Session
}

/** Takes hosts out wherever a role of the site says how. All of them are out everywhere, or none is and `Problems` says why. */
export const takeOut = async (run: Run, hosts: readonly string[]): Promise<readonly DrainedHost[]> => {
  const drainings = hosts.flatMap((host) => drainsOf(run.prepared.bindings, host))
  const places = Map.groupBy(drainings, ({ at }) => at)
  const sessions = new Map(await all([...places].map(async ([at, here]) => [at, await sessionAt(run, at, here)] as const)))
  // Whoever is out since a run was cut could be the only one that another host here relies on.
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

/** Puts hosts back and waits until they are found healthy; says where one is not. */
export const putBack = async (run: Run, outs: readonly DrainedHost[]): Promise<readonly Problem[]> => {
  const problems = await Promise.all(
    outs.map(async (out) => {
      const { member, at, role, back } = out.draining
      const fix = `look at ${member}: it is in again, and gets requests as soon as ${at} finds it healthy`
      const script = undrainScript(member, role, String(back))
      const failure = { doing: `putting it back in at ${at}`, failed: `is not found healthy at ${at}`, fix }
      return carryOut(run, out, { phase: 'back', script, ...failure }).then(
        () => [],
        (error) =>
          problemsOf(error).map((problem) =>
            problem.class === 'unreachable' ? also(problem, `${member} may still be out there`) : problem,
          ),
      )
    }),
  )
  return problems.flat()
}

const takeOutAt = (run: Run, out: DrainedHost): Promise<void> => {
  const { member, at, role, out: script, back } = out.draining
  const fix = 'nothing was changed on it; mend what that host says, and run again'
  const failure = { doing: `taking it out of ${at}`, failed: `cannot be taken out of ${at}`, fix }
  return carryOut(run, out, {
    phase: 'out',
    script: drainScript(member, role, String(script)),
    input: Buffer.from(String(back)),
    ...failure,
  })
}

/** What is done at the other host, and how it is described. */
interface Motion {
  readonly phase: 'out' | 'back'
  readonly script: string
  readonly input?: Uint8Array
  readonly doing: string
  readonly failed: string
  readonly fix: string
}

const carryOut = async ({ listen }: Run, { draining, session }: DrainedHost, motion: Motion): Promise<void> => {
  const { member, at, role, options: secret } = draining
  const { phase, script, input, doing, failed, fix } = motion
  listen({ type: 'doing', host: member, what: doing })
  try {
    const started = performance.now()
    const { code, stderr } = await session.shell.request(script, input === undefined ? {} : { input })
    if (code === 0) listen({ type: 'rolling', phase, host: member, at, durationMs: performance.now() - started })
    else {
      const why = masked(lastLines(stderr), secretsIn(secret))
      throw new Problem({ class: 'task', where: { host: member, role: `role ${role} on ${at}` }, what: failed, why, fix })
    }
  } finally {
    listen({ type: 'doing', host: member, what: undefined })
  }
}

const putBackLeft = async (here: readonly Draining[], session: Session | undefined): Promise<void> => {
  const answer = await session?.shell.request(undrainInterruptedScript([], here))
  if (session === undefined || answer === undefined || answer.code === 0) return
  const [first] = here
  throw new Problem({
    class: 'task',
    where: { host: session.host },
    what: 'a host that a run which was cut had taken out does not come back',
    why: masked(lastLines(answer.stderr), secretsIn(first?.options)),
    fix: 'mend that host first (--limit): no other is taken out as long as it does not serve',
  })
}

/** The session of the run, or one opened for this alone where the host is not part of the run. */
const sessionAt = async (run: Run, at: string, here: readonly Draining[]): Promise<Session> => {
  const held = run.hosts.get(at)?.session
  if (held !== undefined) return held
  const members = here.map(({ member }) => member).join(', ')
  const needed = `is where ${members} must be taken out first`
  if (run.prepared.targets.includes(at))
    throw new Problem({
      class: 'unreachable',
      where: { host: at },
      what: `${needed}, and could not be reached`,
      fix: `see why; ${members} stayed as before`,
    })
  return run.borrow(at).catch((error) => {
    throw new Problems(problemsOf(error).map((problem) => also(problem, `it ${needed}`)))
  })
}

const also = ({ class: sort, where, what, why, fix }: Problem, more: string): Problem =>
  new Problem({ class: sort, where, what: `${what}; ${more}`, fix, ...(why === undefined ? {} : { why }) })

const problemsOf = (error: unknown): readonly Problem[] => {
  const problems = problemsIn(error)
  if (problems === undefined) throw error
  return problems
}

/** Waits for all, whatever becomes of some; then the problems of all are thrown together. */
const all = async <T>(pending: readonly Promise<T>[]): Promise<readonly T[]> => {
  const settled = await Promise.allSettled(pending)
  const problems = settled.flatMap((one) => (one.status === 'rejected' ? problemsOf(one.reason) : []))
  if (problems.length > 0) throw new Problems(problems)
  return settled.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
}
