import { expect } from 'vitest'
import { Problem } from '../../../../src/problem.ts'
import { type Answer, HostRefusal, type ShellStep, type Step } from '../../../../src/resource/kind/step.ts'
import type { ReplicationState } from '../../../../src/resource/replication/observe.ts'
import { followerOf } from '../../../../src/resource/replication/plan.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { service } from '../../../../src/resource/service/service.ts'

export const servers = ['one', 'two', 'three'].map((host, i) => ({ host, address: `10.0.0.${i + 1}`, certificate: `${host}.internal` }))
const spec = (me: string, primary: string) =>
  replication({
    ...{ name: 'database', me, primary, servers, pair: '/p', trusted: '/t', seedPort: 4444, opener: 'opener.service' },
    service: service({ unit: 'mariadb.service' }),
  }).spec

/** A database server: whether it accepts writes, its position, and the address that it replicates from. */
export interface Server {
  writable: boolean
  position: string
  follows?: string | undefined
  /** It has no accounts of replicas yet. */
  alone?: boolean
  /** It has no databases. */
  bare?: boolean
  /** A copy of all data was interrupted. */
  seeding?: boolean
  /** It does not run; `starts`: until somebody starts it. */
  stopped?: 'starts' | 'broken'
  /** Error of its replication, which has ended. */
  error?: string
  /** It does not reach its source. */
  connects?: boolean
  /** Its state after its service was applied. */
  restarts?: 'read-only' | 'writable'
  /** Position of received transactions, if it has not applied them all. */
  received?: string
  /** Statements that it refuses. */
  refuses?: string
}

export interface Circumstances {
  readonly me?: string
  readonly primary?: string
  readonly reached?: readonly string[]
  readonly allowDataLoss?: readonly string[]
  /** The hosts and addresses that still get an answer from a lost server. */
  readonly answers?: readonly string[]
  /** A replica gets no more transactions: never, none after the first wait, or none after all servers are read-only. */
  readonly stuck?: 'always' | 'later' | 'closed'
  readonly opensAgain?: string
  /** The replication position that a read-only server prints. */
  readonly babbles?: string
  /** A server that stops for good after this event. */
  readonly falls?: { readonly host: string; readonly after: string }
  /** The connection is lost at the step with this text. */
  readonly lostAt?: string
  readonly databases?: Readonly<Record<string, readonly string[]>>
  readonly primaries?: Readonly<Record<string, string>>
}

const LOST = new Problem({ class: 'unreachable', where: { host: 'two' }, what: 'is lost', fix: 'run again' })

/** The status of a server in the words of its client. */
const statusOf = (server: Server): string => {
  const { writable, position, follows, alone, error, received, connects } = server
  if (server.stopped !== undefined) return 'down\n'
  return [
    'h\twritable\tposition',
    `self\t${writable ? 0 : 1}\t${position}`,
    ...(alone === true ? [] : servers).map((one) => Object.values({ h: 'follower', ...followerOf(one) }).join('\t')),
    ...(follows === undefined
      ? []
      : [
          'Slave_IO_State\tMaster_Host\tSlave_IO_Running\tSlave_SQL_Running\tLast_IO_Error\tLast_SQL_Error\tUsing_Gtid\tMaster_SSL_Verify_Server_Cert\tGtid_IO_Pos',
          `\t${follows}\t${error !== undefined ? 'No\tNo' : connects === false ? 'Connecting\tYes' : 'Yes\tYes'}\t\t${error ?? ''}\tSlave_Pos\tYes\t${received ?? position}`,
        ]),
    'end',
    'end\n',
  ].join('\n')
}

const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })
const failed: Answer = { code: 1, stdout: Buffer.from(''), stderr: 'refused' }
const hostOf = (address: string): string => servers.find((one) => one.address === address)?.host ?? address

