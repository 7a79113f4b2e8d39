import { Problem } from '../../problem.ts'
import { sh } from '../../shell/sh.ts'
import { sqlText } from '../database/mariadb.ts'
import { HostRefusal } from '../kind/step.ts'
import { followsUnknownServer, type OtherServer, requireUnreachable } from './away.ts'
import { catchUp, catchUpWhileWriting, mostAdvanced, writerUnavailable } from './catch-up.ts'
import { REPLICATION_SQL } from './dialect.ts'
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

/** Applies the primary. */
export function* applyPrimary(one: ReplicationWork): Procedure<void> {
  const { spec } = one
  const others = yield* runningServers(one)
  // A server with an incomplete copy does not start.
  if (one.state.seeding) yield* seed(spec, undefined, mostAdvanced(spec.me, others).host)
  const before = yield* statusOn(spec)
  if (before?.writable === true && before.source === undefined && !isFreshReplacement(one, before, others)) {
    if (before.followers.length === 0) yield* requireAllReachable(one, others, before)
    // Rows that another writable server took meanwhile are checked when it becomes a replica.
    for (const { host, status } of others) if (status.writable) yield* makeReadOnly(spec, host)
    yield* applyService(one)
    if ((yield* statusOn(spec))?.writable === false) yield* makeWritable(spec)
  } else {
    if (before?.writable === true) yield* makeReadOnly(spec)
    yield* applyService(one)
    yield* promote(one, others)
  }
  yield* grantReplicas(spec)
}

/** Whether this is a fresh host with the name of an old primary, so that the data of the others counts. */
const isFreshReplacement = (one: ReplicationWork, { position }: ServerStatus, others: readonly OtherServer[]): boolean =>
  position === '' && others.some(({ host, status }) => status.position !== '' && couldHaveRows(reachedBy(one), host))

/** Requires all servers to be reachable if this one never had replicas: an unreached one may accept writes too, for example in a cluster. */
function* requireAllReachable(one: ReplicationWork, others: readonly OtherServer[], status: ServerStatus): Procedure<void> {
  yield* unreachableServers(one, others, status, undefined)
}

/** Status of the other running servers. */
function* runningServers({ spec, members }: ReplicationWork): Procedure<readonly OtherServer[]> {
  const found: OtherServer[] = []
  for (const { host } of spec.servers.filter(({ host }) => host !== spec.me && members?.().has(host) === true)) {
    const status = yield* statusOn(spec, host)
    if (status !== undefined) found.push({ host, status })
  }
  return found
}

/**
 * Promotes this server: all others become read-only, this one catches up with them, and then becomes writable. An unreached server may have
 * further rows, which are discarded only with `--allow-data-loss`.
 */
function* promote(one: ReplicationWork, others: readonly OtherServer[]): Procedure<void> {
  const { spec } = one
  const status = yield* statusOn(spec)
  if (status === undefined)
    throw new HostRefusal('database server does not answer', 'its service runs', `run on the host: journalctl -u ${spec.service.unit}`)
  const unknownSource = followsUnknownServer(spec, [{ host: spec.me, status }, ...others])
  if (unknownSource !== undefined) throw unknownSource
  const writer = others.find((other) => other.status.writable)
  const missing = yield* unreachableServers(one, others, status, writer)
  if (writer !== undefined) yield* catchUpWhileWriting(one, status, writer, missing)
  const since = performance.now()
  try {
    const readOnly = yield* makeAllReadOnly(one, others, missing)
    if (writer !== undefined && !readOnly.some(({ host }) => host === writer.host)) throw writerUnavailable(spec.me, writer.host)
    yield* catchUp(one, (yield* statusOn(spec)) ?? status, readOnly, { missing, seconds: writer === undefined ? undefined : READ_ONLY_S })
    yield* executeSql(spec, REPLICATION_SQL[spec.flavour].end, `replication not stopped on ${spec.me}`, { doing: 'stopping replication' })
    // Check once more that the others are still read-only, now that no replica of theirs remains.
    for (const { host } of readOnly) if ((yield* statusOn(spec, host))?.writable !== false) throw writableAgain(spec.me, host)
    for (const host of missing) yield* requireUnreachable(spec, host, readOnly, 2)
    yield* makeWritable(spec)
  } catch (error) {
    // If the connection to a host was lost, its last step is unknown; the next run checks.
    if (writer !== undefined && !(error instanceof Problem)) yield* restoreWriter(one, writer.host)
    throw error
  }
  const seconds = ((performance.now() - since) / 1000).toFixed(1)
  if (writer !== undefined) yield { do: 'notice', what: `${spec.me} promoted to primary; writes were unavailable for ${seconds} s` }
  else if (missing.length > 0)
    yield { do: 'notice', warn: true, what: dataLossWarning(spec.me, missing, (yield* statusOn(spec))?.position ?? '') }
}

