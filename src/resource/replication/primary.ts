import { Problem } from '../../problem.ts'
import { sh } from '../../shell/sh.ts'
import { sqlText } from '../database/mariadb.ts'
import { HostRefusal } from '../kind/step.ts'
import { followsUnknownServer, type OtherServer, requireUnreachable } from './away.ts'
import { catchUp, catchUpWhileWriting, mostAdvanced, writerUnavailable } from './catch-up.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf, couldHaveRows, followerOf, grantsExactlyReplicas } from './plan.ts'
import { seed } from './seed.ts'
import type { ReplicationSpec } from './spec.ts'
import {
  applyService,
  executeSql,
  follow,
  makeReadOnly,
  makeWritable,
  type Procedure,
  type ReplicationWork,
  reachedBy,
  statusOn,
} from './steps.ts'

/** The server that is written to. */
export function* applyPrimary(one: ReplicationWork): Procedure<void> {
  const { spec } = one
  const others = yield* runningServers(one)
  // With half of the data of another one it could not even start.
  if (one.state.seeding) yield* seed(spec, mostAdvanced(spec.me, others).host)
  const before = yield* statusOn()
  if (before?.writable === true && before.source === undefined && !isFreshReplacement(one, before, others)) {
    if (before.followers.length === 0) yield* requireAllReachable(one, others, before)
    // Whatever made another one writable: what it took since is not ours, and is looked at when it is to follow.
    for (const { host, status } of others) if (status.writable) yield* makeReadOnly(spec, host)
    yield* applyService(one)
    if ((yield* statusOn())?.writable === false) yield* makeWritable()
  } else {
    if (before?.writable === true) yield* makeReadOnly(spec)
    yield* applyService(one)
    yield* promote(one, others)
  }
  yield* grantReplicas(spec)
}

/** A fresh host of the name of an old primary, whatever opened it and whatever is in it: what the others have is what counts. */
const isFreshReplacement = (one: ReplicationWork, { position }: ServerStatus, others: readonly OtherServer[]): boolean =>
  position === '' && others.some(({ host, status }) => status.position !== '' && couldHaveRows(reachedBy(one), host))

/** Nobody followed this one yet: a server that cannot be asked may take writes as well, such as in a cluster that it leaves only now. */
function* requireAllReachable(one: ReplicationWork, others: readonly OtherServer[], status: ServerStatus): Procedure<void> {
  yield* unreachableServers(one, others, status, undefined)
}

/** How the other servers stand that run. */
function* runningServers({ spec, members }: ReplicationWork): Procedure<readonly OtherServer[]> {
  const found: OtherServer[] = []
  for (const { host } of spec.servers.filter(({ host }) => host !== spec.me && members?.().has(host) === true)) {
    const status = yield* statusOn(host)
    if (status !== undefined) found.push({ host, status })
  }
  return found
}

/**
 * Becomes the primary: all others are closed, this one comes to have everything that they have, and only then it is opened. Whoever
 * cannot be asked could have more; that may be lost only where it was said so.
 */
function* promote(one: ReplicationWork, others: readonly OtherServer[]): Procedure<void> {
  const { spec } = one
  const status = yield* statusOn()
  if (status === undefined) throw new HostRefusal('the server does not answer', 'it runs', `see journalctl -u ${spec.service.unit}`)
  const unknownSource = followsUnknownServer(spec, [{ host: spec.me, status }, ...others])
  if (unknownSource !== undefined) throw unknownSource
  const writer = others.find((other) => other.status.writable)
  const missing = yield* unreachableServers(one, others, status, writer)
  if (writer !== undefined) yield* catchUpWhileWriting(one, status, writer, missing)
  const since = performance.now()
  try {
    const readOnly = yield* makeAllReadOnly(one, others, missing)
    if (writer !== undefined && !readOnly.some(({ host }) => host === writer.host)) throw writerUnavailable(spec.me, writer.host)
    yield* catchUp(one, (yield* statusOn()) ?? status, readOnly, { missing, seconds: writer === undefined ? undefined : READ_ONLY_S })
    yield* executeSql('STOP SLAVE; RESET SLAVE ALL;', `${spec.me} goes on following another`, { doing: 'following nobody any more' })
    // The others are looked at a last time, when nothing that follows them can tell them that all is as it was.
    for (const { host } of readOnly) if ((yield* statusOn(host))?.writable !== false) throw writableAgain(spec.me, host)
    for (const host of missing) yield* requireUnreachable(spec, host, readOnly, 2)
    yield* makeWritable()
  } catch (error) {
    // Where a host was lost on the way nobody knows what it did last: the next run looks.
    if (writer !== undefined && !(error instanceof Problem)) yield* restoreWriter(one, writer.host)
    throw error
  }
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  if (writer !== undefined) yield { do: 'notice', what: `${spec.me} is the primary now; no server took writes for ${seconds} s` }
  else if (missing.length > 0)
    yield { do: 'notice', warn: true, what: dataLossWarning(spec.me, missing, (yield* statusOn())?.position ?? '') }
}

