import { describe, expect, it } from 'vitest'
import { type Circumstances, type Server, simulate } from './simulation.ts'

const writer = (): Server => ({ writable: true, position: '0-1-9' })
const replica = (): Server => ({ writable: false, position: '0-1-7', follows: '10.0.0.1' })
const fresh = (): Server => ({ writable: false, position: '', bare: true })
const broken = (): Server => ({ ...replica(), error: 'Duplicate entry' })

describe('applying a replica', () => {
  const BACKLOG = Array.from({ length: 12 }, () => 'two waits for 0-1-9')

  it.each<[string, Record<string, Server>, Circumstances, readonly string[]]>([
    ['changes nothing on one that replicates', { one: writer(), two: replica() }, {}, []],
    [
      'starts replication from its own data',
      { one: writer(), two: { ...replica(), follows: undefined } },
      {},
      ['two follows one', 'two waits for 0-1-9'],
    ],
    [
      'replaces another source by the primary',
      { one: writer(), two: { ...replica(), follows: '10.0.0.3' } },
      {},
      ['two follows one', 'two waits for 0-1-9'],
    ],
    [
      'makes it read-only after a start with other settings',
      { one: writer(), two: { ...replica(), restarts: 'writable' } },
      {},
      ['two closes'],
    ],
    ['makes it read-only first', { one: writer(), two: { ...replica(), writable: true } }, {}, ['two closes']],
    [
      'copies all data to a server without data',
      { one: writer(), two: fresh() },
      {},
      ['two copies one', 'two follows one', 'two waits for 0-1-9'],
    ],
    [
      'copies nothing if the primary has no database either',
      { one: { ...writer(), bare: true }, two: fresh() },
      {},
      ['two follows one from the beginning', 'two waits for 0-1-9'],
    ],
    [
      'keeps the position of a server whose only data is its history',
      { one: writer(), two: { ...replica(), bare: true, follows: '10.0.0.3' } },
      {},
      ['two follows one', 'two waits for 0-1-9'],
    ],
    [
      'starts an interrupted copy again before the service',
      { one: writer(), two: { ...fresh(), seeding: true } },
      {},
      ['two copies one', 'two follows one'],
    ],
    [
      'refuses an interrupted copy while the primary is not writable',
      { one: { ...writer(), writable: false }, two: { ...fresh(), seeding: true } },
      {},
      ['refused: two not replicating from one'],
    ],
    [
      'leaves a long backlog to the time after the run',
      { one: writer(), two: { ...replica(), follows: undefined } },
      { stuck: 'always' },
      ['two follows one', ...BACKLOG],
    ],
    ['keeps data of another history', { one: writer(), two: broken() }, {}, ['two follows one', 'refused: two not replicating from one']],
    [
      'keeps data that somebody else may lose',
      { one: writer(), two: broken() },
      { allowDataLoss: ['one'] },
      ['two follows one', 'refused: two not replicating from one'],
    ],
    [
      'replaces it with --allow-data-loss',
      { one: writer(), two: broken() },
      { allowDataLoss: ['two'] },
      ['two follows one', 'two copies one', 'two follows one', 'two waits for 0-1-9'],
    ],
    [
      'refuses one whose primary was not reached',
      { two: { ...replica(), follows: undefined } },
      {},
      ['refused: two not replicating from one'],
    ],
    [
      'refuses one whose primary does not run',
      { one: { ...writer(), stopped: 'broken' }, two: { ...replica(), follows: undefined } },
      {},
      ['refused: two not replicating from one'],
    ],
    [
      'refuses a server that does not answer',
      { one: writer(), two: { ...replica(), stopped: 'broken' } },
      {},
      ['refused: database server does not answer'],
    ],
  ])('%s', (_, all, circumstances, events) => expect(simulate(all, { primary: 'one', ...circumstances })).toEqual(events))
})

const one = (): Server => ({ writable: true, position: '0-1-9' })
const two = (): Server => ({ writable: false, position: '0-1-8', follows: '10.0.0.1' })
const three = (): Server => ({ writable: false, position: '0-1-9', follows: '10.0.0.1' })
const primary = (): Server => ({ writable: true, position: '0-1-9' })
const follower = (): Server => ({ writable: false, position: '0-1-9', follows: '10.0.0.2' })