/** Limit of the time without writes during a promotion, in seconds. */
const READ_ONLY_S = 60

const dataLossWarning = (me: string, missing: readonly string[], position: string): string =>
  `${me} promoted to primary from transaction ${position} on; rows that only ${missing.join(', ')} has are lost, unless you save them from it`

/** Unreachable servers that may have rows that this one lacks. Refuses unless `--allow-data-loss` names them. */
function* unreachableServers(
  one: ReplicationWork,
  others: readonly OtherServer[],
  status: ServerStatus,
  writer: OtherServer | undefined,
): Procedure<readonly string[]> {
  const { spec, allowDataLoss } = one
  // A replica of the current primary has everything once it has caught up.
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

/** Starts a stopped server; whether it runs then. */
function* canStart({ service }: ReplicationSpec, host: string): Procedure<boolean> {
  const script = sh`systemctl start ${service.unit}`
  return (yield { do: 'shell', on: host, doing: `starting the server of ${host} to query it`, script }).code === 0
}

const dataLossNotAllowed = ({ me }: ReplicationSpec, { position, source }: ServerStatus, missing: readonly string[]): HostRefusal => {
  const names = missing.join(', ')
  const flags = missing.map((host) => `--allow-data-loss ${host}`).join(' ')
  return new HostRefusal(
    `${me} not promoted while ${names} cannot be reached`,
    `it may have rows that ${me} lacks; ${me} has everything up to transaction ${source?.received || position || 'nothing'}`,
    `start ${names} and run again; or discard the rows that only it has: provision run ${flags}`,
  )
}

/** Makes all other servers read-only, including those that were started for this. */
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
    const runs = others.some((other) => other.host === host) || (yield* statusOn(spec, host)) !== undefined
    const status = runs ? yield* makeReadOnly(spec, host) : undefined
    if (status !== undefined) readOnly.push({ host, status })
  }
  return readOnly
}

const writableAgain = (me: string, host: string): HostRefusal =>
  new HostRefusal(`${me} not promoted`, `${host} was made read-only, but does not report it any more`, 'run again')

/** Restores the previous state: the old primary accepts writes again, and this one replicates from it. */
function* restoreWriter(one: ReplicationWork, writer: string): Procedure<void> {
  const { spec } = one
  try {
    const own = yield* statusOn(spec)
    // Skipped if a server became writable meanwhile: two servers would accept writes.
    if (own?.writable === true || (yield* runningServers(one)).some(({ host, status }) => host !== writer && status.writable)) return
    yield* makeWritable(spec, writer)
    if (own !== undefined && own.source?.address !== addressOf(spec, writer)) yield* follow(spec, writer, false)
  } catch (error) {
    // The original error is reported at the end.
    const why = error instanceof Error ? error.message : String(error)
    yield { do: 'notice', warn: true, what: `${writer} could not be made writable again and stays read-only until the next run: ${why}` }
  }
}

/** Creates the accounts of the replicas, and drops others. */
function* grantReplicas(spec: ReplicationSpec): Procedure<void> {
  const status = yield* statusOn(spec)
  if (status === undefined || grantsExactlyReplicas(spec, status)) return
  const wanted = spec.servers.map((server) => followerOf(server, spec.flavour))
  const gone = status.followers.filter(({ user }) => !wanted.some((one) => one.user === user))
  const { drop, kills } = REPLICATION_SQL[spec.flavour]
  const account = (user: string): string => `${sqlText(user)}@'%'`
  const sql = [
    ...gone.map(({ user }) => drop(account(user))),
    ...wanted.map(
      ({ user, subject, privileges }) => `CREATE USER IF NOT EXISTS ${account(user)} REQUIRE SUBJECT ${sqlText(subject)};
ALTER USER ${account(user)} REQUIRE SUBJECT ${sqlText(subject)};
REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${account(user)};
GRANT ${privileges.replaceAll(',', ', ')} ON *.* TO ${account(user)};`,
    ),
  ]
  yield* executeSql(spec, sql.join('\n'), 'accounts of the replicas not created', { doing: 'creating the accounts of its replicas' })
  if (gone.length === 0 || kills === undefined) return
  const sessions = yield* executeSql(spec, kills, 'connections of former replicas not found')
  if (sessions !== '') yield* executeSql(spec, sessions, 'connections of former replicas not ended')
}