/** How long nobody may take writes for a server that was near, in seconds. */
const READ_ONLY_S = 60

const dataLossWarning = (me: string, missing: readonly string[], position: string): string =>
  `${me} is the primary now, from transaction ${position} on; what only ${missing.join(', ')} had is lost, unless it comes back and is saved there`

/** Servers that could have rows which this one has not, and cannot be asked; refused where that was not allowed. */
function* unreachableServers(
  one: ReplicationWork,
  others: readonly OtherServer[],
  status: ServerStatus,
  writer: OtherServer | undefined,
): Procedure<readonly string[]> {
  const { spec, allowDataLoss } = one
  // Whoever follows the one that is written to has all that any other follower can have, once it has come to its end.
  if (writer !== undefined && status.source?.address === addressOf(spec, writer.host)) return []
  const members = reachedBy(one)
  const notRunning = spec.servers.map(({ host }) => host).filter((host) => host !== spec.me && !others.some((other) => other.host === host))
  const missing = notRunning.filter((host) => couldHaveRows(members, host))
  const unreachable: string[] = []
  for (const host of missing) if (!members.has(host) || !(yield* canStart(spec, host))) unreachable.push(host)
  const forbidden = unreachable.filter((host) => allowDataLoss?.has(host) !== true)
  if (forbidden.length > 0) throw dataLossNotAllowed(spec, status, forbidden)
  for (const host of unreachable) yield* requireUnreachable(spec, host, others, 0)
  return unreachable
}

/** A server that was only stopped. */
function* canStart({ service }: ReplicationSpec, host: string): Procedure<boolean> {
  const script = sh`systemctl start ${service.unit}`
  return (yield { do: 'shell', on: host, doing: `starting the server of ${host}, to ask it`, script }).code === 0
}

const dataLossNotAllowed = ({ me }: ReplicationSpec, { position, source }: ServerStatus, missing: readonly string[]): HostRefusal => {
  const names = missing.join(', ')
  const flags = missing.map((host) => `--allow-data-loss ${host}`).join(' ')
  return new HostRefusal(
    `${me} is not made the primary while ${names} cannot be asked`,
    `it could have rows that ${me} has not; ${me} has everything up to transaction ${source?.received || position || 'nothing'}`,
    `bring ${names} back and run again; or, where what only it has may be lost: provision run ${flags}`,
  )
}

/** Nobody takes writes any more. A server that was silent and was started for this is asked as well. */
function* makeAllReadOnly(
  { spec, members }: ReplicationWork,
  others: readonly OtherServer[],
  missing: readonly string[],
): Procedure<readonly OtherServer[]> {
  const asked = spec.servers
    .map(({ host }) => host)
    .filter((host) => host !== spec.me && members?.().has(host) === true && !missing.includes(host))
  const readOnly: OtherServer[] = []
  const writable = (host: string): boolean => others.some((other) => other.host === host && other.status.writable)
  for (const host of asked.toSorted((a, b) => Number(writable(b)) - Number(writable(a)))) {
    const runs = others.some((other) => other.host === host) || (yield* statusOn(host)) !== undefined
    const status = runs ? yield* makeReadOnly(spec, host) : undefined
    if (status !== undefined) readOnly.push({ host, status })
  }
  return readOnly
}

const writableAgain = (me: string, host: string): HostRefusal =>
  new HostRefusal(`${me} is not made the primary`, `${host} was closed, and does not say that it still is`, 'run again')

/** As it was before: the one that took writes takes them again, and this one follows it. */
function* restoreWriter(one: ReplicationWork, writer: string): Procedure<void> {
  const { spec } = one
  try {
    const own = yield* statusOn()
    // Not where one is open by now, this one or another: two would be written to.
    if (own?.writable === true || (yield* runningServers(one)).some(({ host, status }) => host !== writer && status.writable)) return
    yield* makeWritable(writer)
    if (own !== undefined && own.source?.address !== addressOf(spec, writer)) yield* follow(spec, writer, false)
  } catch (error) {
    // What is told in the end is what went wrong first.
    const why = error instanceof Error ? error.message : String(error)
    yield { do: 'notice', warn: true, what: `${writer} could not be given back its writes, and takes none until the next run: ${why}` }
  }
}

/** Exactly the servers of the inventory may follow it. */
function* grantReplicas(spec: ReplicationSpec): Procedure<void> {
  const status = yield* statusOn()
  if (status === undefined || grantsExactlyReplicas(spec, status)) return
  const wanted = spec.servers.map(followerOf)
  const gone = status.followers.filter(({ user }) => !wanted.some((one) => one.user === user))
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
  yield* executeSql(sql.join('\n'), 'the accounts of the replicas cannot be made', { doing: 'letting its replicas in' })
}