describe('applying the primary', () => {
  it.each<[string, Record<string, Server>, Circumstances, readonly string[]]>([
    ['changes nothing on one that is complete', { one: follower(), two: primary(), three: follower() }, {}, []],
    ['makes no other server read-only that is so', { one: follower(), two: primary() }, {}, []],
    [
      'makes other writable servers read-only',
      { one: { ...follower(), writable: true }, two: primary(), three: follower() },
      {},
      ['one closes'],
    ],
    [
      'makes it writable again if its service was restarted',
      { one: follower(), two: { ...primary(), restarts: 'read-only' } },
      {},
      ['two opens'],
    ],
    [
      'makes it read-only before it catches up, if it still replicates',
      {
        one: { ...follower(), follows: undefined },
        two: { ...primary(), follows: '10.0.0.1' },
        three: { ...follower(), follows: undefined },
      },
      {},
      ['two closes', 'one closes', 'three closes', 'two waits for 0-1-10', 'two opens'],
    ],
    [
      'keeps a fresh one as it is if no other server has data',
      { one: { ...fresh(), follows: '10.0.0.2' }, two: { ...fresh(), writable: true } },
      { databases: { one: [], two: [] } },
      [],
    ],
    ['keeps one with a position, however little others know of it', { one: { ...fresh(), follows: '10.0.0.2' }, two: primary() }, {}, []],
    [
      'copies the newest data to one whose copy was interrupted',
      { one: { ...follower(), position: '0-1-8' }, two: { ...fresh(), seeding: true }, three: follower() },
      {},
      ['two copies three', 'two follows three', 'one closes', 'three closes', 'two opens'],
    ],
    [
      'refuses an interrupted copy without another server',
      { two: { ...fresh(), seeding: true } },
      {},
      ['refused: two has no data, and no server to copy it from'],
    ],
    [
      'refuses one that does not answer',
      { one: follower(), two: { ...primary(), stopped: 'broken' } },
      {},
      ['refused: database server does not answer'],
    ],
  ])('%s', (_, all, circumstances, events) => {
    expect(simulate(all, circumstances).filter((event) => !event.startsWith('notice'))).toEqual(events)
  })
})

