import { Problem, problemsIn } from '../../problem.ts'
import { outputExcerpt } from '../../resource/kind/step.ts'
import type { Bound } from '../../role/bind.ts'
import { drainsOf } from '../../role/drains.ts'
import { masked, secretsIn } from '../../secret/secret.ts'
import { scriptOf } from '../../shell/script.ts'
import { problemsOn } from '../failure.ts'
import type { Session } from '../observe/session.ts'
import type { Run } from '../run-state.ts'

/**
 * Asks every service in front of the hosts that this run touched whether it still answers, and records a problem for each that does not.
 * A run that changed nothing asks nothing.
 */
export const proveServing = async (run: Run): Promise<void> => {
  const { bindings, targets } = run.prepared
  const touched = targets.filter((host) => run.progress.isTouched(host))
  const drained = touched.flatMap((host) => drainsOf(bindings, host))
  const asked = bindings.bound.filter(
    ({ host, role }, i) =>
      role.serves !== undefined &&
      bindings.bound.findIndex((one) => one.host === host && one.role === role) === i &&
      (touched.includes(host) || drained.some((drain) => drain.at === host && drain.role === role.name)),
  )
  await Promise.all(asked.map((bound) => proveServingAt(run, bound)))
}

const proveServingAt = async (run: Run, { host, role, context }: Bound): Promise<void> => {
  try {
    const script = role.serves?.({ ...context, flows: run.prepared.bindings.flows })
    const session = await sessionAt(run, host, role.name)
    if (session === undefined || script === undefined) return
    run.listen({ type: 'doing', host, what: `checking that ${role.name} serves` })
    const { code, stderr } = await session.shell.request(String(scriptOf(script)), { deadlineMs: WITHIN_MS })
    if (code === 0) return
    const why = masked(outputExcerpt(stderr), secretsIn(context.options))
    const what = `service of role ${role.name} does not answer after this run`
    const fix = 'correct what the host reports, and run again; provision verify checks every part'
    run.progress.problems.push(new Problem({ class: 'task', where: { host, role: `role ${role.name}` }, what, why, fix }))
  } catch (error) {
    run.progress.exclude(host, problemsOn(host, error, { call: 'serves', role: role.name }))
  } finally {
    run.listen({ type: 'doing', host, what: undefined })
  }
}

/** A service that does not answer within this time counts as failed. */
const WITHIN_MS = 120_000

/** The run's session on a host, or a borrowed one. Undefined if there is none: an unreachable host of the run is a problem already. */
const sessionAt = async (run: Run, host: string, role: string): Promise<Session | undefined> => {
  if (run.prepared.targets.includes(host)) return run.progress.isLost(host) ? undefined : run.hosts.get(host)?.session
  return run.borrow(host).catch((error) => {
    const [problem] = problemsIn(error) ?? []
    if (problem === undefined) throw error
    const what = `${host} could not be asked whether ${role} still serves: ${problem.what}`
    run.listen({ type: 'warning', host, role, what })
    return undefined
  })
}
