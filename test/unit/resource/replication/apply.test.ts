import { describe, expect, it } from 'vitest'
import { type Server, simulate } from './simulation.ts'

/** The steps that decide who accepts writes, and the refusal. */
const carriedOut = (...scene: Parameters<typeof simulate>): readonly string[] =>
  simulate(...scene).filter((event) => /(closes|opens)$|^(refused|failed)/.test(event))

const one = (): Server => ({ writable: true, position: '0-1-9' })
const two = (): Server => ({ writable: false, position: '0-1-8', follows: '10.0.0.1' })
const three = (): Server => ({ writable: false, position: '0-1-9', follows: '10.0.0.1' })

describe('promoting a primary', () => {
  it('makes all others read-only, catches up, and becomes writable', () => {
    const all = { one: one(), two: two(), three: three() }
    expect(carriedOut(all)).toEqual(['one closes', 'three closes', 'two opens'])
    // Including transactions that arrived while it was catching up.
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
