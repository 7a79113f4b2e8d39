import { Problem } from '../../problem.ts'
import { quote } from '../../shell/quote.ts'
import { sqlText } from '../database/mariadb.ts'
import { HostRefusal } from '../kind/step.ts'
import { isGone, type Other, strangerFollowed } from './away.ts'
import { catchUp, comeNear, furthest, wentAway } from './catch-up.ts'
import type { Standing } from './observe.ts'
import { addressOf, couldHaveRows, followerOf, mayBeFollowed } from './plan.ts'
import type { ReplicationSpec } from './replication.ts'
import { seed } from './seed.ts'
import { type Asking, changing, close, follow, open, type ReplicationWork, reachedBy, standingOn, tell } from './steps.ts'

/** The server that is written to. */
export function* seeToPrimary(one: ReplicationWork): Asking<void> {
  const { spec } = one
  const others = yield* lookAround(one)
  // With half of the data of another one it could not even start.
  if (one.state.seeding) yield* seed(spec, furthest(spec.me, others).host)
  const before = yield* standingOn()
  if (before?.writable === true && before.source === undefined && !isEmptyBeside(one, before, others)) {
    if (before.followers.length === 0) yield* nobodyIsMissing(one, others, before)
    // Whatever made another one writable: what it took since is not ours, and is looked at when it is to follow.
    for (const { host, standing } of others) if (standing.writable) yield* close(spec, host)
    yield* changing(one)
    if ((yield* standingOn())?.writable === false) yield* open()
  } else {
    if (before?.writable === true) yield* close(spec)
    yield* changing(one)
    yield* takeOver(one, others)
  }
  yield* letIn(spec)
}

/** A fresh host of the name of an old primary, whatever opened it and whatever is in it: what the others have is what counts. */
const isEmptyBeside = (one: ReplicationWork, { position }: Standing, others: readonly Other[]): boolean =>
  position === '' && others.some(({ host, standing }) => standing.position !== '' && couldHaveRows(reachedBy(one), host))

/** Nobody followed this one yet: a server that cannot be asked may take writes as well, such as in a cluster that it leaves only now. */
function* nobodyIsMissing(one: ReplicationWork, others: readonly Other[], standing: Standing): Asking<void> {
  yield* unasked(one, others, standing, undefined)
}

/** How the other servers stand that run. */
function* lookAround({ spec, members }: ReplicationWork): Asking<readonly Other[]> {
  const found: Other[] = []
  for (const { host } of spec.servers.filter(({ host }) => host !== spec.me && members?.().has(host) === true)) {
    const standing = yield* standingOn(host)
    if (standing !== undefined) found.push({ host, standing })
  }
  return found
}

/**
 * Becomes the primary: all others are closed, this one comes to have everything that they have, and only then it is opened. Whoever
 * cannot be asked could have more; that may be lost only where it was said so.
 */
function* takeOver(one: ReplicationWork, others: readonly Other[]): Asking<void> {
  const { spec } = one
  const standing = yield* standingOn()
  if (standing === undefined) throw new HostRefusal('the server does not answer', 'it runs', `see journalctl -u ${spec.service.unit}`)
  const followed = strangerFollowed(spec, [{ host: spec.me, standing }, ...others])
  if (followed !== undefined) throw followed
  const writer = others.find((other) => other.standing.writable)
  const missing = yield* unasked(one, others, standing, writer)
  if (writer !== undefined) yield* comeNear(one, standing, writer, missing)
  const since = performance.now()
  try {
    const closed = yield* closeAll(one, others, missing)
    if (writer !== undefined && !closed.some(({ host }) => host === writer.host)) throw wentAway(spec.me, writer.host)
    yield* catchUp(one, (yield* standingOn()) ?? standing, closed, missing, writer === undefined ? undefined : CLOSED_S)
    yield* tell('STOP SLAVE; RESET SLAVE ALL;', `${spec.me} goes on following another`, { doing: 'following nobody any more' })
    // The others are looked at a last time, when nothing that follows them can tell them that all is as it was.
    for (const { host } of closed) if ((yield* standingOn(host))?.writable !== false) throw openedAgain(spec.me, host)
    for (const host of missing) yield* isGone(spec, host, closed, 2)
    yield* open()
  } catch (error) {
    // Where a host was lost on the way nobody knows what it did last: the next run looks.
    if (writer !== undefined && !(error instanceof Problem)) yield* giveBack(one, writer.host)
    throw error
  }
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  if (writer !== undefined) yield { do: 'tell', what: `${spec.me} is the primary now; no server took writes for ${seconds} s` }
  else if (missing.length > 0) yield { do: 'tell', warn: true, what: lostWith(spec.me, missing, (yield* standingOn())?.position ?? '') }
}

/** How long nobody may take writes for a server that was near, in seconds. */
const CLOSED_S = 60

const lostWith = (me: string, missing: readonly string[], position: string): string =>
  `${me} is the primary now, from transaction ${position} on; what only ${missing.join(', ')} had is lost, unless it comes back and is saved there`

