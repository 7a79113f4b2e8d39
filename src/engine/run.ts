import { openIdentities } from '../identities.ts'
import type { Identities } from '../keystore/identities.ts'
import { type Problem, Problems } from '../problem.ts'
import { isOrphan } from '../resource/ownership/orphan.ts'
import { projectFiles } from '../role/files.ts'
import { playbooksIn } from '../site/project-playbooks.ts'
import { onHost } from './failure.ts'
import { borrowing } from './observe/borrow.ts'
import { ownQuestions } from './observe/own-facts.ts'
import { observe, openSessions, type Session } from './observe/session.ts'
import { type ExaminedHost, examineHosts } from './plan/examine.ts'
import { declaring, identityChanges, markStaleHosts } from './plan/identities.ts'
import { type Recorded, withheldOn, withOrphans } from './plan/orphans.ts'
import { failuresOf, type ObservedHost, planHosts } from './plan/plan-hosts.ts'
import { faultsAhead, resourcesOf, type Surroundings } from './plan/resources.ts'
import { recordings, retirements } from './plan/retirement.ts'
import { rolloutsOf } from './plan/rollouts.ts'
import type { Prepared } from './prepare.ts'
import { RunProgress } from './progress.ts'
import type { PlanOptions, Run } from './run-state.ts'

export { apply } from './apply/apply.ts'
export { savePlan } from './plan/saved.ts'
export { stalenessOf } from './plan/staleness.ts'
export { prepare } from './prepare.ts'

/** Connects to every host at once, observes, and plans. Changes nothing. Input errors that only facts reveal throw `Problems`. */
export const plan = async (prepared: Prepared, options: PlanOptions): Promise<Run> => {
  const declaration = await declare(prepared, options)
  const answers = await observeHosts(declaration.surroundings, prepared, options)
  const observed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const { borrow, ...borrowed } = borrowing(prepared, options)
  const close = async (): Promise<void> => {
    await Promise.allSettled([...observed.map(({ session }) => session.shell.close()), borrowed.close()])
  }
  try {
    const { roles } = prepared
    const unreachable = failuresOf(answers)
    const scope: Scope = {
      selected: (role) => roles.length === 0 || roles.includes(role),
      allowDataLoss: new Set(prepared.allowDataLoss),
    }
    const { examined, lost: failed } = await examineHosts(observed, {
      ...scope,
      prune: options.prune ?? false,
      project: playbooksIn(prepared.root),
    })
    const { lost, ...run } = await planRun(examined, scope, { prepared, options, declaration })
    return { ...run, unreachable: [...unreachable, ...failed, ...lost], borrow, close }
  } catch (error) {
    await close()
    throw error
  }
}

type Scope = Pick<Run, 'selected' | 'allowDataLoss'>

/** The input of all roles, and the roles that declare each identity. */
interface Declaration {
  readonly surroundings: Surroundings
  readonly identities: Identities
  readonly declarers: ReadonlyMap<string, ReadonlySet<string>>
}

/** Prepares the input of roles, and checks what they declare without facts. Throws `Problems` before any host is contacted. */
const declare = async ({ bindings, reach, root, env, isAdHoc }: Prepared, { listen }: PlanOptions): Promise<Declaration> => {
  const identities = await openIdentities(root, env)
  const declarers = new Map<string, Set<string>>()
  const read = new Map<string, ReturnType<typeof projectFiles>>()
  const files = (directory: string, name?: string): ReturnType<typeof projectFiles> => {
    const key = JSON.stringify([directory, name])
    const found = read.get(key) ?? projectFiles(root, directory, name)
    read.set(key, found)
    return found
  }
  const surroundings = { bindings, files, identities: declaring(identities, declarers), listen, isRecorded: isAdHoc !== true }
  // Uses identities of its own: an identity counts as declared only once its host was reached.
  const unused = await openIdentities(root, env)
  const faults = faultsAhead([...reach.keys()], { ...surroundings, identities: declaring(unused) })
  if (faults.length > 0) throw new Problems(faults)
  return { surroundings, identities, declarers }
}