describe('promoting a server', () => {
  it('stops writes only for the rest, and reports for how long', () => {
    expect(simulate({ one: one(), two: two(), three: three() })).toEqual([
      'two waits for 0-1-9',
      'two waits for 0-1-9',
      'one closes',
      'three closes',
      'two waits for 0-1-10',
      'two opens',
      expect.stringMatching(/^notice: two promoted to primary; writes were unavailable for 0\.\d s$/),
    ])
  })

  it('is refused before writes stop if it does not keep up, after a minute', () => {
    const events = simulate({ one: one(), two: two() }, { stuck: 'later' })
    expect(events.filter((event) => event === 'two waits for 0-1-9')).toHaveLength(13)
    expect(events.slice(13)).toEqual(['refused: two not promoted: it does not keep up with one'])
  })

  it('is refused if the server that accepts writes stops meanwhile', () => {
    const falls = { host: 'one', after: 'two waits for 0-1-9' }
    expect(simulate({ one: one(), two: two(), three: three() }, { falls })).toEqual(['two waits for 0-1-9', 'refused: two not promoted'])
    const late = simulate(
      { one: { ...one(), position: '0-1-8' }, two: two(), three: { ...three(), position: '0-1-8' } },
      { falls: { host: 'one', after: 'three closes' } },
    )
    expect(late.at(-1)).toBe('refused: two not promoted')
  })

  it('makes the server that accepts writes read-only before the others', () => {
    const all = { one: { ...three(), follows: '10.0.0.3' }, two: { ...two(), follows: '10.0.0.3' }, three: one() }
    expect(simulate(all).filter((event) => event.endsWith('closes'))).toEqual(['three closes', 'one closes'])
  })

  it('follows another server for the transactions that only this one has', () => {
    const events = simulate({ two: two(), three: three() }, { allowDataLoss: ['one'] })
    expect(events).toEqual([
      'two connects after 0 s',
      'three connects after 0 s',
      'three closes',
      'two receives no more',
      'two waits for 0-1-8',
      'two follows three',
      'two waits for 0-1-9',
      'two connects after 2 s',
      'three connects after 0 s',
      'two opens',
      'warning: two promoted to primary from transaction 0-1-9 on; rows that only one has are lost, unless you save them from it',
    ])
  })

  it('waits until others have applied what they received of the lost server', () => {
    const received = { ...three(), position: '0-1-8', received: '0-1-9' }
    const waits = (server: Server): readonly string[] =>
      simulate({ two: two(), three: server }, { allowDataLoss: ['one'] }).filter((event) => event.includes('waits'))
    expect(waits({ ...received, connects: false })).toEqual(['two waits for 0-1-8', 'three waits for 0-1-9', 'two waits for 0-1-9'])
    expect(waits({ ...received, error: 'Duplicate entry' })).toEqual(['two waits for 0-1-8'])
    expect(waits(received)).toEqual(['two waits for 0-1-8'])
  })

  it('applies what it received of the lost server itself', () => {
    const events = simulate({ two: { ...two(), received: '0-1-9' }, three: three() }, { allowDataLoss: ['one'] })
    expect(events.filter((event) => /waits|follows/.test(event))).toEqual(['two waits for 0-1-9'])
  })

  it('is refused if it cannot apply what it received of the lost server', () => {
    const all = { two: { ...two(), received: '0-1-9' }, three: three() }
    expect(simulate(all, { allowDataLoss: ['one'], stuck: 'closed' }).at(-1)).toBe(
      'refused: two not promoted: it lacks transactions of the others',
    )
  })

  it('starts stopped servers, because they could have rows', () => {
    const all = { two: two(), three: { ...three(), stopped: 'starts' as const } }
    const events = simulate(all, { reached: ['two', 'three'], allowDataLoss: ['one'] })
    expect(events.filter((event) => /starts|closes|opens/.test(event))).toEqual(['three starts', 'three closes', 'two opens'])
  })

  it('starts no server without data', () => {
    const all = { one: one(), two: { ...two(), follows: undefined }, three: { ...fresh(), stopped: 'starts' as const } }
    expect(simulate(all).filter((event) => /starts|closes|opens/.test(event))).toEqual(['one closes', 'two opens'])
  })

  it('is refused while a stopped server does not start, unless its rows may be lost', () => {
    const all = () => ({ two: two(), three: { ...three(), stopped: 'broken' as const } })
    expect(simulate(all(), { allowDataLoss: ['one'] })).toEqual(['three starts', 'refused: two not promoted while three cannot be reached'])
    const events = simulate(all(), { allowDataLoss: ['one', 'three'] })
    expect(events.filter((event) => /opens|^warning/.test(event))).toEqual([
      'two opens',
      expect.stringContaining('rows that only one, three has are lost'),
    ])
  })

  it('copies the newest data to a fresh server with the name of an old one', () => {
    const all = { one: { ...one(), follows: undefined }, two: fresh(), three: { ...three(), position: '0-1-8' } }
    const events = simulate(all, { databases: { two: [] } })
    expect(events.filter((event) => /copies|opens/.test(event))).toEqual(['two copies one', 'two opens'])
  })

  it('replaces its own data only with --allow-data-loss', () => {
    const all = () => ({ one: one(), two: { ...fresh(), bare: false }, three: three() })
    expect(simulate(all(), { databases: { two: ['by_hand'] } })).toContain(
      'refused: data of one not copied to two: it would lose its own data',
    )
    expect(simulate(all(), { databases: { two: ['by_hand'] }, allowDataLoss: ['two'] })).toContain('two copies one')
  })

  it('waits a minute for the rest while nobody can write, and five for a server that is lost anyway', () => {
    const waits = (events: readonly string[]): number => events.filter((event) => event === 'two waits for 0-1-10').length
    expect(waits(simulate({ one: one(), two: two() }, { stuck: 'closed' }))).toBe(12)
    const lost = simulate({ two: two(), three: { ...three(), position: '0-1-10' } }, { allowDataLoss: ['one'], stuck: 'closed' })
    expect(lost.filter((event) => event.startsWith('two waits'))).toHaveLength(60)
  })

  it('restores the server that accepted writes, and replication from it', () => {
    const all = { one: one(), two: two(), three: { ...three(), refuses: 'read_only = ON' } }
    expect(simulate(all).slice(-3)).toEqual(['one closes', 'one opens', 'refused: three still accepts writes (exit 1)'])
    const stopped = { one: one(), two: { ...two(), refuses: 'read_only = OFF' }, three: three() }
    expect(simulate(stopped).slice(-3)).toEqual(['one opens', 'two follows one', 'refused: server not made writable (exit 1)'])
    expect(stopped.two).toMatchObject({ writable: false, follows: '10.0.0.1' })
  })

  it('warns if the server that accepted writes stays read-only', () => {
    const all = { one: { ...one(), refuses: 'read_only = OFF' }, two: two(), three: { ...three(), refuses: 'read_only = ON' } }
    expect(simulate(all).slice(-2)).toEqual([
      'warning: one could not be made writable again and stays read-only until the next run: one not made writable (exit 1): refused',
      'refused: three still accepts writes (exit 1)',
    ])
  })
})
