import { sh } from '../../shell/sh.ts'
import { executeScript, MARIADB, readRows } from '../database/client.ts'
import { sqlText } from '../database/mariadb.ts'
import type { Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, requireSuccess, type Step } from '../kind/step.ts'
import { applyServices } from '../service/apply.ts'
import { type ReplicationState, readStatus, type ServerStatus, STATUS_SCRIPT } from './observe.ts'
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
export function* statusOn(host?: string, afterSeconds = 0): Procedure<ServerStatus | undefined> {
  const script = sh`${afterSeconds === 0 ? sh`` : sh`sleep ${afterSeconds}; `}${STATUS_SCRIPT}`
  const rows = readRows((yield { do: 'shell', script, ...onHost(host) }).stdout)
  return rows === undefined ? undefined : readStatus(rows)
}

/** Executes SQL as root of the server. Throws `HostRefusal` with `refused` if it fails. */
export function* executeSql(sql: string, refused: string, { host, doing }: { host?: string; doing?: string } = {}): Procedure<string> {
  const step = { do: 'shell', ...onHost(host), ...(doing !== undefined && { doing }), script: executeScript(sql) } as const
  return requireSuccess(yield step, refused)
    .stdout.toString()
    .trim()
}

/** Limit for a server to reach the position of another one, in seconds. */
const CATCH_UP_S = 300

/** Waits until a replica reaches a position. Returns whether it did. */
export function* reachesPosition(position: string, host?: string, seconds = CATCH_UP_S): Procedure<boolean> {
  if (position === '') return true
  const script = sh`${MARIADB} -e ${`SELECT MASTER_GTID_WAIT(${sqlText(position)}, 5)`}`
  for (let i = 0; i < seconds / 5; i++) {
    const answer = yield { do: 'shell', ...onHost(host), doing: 'waiting for replication to catch up', script }
    if (answer.code !== 0) return false
    if (answer.stdout.toString().trim() === '0') return true
    // A replica that stopped with an error does not progress.
    if ((yield* statusOn(host))?.source?.applies !== true) return false
  }
  return false
}

/**
 * Makes a server read-only and stops its opener. Running transactions may finish, within the lock limit.
 * @returns its status; undefined if it does not run and cannot be started
 */
export function* makeReadOnly({ opener, service }: ReplicationSpec, host?: string): Procedure<ServerStatus | undefined> {
  // The opener is stopped last, because every start of the server starts it.
  const script = sh`systemctl is-active -q ${service.unit} || systemctl start ${service.unit} || exit 9
systemctl stop ${opener} 2>/dev/null
[ "$(${MARIADB} -e 'SELECT @@read_only')" != 1 ] || exit 0
${executeScript('SET GLOBAL read_only = ON;')}`
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
    "run there: sudo mariadb -e 'SHOW PROCESSLIST'; a transaction may hold a table for longer than 10 s",
  )
  return yield* statusOn(host)
}

/** Makes a server writable. */
export const makeWritable = (host?: string): Procedure<string> =>
  executeSql('SET GLOBAL read_only = OFF;', `${host ?? 'server'} not made writable`, {
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
  const begin = fresh ? "RESET MASTER; SET GLOBAL gtid_slave_pos = '';" : 'SET GLOBAL gtid_slave_pos = @@gtid_current_pos;'
  yield* executeSql(
    `STOP SLAVE; ${begin}
CHANGE MASTER TO MASTER_HOST = ${sqlText(addressOf(spec, host))}, MASTER_PORT = 3306, MASTER_USER = ${sqlText(me === undefined ? '' : followerOf(me).user)},
 MASTER_PASSWORD = '', MASTER_CONNECT_RETRY = 5, MASTER_USE_GTID = slave_pos, MASTER_SSL = 1, MASTER_SSL_CA = ${sqlText(spec.trusted)},
 MASTER_SSL_CERT = ${sqlText(spec.pair)}, MASTER_SSL_KEY = ${sqlText(`${spec.pair}.key`)}, MASTER_SSL_VERIFY_SERVER_CERT = 1;
START SLAVE;`,
    `replication from ${host} not started`,
    { doing: `starting replication from ${host}` },
  )
  return yield* replicationFailure()
}

/** Returns why replication fails, or undefined. It must succeed several times in a row, because the source refuses shortly after the login. */
function* replicationFailure(): Procedure<string | undefined> {
  for (let i = 0, well = 0; i < 40; i++) {
    const { source } = (yield* statusOn(undefined, 0.5)) ?? {}
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