/** Observes every selected host, all at once. */
const observeHosts = (
  surroundings: Surroundings,
  prepared: Prepared,
  options: PlanOptions,
): Promise<readonly PromiseSettledResult<ObservedHost>[]> => {
  const { reach } = prepared
  const sessions = openSessions([...reach.values()], {
    ...options,
    lock: options.lock,
    wait: options.wait ?? false,
    asks: (host) => ownQuestions(prepared.bindings, host),
  })
  const observing = { call: 'observation of this host' }
  return Promise.allSettled(
    [...reach.keys()].map((name) =>
      onHost(name, observing, () => observeHost(name, sessions.get(name), surroundings, { prepared, options })),
    ),
  )
}

interface RunInput {
  readonly prepared: Prepared
  readonly options: PlanOptions
  readonly declaration: Declaration
}

/** Plans the controller and every observed host, and shows the plan. */
const planRun = async (
  examined: readonly ExaminedHost[],
  scope: Scope,
  { prepared, options, declaration: { identities, declarers } }: RunInput,
): Promise<Omit<Run, 'unreachable' | 'borrow' | 'close'> & { readonly lost: readonly Problem[] }> => {
  const { listen, signal } = options
  const { planned, observations, lost } = await planHosts(examined, scope)
  markStaleHosts(identities, planned)
  const changes = [
    ...identityChanges(identities, declarers, scope.selected),
    ...recordings(prepared, planned),
    ...planned.flatMap((one) => one.changes).sort((a, b) => a.play - b.play),
    ...retirements(prepared),
  ]
  const run = {
    prepared,
    plan: {
      changes,
      resources: new Map(
        planned.map(({ session, resources }) => [session.host, resources.filter(({ resource }) => !isOrphan(resource)).length]),
      ),
      rollouts: rolloutsOf(prepared, changes),
      withheld: examined.flatMap(({ session: { host }, orphans }) => withheldOn(host, orphans)),
    },
    hosts: new Map(planned.map((one) => [one.session.host, one])),
    observations,
    progress: new RunProgress(listen),
    listen,
    signal,
    identities,
    ...scope,
    lost,
  }
  show(run, examined)
  return run
}

/** Passes the warnings about each host and the planned changes to the listener. */
const show = ({ plan, listen }: Pick<Run, 'plan' | 'listen'>, examined: readonly ExaminedHost[]): void => {
  for (const { session, notices } of examined) for (const notice of notices) listen({ type: 'warning', host: session.host, ...notice })
  for (const change of plan.changes) listen({ type: 'change', phase: 'planned', change })
}

const playedOn = (host: string, { site: { plays } }: Prepared): Pick<Recorded, 'firstPlay' | 'playbooks' | 'plays'> => ({
  firstPlay: Math.max(
    0,
    plays.findIndex(({ hosts }) => hosts.includes(host)),
  ),
  playbooks: [...new Set(plays.flatMap(({ where }) => ('file' in where ? [where.file] : [])))],
  plays: new Set(plays.flatMap(({ roles }) => roles.flatMap(({ name, resources }) => (resources === undefined ? [] : [name])))),
})

/** Observes one host: its facts, the resources that its roles declare, and the state of each. Closes its shell if that fails. */
const observeHost = async (
  name: string,
  opening: Promise<Session> | undefined,
  surroundings: Surroundings,
  { prepared, options }: { readonly prepared: Prepared; readonly options: PlanOptions },
): Promise<ObservedHost> => {
  const session = await opening
  if (session === undefined) throw new Error(`no session was opened for ${name}`)
  try {
    options.listen({ type: 'host', host: name, state: 'observing' })
    const declared = resourcesOf(name, session.facts, { ...surroundings, own: session.own, owned: session.owned })
    const resources = withOrphans({
      host: name,
      records: prepared.isAdHoc === true ? new Map() : session.owned,
      declared,
      ...playedOn(name, prepared),
      project: playbooksIn(prepared.root),
      prune: options.prune ?? false,
    })
    const observation = await observe(session, resources)
    options.listen({ type: 'host', host: name, state: 'waiting' })
    return { session, resources, observation }
  } catch (error) {
    await session.shell.close().catch(() => undefined)
    throw error
  }
}
