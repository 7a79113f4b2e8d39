import { openIdentities } from '../identities.ts'
import { Problems } from '../problem.ts'
import { isOrphan } from '../resource/ownership/orphan.ts'
import { projectFiles } from '../role/files.ts'
import { borrowing } from './observe/borrow.ts'
import { observe, openSessions, type Session } from './observe/session.ts'
import { declaring, identityChanges, markStaleHosts } from './plan/identities.ts'
import { orphanNotices, orphansOn, withheldOn, withOrphans } from './plan/orphans.ts'
import { forbiddenOn, noticesOf, type Selection, unfinishedOf } from './plan/plan-host.ts'
import { failuresOf, type ObservedHost, observationsOf, planHosts } from './plan/plan-hosts.ts'
import { faultsAhead, resourcesOf, type Surroundings } from './plan/resources.ts'
import { rolloutsOf } from './plan/rollouts.ts'
import { unknownAuthorities } from './plan/unknown-authority.ts'
import type { Prepared } from './prepare.ts'
import { RunProgress } from './progress.ts'
import type { PlanOptions, Run } from './run-state.ts'

export { apply } from './apply/apply.ts'
export { savePlan } from './plan/saved.ts'
export { stalenessOf } from './plan/staleness.ts'
export { prepare } from './prepare.ts'

/** Connects to every host at once, observes, and plans. Changes nothing. Input errors that only facts reveal throw `Problems`. */
export const plan = async (prepared: Prepared, options: PlanOptions): Promise<Run> => {
  const { bindings, reach, roles, root, env } = prepared
  const allowDataLoss = new Set(prepared.allowDataLoss)
  const identities = await openIdentities(root, env)
  const declarers = new Map<string, Set<string>>()
  const read = new Map<string, ReturnType<typeof projectFiles>>()
  const files = (directory: string): ReturnType<typeof projectFiles> => {
    const found = read.get(directory) ?? projectFiles(root, directory)
    read.set(directory, found)
    return found
  }
  const surroundings = { bindings, files, identities: declaring(identities, declarers), listen: options.listen }
  // Uses identities of its own: an identity counts as declared only once its host was reached.
  const unused = await openIdentities(root, env)
  const faults = faultsAhead([...reach.keys()], { ...surroundings, identities: declaring(unused) })
  if (faults.length > 0) throw new Problems(faults)
  const sessions = openSessions([...reach.values()], { ...options, lock: options.lock, wait: options.wait ?? false })
  const answers = await Promise.allSettled(
    [...reach.keys()].map((name) => observeHost(name, sessions.get(name), surroundings, { prepared, options })),
  )
  const observed = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const borrowed = borrowing(prepared, options)
  const close = async (): Promise<void> => {
    await Promise.allSettled([...observed.map(({ session }) => session.shell.close()), borrowed.close()])
  }
  try {
    const unreachable = failuresOf(answers)
    const selected: Selection = (role) => roles.length === 0 || roles.includes(role)
    const all = observationsOf(observed)
    const reached = observed.map(({ session: { host }, resources, observation }) => ({ host, resources, observation }))
    const forbidden = [
      ...unknownAuthorities(reached, selected, new Date()),
      ...reached.flatMap((one) => forbiddenOn(one, selected, { observations: all, allowDataLoss })),
    ]
    if (forbidden.length > 0) throw new Problems(forbidden)
    const { planned, observations, lost } = await planHosts(observed, selected, allowDataLoss)
    markStaleHosts(identities, planned)
    const changes = [
      ...identityChanges(identities, declarers, selected),
      ...planned.flatMap((one) => one.changes).sort((a, b) => a.play - b.play),
    ]
    const left = new Map(
      options.prune ? [] : reached.map(({ host, resources, observation }) => [host, orphansOn(resources, observation, selected)]),
    )
    for (const { host, resources, observation } of reached)
      for (const notice of [
        ...noticesOf(resources, observation, { observations, allowDataLoss }),
        ...unfinishedOf({ resources, observation, observations, selected, allowDataLoss, now: new Date() }),
        ...orphanNotices(left.get(host) ?? []),
      ])
        options.listen({ type: 'warning', host, ...notice })
    for (const change of changes) options.listen({ type: 'change', phase: 'planned', change })
    return {
      prepared,
      plan: {
        changes,
        resources: new Map(
          planned.map(({ session, resources }) => [session.host, resources.filter(({ resource }) => !isOrphan(resource)).length]),
        ),
        rollouts: rolloutsOf(prepared, changes),
        withheld: [...left].flatMap(([host, some]) => withheldOn(host, some)),
      },
      hosts: new Map(planned.map((one) => [one.session.host, one])),
      observations,
      progress: new RunProgress(options.listen),
      listen: options.listen,
      signal: options.signal,
      identities,
      selected,
      allowDataLoss,
      unreachable: [...unreachable, ...lost],
      borrow: borrowed.borrow,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const playedOn = (host: string, { site: { plays } }: Prepared): { readonly firstPlay: number; readonly playbooks: readonly string[] } => ({
  firstPlay: Math.max(
    0,
    plays.findIndex(({ hosts }) => hosts.includes(host)),
  ),
  playbooks: [...new Set(plays.flatMap(({ where }) => ('file' in where ? [where.file] : [])))],
})

/** Asks a host for its facts, its role's resources, and the state of each. Closes its shell if that fails. */
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
    const declared = resourcesOf(name, session.facts, surroundings)
    const resources = withOrphans({
      host: name,
      records: session.owned,
      declared,
      ...playedOn(name, prepared),
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