/** Simulates the servers that execute the steps of `me`. Returns what happens, in order; `all` has the servers afterwards. */
export const simulate = (
  all: Record<string, Server>,
  {
    me = 'two',
    primary = 'two',
    reached = Object.keys(all),
    allowDataLoss = [],
    answers = [],
    stuck,
    opensAgain,
    babbles,
    falls,
    lostAt,
    databases = {},
    primaries = {},
  }: Circumstances = {},
): readonly string[] => {
  const events: string[] = []

  const waitFor = (host: string, server: Server, position: string): Answer => {
    const reopened = all[opensAgain ?? '']
    const isClosed = !Object.values(all).some(({ writable }) => writable)
    const isLater = stuck === 'later' && events.some((event) => event.startsWith(`${host} waits`))
    const stays = stuck === 'always' || isLater || (stuck === 'closed' && isClosed)
    if (reopened !== undefined && isClosed) reopened.writable = true
    events.push(`${host} waits for ${position}`)
    if (!stays) Object.assign(server, { position, received: undefined })
    return ok(stays ? '-1\n' : '0\n')
  }

  const setWritable = (host: string, server: Server, writable: boolean): Answer => {
    server.writable = writable
    events.push(`${host} ${writable ? 'opens' : 'closes'}`)
    if (!writable && host === 'one') server.position = babbles ?? server.position.replace(/\d+$/, (number) => String(Number(number) + 1))
    if (writable) expect(Object.values(all).filter((one) => one.writable).length).toBeLessThan(2)
    return ok()
  }

  /** The parts of a copy of all data. */
  const copy = (host: string, server: Server, { doing = '', script }: ShellStep): Answer | undefined => {
    const from = /^deleting old data to receive that of (.*)$/.exec(doing)?.[1]
    if (from !== undefined) events.push(`${host} copies ${from}`)
    if (/^(deleting|sending|receiving)/.test(doing)) return ok()
    if (doing === 'preparing the copy') return ok('provision-position 0-1-9\n')
    if (String(script).includes('df -kP')) return ok('1000000\n')
    if (String(script).includes('du -sk')) return ok('1\n')
    if (!String(script).includes('gtid_binlog_state')) return undefined
    Object.assign(server, { position: '0-1-9', bare: false, seeding: false, error: undefined })
    return ok()
  }

  const answer = (step: Step): Answer => {
    if (step.do === 'notice') {
      events.push(`${step.warn === true ? 'warning' : 'notice'}: ${step.what}`)
      return ok()
    }
    if (step.do !== 'shell') throw new Error(`unexpected step: ${step.do}`)
    const host = step.on ?? me
    const server = all[host]
    const fallen = all[falls?.host ?? '']
    if (fallen !== undefined && events.includes(falls?.after ?? '')) fallen.stopped = 'broken'
    const script = String(step.script)
    if (script.includes('/dev/tcp/')) {
      events.push(`${host} connects after ${/sleep (\d+)/.exec(script)?.[1]} s`)
      return { ...ok(), code: answers.some((one) => `${host} ${script}`.includes(one)) ? 1 : 0 }
    }
    if (server === undefined) throw new Error(`unexpected request to ${host}`)
    const copied = copy(host, server, step)
    if (copied !== undefined) return copied
    if (server.refuses !== undefined && script.includes(server.refuses)) return failed
    if (script === 'systemctl start mariadb.service') {
      events.push(`${host} starts`)
      if (server.stopped === 'starts') delete server.stopped
      return server.stopped === undefined ? ok() : failed
    }
    if (script.includes('MASTER_GTID_WAIT'))
      return waitFor(host, server, /MASTER_GTID_WAIT\(\S*?'([\d-]+)'/.exec(script.replaceAll("'\\''", "'"))?.[1] ?? server.position)
    const word = /read_only = (ON|OFF)/.exec(script)?.[1]
    if (word !== undefined && server.stopped !== undefined) return { ...ok(), code: 9 }
    if (word !== undefined) return setWritable(host, server, word === 'OFF')
    if (script.includes('STOP SLAVE IO_THREAD')) events.push(`${host} receives no more`)
    if (script.includes('RESET SLAVE ALL')) delete server.follows
    if (script.includes('CHANGE MASTER TO')) {
      server.follows = /MASTER_HOST = '([^']*)'/.exec(script)?.[1] ?? ''
      events.push(`${host} follows ${hostOf(server.follows)}${script.includes('RESET MASTER') ? ' from the beginning' : ''}`)
    }
    if (script.includes('SHOW SLAVE STATUS')) return ok(statusOf(server))
    if (step.doing === 'changing mariadb.service' && server.restarts !== undefined) server.writable = server.restarts === 'writable'
    return ok('provision-done mariadb.service\n')
  }

  const state = (host: string): ReplicationState => ({
    service: {} as ReplicationState['service'],
    ...{ primary: primaries[host] ?? primary, status: undefined, databases: ['shop'], seeding: all[host]?.seeding === true },
    ...((all[host] === undefined || all[host].bare === true) && { databases: [] }),
    ...(databases[host] !== undefined && { databases: databases[host] }),
    ...(all[host]?.writable === true && {
      status: { writable: true, position: all[host].position, source: undefined, followers: servers.map((one) => followerOf(one)) },
    }),
  })
  const steps = replication.kind.apply([
    {
      id: 'database',
      spec: spec(me, primary),
      state: state(me),
      change: { action: 'update', certainty: 'dependent', reason: '', differences: [] },
      members: () => new Map(reached.map((host) => [host, state(host)])),
      allowDataLoss: new Set(allowDataLoss),
    },
  ])
  try {
    for (let next = steps.next(); next.done !== true; ) {
      const isLost = lostAt !== undefined && next.value.do === 'shell' && String(next.value.script).includes(lostAt)
      next = isLost ? steps.throw(LOST) : steps.next(answer(next.value))
    }
  } catch (error) {
    events.push(error instanceof HostRefusal ? `refused: ${error.what}` : `failed: ${(error as Error).message}`)
  }
  return events
}
