import { sh } from '../../shell/sh.ts'
import { clientOf, executeScript, readRows } from '../database/client.ts'
import { DIALECTS } from '../database/flavour.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, requireSuccess, type Step } from '../kind/step.ts'
import { applyServices } from '../service/apply.ts'
import { REPLICATION_SQL } from './dialect.ts'
import { type ReplicationState, readStatus, type ServerStatus, statusScript } from './observe.ts'
import { addressOf, followerOf, type Members, membersOf } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'

export type ReplicationWork = Work<ReplicationSpec, ReplicationState>

/** Steps with a result. */
export type Procedure<T> = Generator<Step, T, Answer>

/** Latest states of the reached servers. */
export const reachedBy = ({ members }: ReplicationWork): Members => membersOf(members ?? (() => new Map()))

/** Applies its service, by steps of the service kind. */
export const applyService = ({ spec, state, change }: ReplicationWork): Procedure<void> =>
  applyServices([{ id: spec.service.unit, spec: spec.service, state: state.service, change }])

/** Runs a step on another host, if one is given. */
const onHost = (host: string | undefined) => (host === undefined ? {} : { on: host })

/** Status of a server; undefined if it does not run. */
export function* statusOn({ flavour }: ReplicationSpec, host?: string, afterSeconds = 0): Procedure<ServerStatus | undefined> {
  const script = sh`${afterSeconds === 0 ? sh`` : sh`sleep ${afterSeconds}; `}${statusScript(flavour)}`
  const rows = readRows((yield { do: 'shell', script, ...onHost(host) }).stdout, flavour)
  return rows === undefined ? undefined : readStatus(rows, flavour)
}

/** Executes SQL as root of the server. Throws `HostRefusal` with `refused` if it fails. */
export function* executeSql(
  { flavour }: ReplicationSpec,
  sql: string,
  refused: string,
  { host, doing }: { host?: string; doing?: string } = {},
): Procedure<string> {
  const step = { do: 'shell', ...onHost(host), ...(doing !== undefined && { doing }), script: executeScript(sql, flavour) } as const
  return requireSuccess(yield step, refused)
    .stdout.toString()
    .trim()
}

/** Limit for a server to reach the position of another one, in seconds. */
const CATCH_UP_S = 300

/** Waits until a replica reaches a position. Returns whether it did. */
export function* reachesPosition(spec: ReplicationSpec, position: string, host?: string, seconds = CATCH_UP_S): Procedure<boolean> {
  if (position === '') return true
  const script = sh`${clientOf(spec.flavour)} -e ${REPLICATION_SQL[spec.flavour].wait(position, 5)}`
  for (let i = 0; i < seconds / 5; i++) {
    const answer = yield { do: 'shell', ...onHost(host), doing: 'waiting for replication to catch up', script }
    if (answer.code !== 0) return false
    if (answer.stdout.toString().trim() === '0') return true
    // A replica that stopped with an error does not progress.
    if ((yield* statusOn(spec, host))?.source?.applies !== true) return false
  }
  return false
}

/**
 * Makes a server read-only and stops its opener. Running transactions may finish, within the lock limit.
 * @returns its status; undefined if it does not run and cannot be started
 */
export function* makeReadOnly(spec: ReplicationSpec, host?: string): Procedure<ServerStatus | undefined> {
  const { opener, service, flavour } = spec
  const { isReadOnly, readOnly } = REPLICATION_SQL[flavour]
  // The opener is stopped last, because every start of the server starts it.
  const script = sh`systemctl is-active -q ${service.unit} || systemctl start ${service.unit} || exit 9
systemctl stop ${opener} 2>/dev/null
[ "$(${clientOf(flavour)} -e ${isReadOnly})" != 1 ] || exit 0
${executeScript(readOnly, flavour)}`
  const answer = yield {
    do: 'shell',
    ...onHost(host),
    doing: host === undefined ? 'becoming read-only' : `making ${host} read-only`,
    script,
  }
  if (answer.code === 9) return undefined
  requireSuccess(
    answer,
    `${host ?? 'server'} still accepts writes`,
    `run there: sudo ${DIALECTS[flavour].client} -e 'SHOW PROCESSLIST'; a transaction may hold a table for longer than 10 s`,
  )
  return yield* statusOn(spec, host)
}

/** Makes a server writable. */
export const makeWritable = (spec: ReplicationSpec, host?: string): Procedure<string> =>
  executeSql(spec, REPLICATION_SQL[spec.flavour].writable, `${host ?? 'server'} not made writable`, {
    ...(host !== undefined && { host }),
    doing: host === undefined ? 'becoming writable' : `making ${host} writable`,
  })

/**
 * Starts replication from a server at the position of its own data, over mutual TLS.
 * @param fresh - ignore its own position and start at the beginning
 * @returns undefined on success, otherwise the error
 */
export function* follow(spec: ReplicationSpec, host: string, fresh: boolean): Procedure<string | undefined> {
  const me = spec.servers.find((one) => one.host === spec.me)
  const user = me === undefined ? '' : followerOf(me).user
  yield* executeSql(
    spec,
    REPLICATION_SQL[spec.flavour].follow({ address: addressOf(spec, host), user, trusted: spec.trusted, pair: spec.pair }, fresh),
    `replication from ${host} not started`,
    { doing: `starting replication from ${host}` },
  )
  return yield* replicationFailure(spec)
}

/** Returns why replication fails, or undefined. It must succeed several times in a row, because the source refuses shortly after the login. */
function* replicationFailure(spec: ReplicationSpec): Procedure<string | undefined> {
  for (let i = 0, well = 0; i < 40; i++) {
    const { source } = (yield* statusOn(spec, undefined, 0.5)) ?? {}
    if (source === undefined) return 'it has no source'
    if (source.receives === 'no' || !source.applies) return source.error ?? 'replication stopped without an error'
    well = source.receives === 'yes' ? well + 1 : 0
    if (well === 3) return undefined
    if (i === 39) return source.error ?? 'it does not connect to the source'
  }
  return undefined
}

/** Refuses a replica whose primary is not ready. */
export const primaryNotReady = (me: string, primary: string, why: string): HostRefusal =>
  new HostRefusal(`${me} not replicating from ${primary}`, why, `fix ${primary}, then run again`)
