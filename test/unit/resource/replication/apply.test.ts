import { describe, expect, it } from 'vitest'
import { Problem } from '../../../../src/problem.ts'
import { type Answer, HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import type { ReplicationState } from '../../../../src/resource/replication/observe.ts'
import { followerOf } from '../../../../src/resource/replication/plan.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { service } from '../../../../src/resource/service/service.ts'

const servers = ['one', 'two', 'three'].map((host, i) => ({ host, address: `10.0.0.${i + 1}`, certificate: `${host}.internal` }))
const spec = (me: string, primary: string) =>
  replication({
    ...{ name: 'database', me, primary, servers, pair: '/p', trusted: '/t', seedPort: 4444, opener: 'opener.service' },
    service: service({ unit: 'mariadb.service' }),
  }).spec

/** A server as a host would tell of it: whether it accepts writes, how far it goes, and whom it follows. */
interface Server {
  writable: boolean
  position: string
  follows?: string
  /** Nobody may follow it yet. */
  alone?: boolean
  /** It has no databases. */
  bare?: boolean
}

const LOST = new Problem({ class: 'unreachable', where: { host: 'two' }, what: 'is lost', fix: 'run again' })

const told = ({ writable, position, follows, alone }: Server): string =>
  [
    'h\twritable\tposition',
    `self\t${writable ? 0 : 1}\t${position}`,
    ...(alone === true ? [] : servers).map((one) => Object.values({ h: 'follower', ...followerOf(one) }).join('\t')),
    ...(follows === undefined
      ? []
      : [
          'Slave_IO_State\tMaster_Host\tSlave_IO_Running\tSlave_SQL_Running\tLast_IO_Error\tLast_SQL_Error\tUsing_Gtid\tGtid_IO_Pos',
          `\t${follows}\tYes\tYes\t\t\tSlave_Pos\t${position}`,
        ]),
    'end',
    'end\n',
  ].join('\n')

/**
 * Simulates hosts that follow the steps, and returns the steps of each host. A `stuck` replica gets no more transactions, or none after
 * all servers are read-only. `babbles` is the replication position that a read-only server prints.
 */
const carriedOut = (
  all: Record<string, Server>,
  {
    reached = Object.keys(all),
    allowDataLoss = [],
    answers = [],
    stuck,
    opensAgain,
    babbles,
    lostAt,
    databases = {},
    primaries = {},
  }: {
    reached?: string[]
    allowDataLoss?: string[]
    answers?: string[]
    stuck?: 'always' | 'closed'
    opensAgain?: string
    babbles?: string
    lostAt?: string
    databases?: Record<string, string[]>
    primaries?: Record<string, string>
  } = {},
) => {
  const said: string[] = []
  const answer = (step: Step): Answer => {
    if (step.do !== 'shell') return { code: 0, stdout: Buffer.from(''), stderr: '' }
    const host = step.on ?? 'two'
    const server = all[host]
    const script = String(step.script)
    const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })
    if (script.includes('/dev/tcp/')) return { ...ok(), code: answers.some((one) => `${host} ${script}`.includes(one)) ? 1 : 0 }
    if (server === undefined) throw new Error(`unexpected request to ${host}`)
    if (script.includes('MASTER_GTID_WAIT')) {
      const reopened = all[opensAgain ?? '']
      const isClosed = !Object.values(all).some(({ writable }) => writable)
      const stays = stuck === 'always' || (stuck === 'closed' && isClosed)
      if (reopened !== undefined && isClosed) reopened.writable = true
      if (!stays) server.position = /MASTER_GTID_WAIT\(\S*?'([\d-]+)'/.exec(script.replaceAll("'\\''", "'"))?.[1] ?? server.position
      return ok(stays ? '-1\n' : '0\n')
    }
    const word = /read_only = (ON|OFF)/.exec(script)?.[1]
    if (word !== undefined) {
      server.writable = word === 'OFF'
      said.push(`${host} ${word === 'ON' ? 'closes' : 'opens'}`)
      if (word === 'ON' && host === 'one')
        server.position = babbles ?? server.position.replace(/\d+$/, (number) => String(Number(number) + 1))
      if (word === 'OFF') expect(Object.values(all).filter(({ writable }) => writable).length).toBeLessThan(2)
      return ok()
    }
    if (script.includes('RESET SLAVE ALL')) delete server.follows
    if (script.includes('CHANGE MASTER TO')) server.follows = /MASTER_HOST = '([^']*)'/.exec(script)?.[1] ?? ''
    return ok(script.includes('SHOW SLAVE STATUS') ? told(server) : 'provision-done mariadb.service\n')
  }
  const state = (host: string): ReplicationState => ({
    service: {} as ReplicationState['service'],
    ...{ primary: primaries[host] ?? 'two', status: undefined, databases: ['shop'], seeding: false },
    ...((all[host] === undefined || all[host].bare === true) && { databases: [] }),
    ...(databases[host] !== undefined && { databases: databases[host] }),
  })
  const change = { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const
  const members = () => new Map(reached.map((host) => [host, state(host)]))
  const work = {
    id: 'database',
    spec: spec('two', 'two'),
    state: state('two'),
    change: change,
    members,
    allowDataLoss: new Set(allowDataLoss),
  }
  const steps = replication.kind.apply([work])
  try {
    for (let next = steps.next(); next.done !== true; ) {
      const isLost = lostAt !== undefined && next.value.do === 'shell' && String(next.value.script).includes(lostAt)
      next = isLost ? steps.throw(LOST) : steps.next(answer(next.value))
    }
  } catch (error) {
    said.push(error instanceof HostRefusal ? `refused: ${error.what}` : `failed: ${(error as Error).message}`)
  }
  return said
}