/** Servers that could have rows which this one has not, and cannot be asked; refused where that was not allowed. */
function* unasked(
  one: ReplicationWork,
  others: readonly Other[],
  standing: Standing,
  writer: Other | undefined,
): Asking<readonly string[]> {
  const { spec, allowDataLoss } = one
  // Whoever follows the one that is written to has all that any other follower can have, once it has come to its end.
  if (writer !== undefined && standing.source?.address === addressOf(spec, writer.host)) return []
  const members = reachedBy(one)
  const silent = spec.servers.map(({ host }) => host).filter((host) => host !== spec.me && !others.some((other) => other.host === host))
  const missing = silent.filter((host) => couldHaveRows(members, host))
  const stillSilent: string[] = []
  for (const host of missing) if (!members.has(host) || !(yield* starts(spec, host))) stillSilent.push(host)
  const forbidden = stillSilent.filter((host) => allowDataLoss?.has(host) !== true)
  if (forbidden.length > 0) throw notAllowed(spec, standing, forbidden)
  for (const host of stillSilent) yield* isGone(spec, host, others, 0)
  return stillSilent
}

/** A server that was only stopped. */
function* starts({ service }: ReplicationSpec, host: string): Asking<boolean> {
  const script = `systemctl start ${quote(service.unit)}`
  return (yield { do: 'shell', on: host, doing: `starting the server of ${host}, to ask it`, script }).code === 0
}

const notAllowed = ({ me }: ReplicationSpec, { position, source }: Standing, missing: readonly string[]): HostRefusal => {
  const names = missing.join(', ')
  const flags = missing.map((host) => `--allow-data-loss ${host}`).join(' ')
  return new HostRefusal(
    `${me} is not made the primary while ${names} cannot be asked`,
    `it could have rows that ${me} has not; ${me} has everything up to transaction ${source?.received || position || 'nothing'}`,
    `bring ${names} back and run again; or, where what only it has may be lost: provision run ${flags}`,
  )
}

/** Nobody takes writes any more. A server that was silent and was started for this is asked as well. */
function* closeAll({ spec, members }: ReplicationWork, others: readonly Other[], missing: readonly string[]): Asking<readonly Other[]> {
  const asked = spec.servers
    .map(({ host }) => host)
    .filter((host) => host !== spec.me && members?.().has(host) === true && !missing.includes(host))
  const closed: Other[] = []
  const writable = (host: string): boolean => others.some((other) => other.host === host && other.standing.writable)
  for (const host of asked.toSorted((a, b) => Number(writable(b)) - Number(writable(a)))) {
    const runs = others.some((other) => other.host === host) || (yield* standingOn(host)) !== undefined
    const standing = runs ? yield* close(spec, host) : undefined
    if (standing !== undefined) closed.push({ host, standing })
  }
  return closed
}

const openedAgain = (me: string, host: string): HostRefusal =>
  new HostRefusal(`${me} is not made the primary`, `${host} was closed, and does not say that it still is`, 'run again')

/** As it was before: the one that took writes takes them again, and this one follows it. */
function* giveBack(one: ReplicationWork, writer: string): Asking<void> {
  const { spec } = one
  try {
    const own = yield* standingOn()
    // Not where one is open by now, this one or another: two would be written to.
    if (own?.writable === true || (yield* lookAround(one)).some(({ host, standing }) => host !== writer && standing.writable)) return
    yield* open(writer)
    if (own !== undefined && own.source?.address !== addressOf(spec, writer)) yield* follow(spec, writer, false)
  } catch (error) {
    // What is told in the end is what went wrong first.
    const why = error instanceof Error ? error.message : String(error)
    yield { do: 'tell', warn: true, what: `${writer} could not be given back its writes, and takes none until the next run: ${why}` }
  }
}

/** Exactly the servers of the inventory may follow it. */
function* letIn(spec: ReplicationSpec): Asking<void> {
  const standing = yield* standingOn()
  if (standing === undefined || mayBeFollowed(spec, standing)) return
  const wanted = spec.servers.map(followerOf)
  const gone = standing.followers.filter(({ user }) => !wanted.some((one) => one.user === user))
  const account = (user: string): string => `${sqlText(user)}@'%'`
  const sql = [
    ...gone.map(({ user }) => `DROP USER IF EXISTS ${account(user)}; KILL CONNECTION USER ${account(user)};`),
    ...wanted.map(
      ({ user, subject, privileges }) => `CREATE USER IF NOT EXISTS ${account(user)} REQUIRE SUBJECT ${sqlText(subject)};
ALTER USER ${account(user)} REQUIRE SUBJECT ${sqlText(subject)};
REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${account(user)};
GRANT ${privileges.replaceAll(',', ', ')} ON *.* TO ${account(user)};`,
    ),
  ]
  yield* tell(sql.join('\n'), 'the accounts of the replicas cannot be made', { doing: 'letting its replicas in' })
}
