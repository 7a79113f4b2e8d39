import { openIdentities } from '../identities.ts'
import { Problems } from '../problem.ts'
import { isOrphan } from '../resource/ownership/orphan.ts'
import { projectFiles } from '../role/files.ts'
import { borrowing } from './observe/borrow.ts'
import { observe, openSessions, type Session } from './observe/session.ts'
import { declaring, identityChanges, markStaleHosts } from './plan/identities.ts'
import { orphanNotices, orphansOn, withheldOn, withOrphans } from './plan/orphans.ts'
import { forbiddenOn, noticesOf, type Selection, unfinishedOf } from './plan/plan-host.ts'
import { faultsAhead, resourcesOf, type Surroundings } from './plan/resources.ts'
import { rolloutsOf } from './plan/rollouts.ts'
import { failuresOf, type Met, seenOn, surveyed } from './plan/survey.ts'
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
  const met = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  const beside = borrowing(prepared, options)
  const close = async (): Promise<void> => {
    await Promise.allSettled([...met.map(({ session }) => session.shell.close()), beside.close()])
  }
  try {
    const unreachable = failuresOf(answers)
    const selected: Selection = (role) => roles.length === 0 || roles.includes(role)
    const all = seenOn(met)
    const looked = met.map(({ session: { host }, placed, seen }) => ({ host, placed, seen }))
    const forbidden = [
      ...unknownAuthorities(looked, selected, new Date()),
      ...looked.flatMap((one) => forbiddenOn(one, selected, { everywhere: all, allowDataLoss })),
    ]
    if (forbidden.length > 0) throw new Problems(forbidden)
    const { surveys, everywhere, lost } = await surveyed(met, selected, allowDataLoss)
    markStaleHosts(identities, surveys)
    const changes = [
      ...identityChanges(identities, declarers, selected),
      ...surveys.flatMap((one) => one.changes).sort((a, b) => a.play - b.play),
    ]
    const left = new Map(options.prune ? [] : looked.map(({ host, placed, seen }) => [host, orphansOn(placed, seen, selected)]))
    for (const { host, placed, seen } of looked)
      for (const notice of [
        ...noticesOf(placed, seen, { everywhere, allowDataLoss }),
        ...unfinishedOf({ placed, seen, everywhere, selected, allowDataLoss, now: new Date() }),
        ...orphanNotices(left.get(host) ?? []),
      ])
        options.listen({ type: 'warning', host, ...notice })
    for (const change of changes) options.listen({ type: 'change', phase: 'planned', change })
    return {
      prepared,
      plan: {
        changes,
        resources: new Map(
          surveys.map(({ session, placed }) => [session.host, placed.filter(({ resource }) => !isOrphan(resource)).length]),
        ),
        rollouts: rolloutsOf(prepared, changes),
        withheld: [...left].flatMap(([host, some]) => withheldOn(host, some)),
      },
      hosts: new Map(surveys.map((one) => [one.session.host, one])),
      observations: everywhere,
      progress: new RunProgress(options.listen),
      listen: options.listen,
      signal: options.signal,
      identities,
      selected,
      allowDataLoss,
      unreachable: [...unreachable, ...lost],
      borrow: beside.borrow,
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
): Promise<Met> => {
  const session = await opening
  if (session === undefined) throw new Error(`no session was opened for ${name}`)
  try {
    options.listen({ type: 'host', host: name, state: 'observing' })
    const declared = resourcesOf(name, session.facts, surroundings)
    const placed = withOrphans({
      host: name,
      records: session.owned,
      declared,
      ...playedOn(name, prepared),
      prune: options.prune ?? false,
    })
    const seen = await observe(session, placed)
    options.listen({ type: 'host', host: name, state: 'waiting' })
    return { session, placed, seen }
  } catch (error) {
    await session.shell.close().catch(() => undefined)
    throw error
  }
}