const one = (): Server => ({ writable: true, position: '0-1-9' })
const two = (): Server => ({ writable: false, position: '0-1-8', follows: '10.0.0.1' })
const three = (): Server => ({ writable: false, position: '0-1-9', follows: '10.0.0.1' })

describe('promoting a primary', () => {
  it('makes all others read-only, catches up, and becomes writable', () => {
    const all = { one: one(), two: two(), three: three() }
    expect(carriedOut(all)).toEqual(['one closes', 'three closes', 'two opens'])
    // What came while it was catching up as well.
    expect(all.two).toEqual({ writable: true, position: '0-1-10' })
  })

  it('makes no server read-only while it lags far behind', () => {
    const said = carriedOut({ one: one(), two: two() }, { reached: ['one', 'two'], stuck: 'always' })
    expect(said).toEqual(['refused: two not promoted: it lacks transactions of the others'])
  })

  it.each<[string, Parameters<typeof carriedOut>[1], string]>([
    ['if it cannot get all transactions', { stuck: 'closed' }, 'refused: two not promoted: it lacks transactions of the others'],
    ['if the replication position is unreadable', { babbles: 'a-b-c' }, 'refused: replication position of a server is not readable'],
  ])('gives the writes back %s', (_, more, why) => {
    const said = carriedOut({ one: one(), two: two() }, { reached: ['one', 'two'], ...more })
    expect(said).toEqual(['one closes', 'one opens', why])
  })

  it('restores nothing if the connection to a host was lost', () => {
    const said = carriedOut({ one: one(), two: two() }, { reached: ['one', 'two'], lostAt: 'RESET SLAVE ALL' })
    expect(said).toEqual(['one closes', 'failed: two: is lost'])
  })

  it('is refused while a server that may have more rows is not reached, without changes', () => {
    expect(carriedOut({ two: two(), three: three() })).toEqual(['refused: two not promoted while one cannot be reached'])
    expect(carriedOut({ two: two(), three: three() }, { allowDataLoss: ['three'] })).toEqual([
      'refused: two not promoted while one cannot be reached',
    ])
  })

  it('continues without it with --allow-data-loss, after catching up with another replica', () => {
    const all = { two: two(), three: three() }
    expect(carriedOut(all, { allowDataLoss: ['one'] })).toEqual(['three closes', 'two opens'])
    expect(all.two.position).toBe('0-1-9')
  })

  it('is refused while the lost server still answers others, even with --allow-data-loss', () => {
    expect(carriedOut({ two: two(), three: three() }, { allowDataLoss: ['one'], answers: ['10.0.0.1'] })).toEqual([
      'refused: two not promoted: the database server of one still answers',
    ])
  })

  it('needs no unreached server if it replicates from the primary', () => {
    expect(carriedOut({ one: one(), two: two() })).toEqual(['one closes', 'two opens'])
  })

  it('is refused while a server replicates from one outside the inventory', () => {
    const stranger = { ...two(), follows: '10.0.0.9' }
    expect(carriedOut({ two: stranger, three: three() }, { reached: ['two', 'three'] })).toEqual([
      'refused: two not promoted: two replicates from 10.0.0.9, which is not among the servers',
    ])
    const fresh = { writable: false, position: '' }
    expect(carriedOut({ one: stranger, two: fresh, three: fresh })).toEqual([
      'refused: two not promoted: one replicates from 10.0.0.9, which is not among the servers',
    ])
  })

  it('is refused while the lost server still answers another one', () => {
    expect(carriedOut({ two: two(), three: three() }, { allowDataLoss: ['one'], answers: ['three command'] })).toEqual([
      'refused: two not promoted: the database server of one still answers',
    ])
  })

  it('is refused to a server without replicas while another is not reached', () => {
    const alone = { writable: true, position: '0-1-9', alone: true }
    expect(carriedOut({ two: alone, three: three() })).toEqual(['refused: two not promoted while one cannot be reached'])
    expect(carriedOut({ two: { ...alone, alone: false }, three: three() })).toEqual([])
  })

  it('does not keep a fresh writable host as primary before it has the data of the others', () => {
    const all = { one: { writable: false, position: '0-1-9', follows: '10.0.0.2' }, two: { writable: true, position: '', bare: true } }
    const said = carriedOut(all, { reached: ['one', 'two'], allowDataLoss: ['three'] })
    expect(said.slice(0, 2)).toEqual(['two closes', 'one closes'])
  })

  it('replaces data on a fresh host by that of the others only with --allow-data-loss', () => {
    const all = () => ({ one: { writable: false, position: '0-1-9', follows: '10.0.0.2' }, two: { writable: true, position: '' } })
    const said = carriedOut(all(), { reached: ['one', 'two'], allowDataLoss: ['three'], databases: { two: ['by_hand'] } })
    expect(said).toEqual(['two closes', 'one closes', 'refused: data of one not copied to two: it would lose its own data'])
    // Nobody has anything to give it: it is what it was, data that were there before all replication.
    expect(carriedOut(all(), { reached: ['one', 'two'], allowDataLoss: ['three'], databases: { one: [] } })).toEqual([])
  })

  it('is refused if another server has another primary in its options', () => {
    expect(carriedOut({ one: one(), two: two() }, { reached: ['one', 'two'], primaries: { one: 'one' } })).toEqual([
      'refused: two and one have different primaries in their options',
    ])
  })

  it('makes no server writable while another one is', () => {
    const all = { one: one(), two: two(), three: { ...three(), writable: true } }
    expect(carriedOut(all, { stuck: 'closed', opensAgain: 'three' })).toEqual(['one closes', 'three closes', 'refused: two not promoted'])
  })
})
