import type { AcmeAccount, AcmeOptions, Identities } from '../identity/identities.ts'
import { openIdentities } from '../identity/open.ts'
import { type Problem, Problems, problemsIn } from '../problem.ts'
import { keyOf } from '../resource/kind.ts'
import { diffsOf } from './diff.ts'
import type { Listener } from './event.ts'
import type { Placed } from './place.ts'
import { type Change, CONTROLLER, type Plan } from './plan.ts'
import type { Planned, PlanOptions, Surveyed } from './planned.ts'
import { type Due, planHost, type Selection } from './planning.ts'
import type { Prepared } from './prepare.ts'
import { resourcesOf } from './resources.ts'
import { observe, openSession, type Session } from './session.ts'

export { apply } from './apply.ts'
export { prepare } from './prepare.ts'

/** Connects to every host at once, observes, and plans. Changes nothing. Input errors that only facts reveal throw `Problems`. */
export const plan = async (prepared: Prepared, options: PlanOptions): Promise<Planned> => {
  const { site, targets, roles, root, env, bindings } = prepared
  const identities = await openIdentities(root, env)
  const selected: Selection = (role) => roles.length === 0 || roles.includes(role)
  // The plan names the role that asked for an identity first.
  const declarers = new Map<string, string>()
  const acmeAccount = (role: string, wish: AcmeOptions): AcmeAccount => {
    const account = identities.acmeAccount(wish)
    declarers.set(account.key, declarers.get(account.key) ?? role)
    return account
  }
  const surveys = await Promise.allSettled(
    targets.map(async (name) => {
      const host = site.hosts.get(name)
      if (host === undefined) throw new Error(`${name} was a target and is no host`)
      const session = await openSession({ ...host.connection, name }, { ...options, lock: options.lock, wait: options.wait ?? false })
      try {
        return await survey(
          session,
          (facts) => resourcesOf(name, facts, { root, bindings, acmeAccount, listen: options.listen }),
          selected,
          options.listen,
        )
      } catch (error) {
        await session.shell.close().catch(() => undefined)
        throw error
      }
    }),
  )
  const surveyed = new Map(
    surveys.flatMap((result) => (result.status === 'fulfilled' ? [[result.value.session.host, result.value] as const] : [])),
  )
  const close = async (): Promise<void> => {
    await Promise.allSettled([...surveyed.values()].map(({ session }) => session.shell.close()))
  }
  const unreachable = await failuresOf(surveys, close)
  const changes = [
    ...identityChanges(identities, declarers, selected),
    ...[...surveyed.values()].flatMap((one) => one.changes).sort((a, b) => a.play - b.play),
  ]
  for (const change of changes) options.listen({ type: 'change', phase: 'planned', change })
  const resources = new Map([...surveyed.values()].map(({ session, placed }) => [session.host, placed.length]))
  return { prepared, plan: { changes, resources }, surveyed, identities, selected, unreachable, close }
}

const survey = async (
  session: Session,
  resources: (facts: Session['facts']) => readonly Placed[],
  selected: Selection,
  listen: Listener,
): Promise<Surveyed> => {
  const { host, shell, facts } = session
  listen({ type: 'host', host, state: 'observing' })
  const placed = resources(facts)
  const seen = await observe(session, placed)
  const due = planHost(placed, seen, selected, new Date())
  const diffs = await diffsOf(shell, due)
  listen({ type: 'host', host, state: 'waiting' })
  return { session, placed, seen, due, changes: due.map((one) => changeOf(host, one, diffs.get(keyOf(one.resource)))) }
}

const changeOf = (host: string, { play, role, resource, verdict }: Due, diff: string | undefined): Change => ({
  host,
  role,
  resource: keyOf(resource),
  action: verdict.action,
  sure: verdict.sure,
  reason: verdict.reason,
  differences: verdict.differences,
  ...(diff === undefined ? {} : { diff }),
  play,
})

// Input errors mean that nothing may happen anywhere; any other failure is one host's own.
const failuresOf = async (surveys: readonly PromiseSettledResult<Surveyed>[], close: () => Promise<void>): Promise<readonly Problem[]> => {
  const failures: Problem[] = []
  for (const result of surveys) {
    if (result.status === 'fulfilled') continue
    const problems = problemsIn(result.reason)
    if (problems === undefined) {
      await close()
      throw result.reason
    }
    failures.push(...problems)
  }
  const input = failures.filter((problem) => problem.class === 'input')
  if (input.length === 0) return failures
  await close()
  throw new Problems(input)
}

const identityChanges = (identities: Identities, declarers: ReadonlyMap<string, string>, selected: Selection): readonly Change[] =>
  identities
    .missing()
    .map(
      ({ key, reason }): Change => ({
        host: CONTROLLER,
        role: declarers.get(key) ?? '',
        resource: key,
        action: 'create',
        sure: 'exact',
        reason,
        differences: [],
        play: 0,
      }),
    )
    .filter(({ role }) => selected(role))
