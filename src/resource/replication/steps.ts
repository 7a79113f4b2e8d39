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

/** Steps that find something out. */
export type Procedure<T> = Generator<Step, T, Answer>

/** The servers that were reached, and what they last said. */
export const reachedBy = ({ members }: ReplicationWork): Members => membersOf(members ?? (() => new Map()))

/** Its service, by the service kind's own steps. */
export const applyService = ({ spec, state, change }: ReplicationWork): Procedure<void> =>
  applyServices([{ id: spec.service.unit, spec: spec.service, state: state.service, change }])

/** Where a step is done: on the host of the resource itself, where no other is named. */
const onHost = (host: string | undefined) => (host === undefined ? {} : { on: host })

/** How a server stands; undefined where it does not run. */
export function* statusOn(host?: string, afterSeconds = 0): Procedure<ServerStatus | undefined> {
  const script = sh`${afterSeconds === 0 ? sh`` : sh`sleep ${afterSeconds}; `}${STATUS_SCRIPT}`
  const rows = readRows((yield { do: 'shell', script, ...onHost(host) }).stdout)
  return rows === undefined ? undefined : readStatus(rows)
}

/** Tells a server something, as its root. What it refuses ends the change, in these words. */
export function* executeSql(sql: string, refused: string, { host, doing }: { host?: string; doing?: string } = {}): Procedure<string> {
  const step = { do: 'shell', ...onHost(host), ...(doing !== undefined && { doing }), script: executeScript(sql) } as const
  return requireSuccess(yield step, refused)
    .stdout.toString()
    .trim()
}

/** How long a server may take to come to a point that another one has reached, in seconds. */
const CATCH_UP_S = 300

/** Waits until what a server does for another comes to a position; whether it did. */
export function* reachesPosition(position: string, host?: string, seconds = CATCH_UP_S): Procedure<boolean> {
  if (position === '') return true
  const script = sh`${MARIADB} -e ${`SELECT MASTER_GTID_WAIT(${sqlText(position)}, 5)`}`
  for (let i = 0; i < seconds / 5; i++) {
    const answer = yield { do: 'shell', ...onHost(host), doing: 'waiting until it has everything', script }
    if (answer.code !== 0) return false
    if (answer.stdout.toString().trim() === '0') return true
    // Who stopped for an error waits for nothing.
    if ((yield* statusOn(host))?.source?.applies !== true) return false
  }
  return false
}

/**
 * Takes no writes any more, and is not opened by anything on its own host. Transactions under way may end; one that holds a table for
 * longer is not waited for.
 * @returns how it stands then; undefined where it does not run and cannot be started
 */
export function* makeReadOnly({ opener, service }: ReplicationSpec, host?: string): Procedure<ServerStatus | undefined> {
  // The opener last: each start of the server starts it as well.
  const script = sh`systemctl is-active -q ${service.unit} || systemctl start ${service.unit} || exit 9
systemctl stop ${opener} 2>/dev/null
[ "$(${MARIADB} -e 'SELECT @@read_only')" != 1 ] || exit 0
${executeScript('SET GLOBAL read_only = ON;')}`
  const answer = yield {
    do: 'shell',
    ...onHost(host),
    doing: host === undefined ? 'taking no more writes' : `${host} takes no more writes`,
    script,
  }
  if (answer.code === 9) return undefined
  requireSuccess(
    answer,
    `${host ?? 'the server'} goes on taking writes`,
    'a transaction may hold a table for longer than 10 s: see SHOW PROCESSLIST there',
  )
  return yield* statusOn(host)
}

/** Opens a server to writes. */
export const makeWritable = (host?: string): Procedure<string> =>
  executeSql('SET GLOBAL read_only = OFF;', `${host ?? 'the server'} cannot be opened to writes`, {
    ...(host !== undefined && { host }),
    doing: host === undefined ? 'taking writes' : `${host} takes writes`,
  })

/**
 * Follows a server from where its own data end, over TLS, each side knowing the other by the authority of both.
 * @param fresh - it has no data that count: it begins at the very beginning
 * @returns undefined when it goes well; else what it said
 */
export function* follow(spec: ReplicationSpec, host: string, fresh: boolean): Procedure<string | undefined> {
  const me = spec.servers.find((one) => one.host === spec.me)
  const begin = fresh ? "RESET MASTER; SET GLOBAL gtid_slave_pos = '';" : 'SET GLOBAL gtid_slave_pos = @@gtid_current_pos;'
  yield* executeSql(
    `STOP SLAVE; ${begin}
CHANGE MASTER TO MASTER_HOST = ${sqlText(addressOf(spec, host))}, MASTER_PORT = 3306, MASTER_USER = ${sqlText(me === undefined ? '' : followerOf(me).user)},
 MASTER_PASSWORD = '', MASTER_CONNECT_RETRY = 5, MASTER_USE_GTID = slave_pos, MASTER_SSL = 1, MASTER_SSL_CA = ${sqlText(spec.trusted)},
 MASTER_SSL_CERT = ${sqlText(spec.pair)}, MASTER_SSL_KEY = ${sqlText(`${spec.pair}.key`)}, MASTER_SSL_VERIFY_SERVER_CERT = 0;
START SLAVE;`,
    `the server cannot follow ${host}`,
    { doing: `following ${host}` },
  )
  return yield* replicationFailure()
}

/** Whether it goes on well: twice in a row, for what the other one refuses comes a moment after it let it in. */
function* replicationFailure(): Procedure<string | undefined> {
  for (let i = 0, well = 0; i < 40; i++) {
    const { source } = (yield* statusOn(undefined, 0.5)) ?? {}
    if (source === undefined) return 'it follows nobody'
    if (source.receives === 'no' || !source.applies) return source.error ?? 'it stopped, and does not say why'
    well = source.receives === 'yes' ? well + 1 : 0
    if (well === 3) return undefined
    if (i === 39) return source.error ?? 'it does not get in'
  }
  return undefined
}

/** Whoever was to be asked first has not come to what it shall be. */
export const primaryNotReady = (me: string, primary: string, why: string): HostRefusal =>
  new HostRefusal(`${me} cannot follow ${primary}`, why, `see what is wrong with ${primary}`)
