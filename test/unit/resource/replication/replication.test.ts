import { describe, expect, it } from 'vitest'
import { type ReplicationState, readStatus, type ServerStatus, type Source } from '../../../../src/resource/replication/observe.ts'
import { followerOf } from '../../../../src/resource/replication/plan.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'

const servers = ['one', 'two', 'three'].map((host, i) => ({ host, address: `10.0.0.${i + 1}`, certificate: `${host}.database.internal` }))
const options = {
  ...{ name: 'database', servers, pair: '/etc/p.pem', trusted: '/etc/ca.pem', seedPort: 4444, opener: 'opener.service' },
  service: service({ unit: 'mariadb.service' }),
}
const at = (me: string, primary: string) => replication({ ...options, me, primary }).spec

const RUNS = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  enabled: 'enabled',
  unfinishedSet: false,
} as ServiceState
const BARE: ReplicationState = {
  service: { ...RUNS, load: 'not-found', active: 'inactive', enabled: '' },
  ...{ primary: 'one', status: undefined, databases: [], seeding: false },
}
const SYNCED: ServerStatus = { writable: false, position: '0-1-9', source: undefined, followers: servers.map((one) => followerOf(one)) }
const FOLLOWS: Source = {
  address: '10.0.0.1',
  receives: 'yes',
  applies: true,
  byPosition: true,
  verifies: true,
  received: '0-1-9',
  error: undefined,
}
const state = (status: Partial<ServerStatus> | undefined, more: Partial<ReplicationState> = {}): ReplicationState => ({
  service: status === undefined ? { ...RUNS, active: 'inactive' } : RUNS,
  status: status && { ...SYNCED, ...status },
  ...{ primary: 'one', databases: ['shop'], seeding: false },
  ...more,
})
const OPEN = state({ writable: true })
const REPLICA = state({ source: FOLLOWS })

const plan = (members: Record<string, ReplicationState>, primary = 'one', allowDataLoss: readonly string[] = []) => {
  const all = new Map(Object.entries(members))
  return [...all].map(([me, its]) => {
    const change = replication.kind.plan(at(me, primary), its, { ...context, members: () => all, allowDataLoss: new Set(allowDataLoss) })
    return change && `${me}: ${change.reason}`
  })
}

describe('planning replication', () => {
  it.each<[string, Record<string, ReplicationState>, string, (string | undefined)[]]>([
    [
      'on bare hosts',
      { one: BARE, two: BARE },
      'one',
      ['one: not running, not enabled, becomes the primary', 'two: not running, not enabled, follows one'],
    ],
    ['that is healthy', { one: OPEN, two: REPLICA, three: REPLICA }, 'one', [undefined, undefined, undefined]],
    [
      'another primary',
      { one: OPEN, two: REPLICA, three: REPLICA },
      'two',
      ['one: becomes read-only, follows two', 'two: becomes the primary in place of one', 'three: follows two in place of one'],
    ],
    [
      'a masked replica',
      { one: OPEN, two: { ...state(undefined), service: { ...RUNS, load: 'masked', active: 'inactive' } } },
      'one',
      [undefined, 'two: masked, not running'],
    ],
    ['another primary, while the old one cannot be reached', { two: REPLICA }, 'two', ['two: becomes the primary in place of one']],
    [
      'servers that run and do not answer',
      { one: { ...state(undefined), service: RUNS }, two: { ...state(undefined), service: RUNS } },
      'one',
      ['one: server does not answer', 'two: server does not answer'],
    ],
    [
      'a service that runs with older files',
      { one: { ...OPEN, service: { ...RUNS, needsDaemonReload: true } }, two: REPLICA },
      'one',
      ['one: changed unit file not read by systemd', undefined],
    ],
    [
      'a primary that replicates, and one whose copy was interrupted',
      { one: state({ writable: true, source: { ...FOLLOWS, address: '10.0.0.3' } }), two: state({}, { seeding: true }) },
      'one',
      ['one: primary that replicates from three', 'two: copy of the data of one interrupted, starts again'],
    ],
    [
      'a primary whose copy was interrupted',
      { one: state({}, { seeding: true }) },
      'one',
      ['one: copy of the data interrupted, starts again'],
    ],
    ['a fresh replica', { one: OPEN, two: state({}, { databases: [] }) }, 'one', [undefined, 'two: follows one']],
    [
      'a replica that stopped without a word, and one by file and offset',
      { one: OPEN, two: state({ source: { ...FOLLOWS, receives: 'no' } }), three: state({ source: { ...FOLLOWS, byPosition: false } }) },
      'one',
      [undefined, 'two: does not replicate: stopped', 'three: does not replicate: stopped'],
    ],
    [
      'replicas that do not verify their source, one of them stopped',
      {
        one: OPEN,
        two: state({ source: { ...FOLLOWS, verifies: false } }),
        three: state({ source: { ...FOLLOWS, verifies: false, receives: 'no', error: 'no way' } }),
      },
      'one',
      [undefined, 'two: does not verify the certificate of one', 'three: does not replicate: no way'],
    ],
    ['a restarted primary', { one: state({}), two: REPLICA }, 'one', ['one: becomes the primary', undefined]],
    ['a former primary that is reachable again', { one: state({}), two: OPEN }, 'two', ['one: follows two from now on', undefined]],
    ['two writable servers', { one: OPEN, two: OPEN }, 'one', [undefined, 'two: becomes read-only, follows one']],
    [
      'a replica whose copy was interrupted',
      { one: OPEN, two: state({}, { seeding: true }) },
      'one',
      [undefined, 'two: copy of the data of one interrupted, starts again'],
    ],
    [
      'a replica while its primary cannot be reached',
      { two: state({ source: { ...FOLLOWS, receives: 'connecting' } }) },
      'one',
      [undefined],
    ],
    [
      'a replica that stopped',
      { one: OPEN, two: state({ source: { ...FOLLOWS, applies: false, error: 'Duplicate entry' } }) },
      'one',
      [undefined, 'two: does not replicate: Duplicate entry'],
    ],
    [
      'a server that was removed from the inventory',
      {
        one: state({
          writable: true,
          followers: [...SYNCED.followers, { user: 'provision-replica-four', subject: '/CN=four', privileges: '' }],
        }),
      },
      'one',
      ['one: accounts of its replicas differ'],
    ],
  ])('%s', (_, members, primary, reasons) => expect(plan(members, primary)).toEqual(reasons))

  it('is an update that depends on the other servers, or the change of its service', () => {
    const members = () => new Map(Object.entries({ one: OPEN, two: state({}) }))
    const of = (me: string, its: ReplicationState) => replication.kind.plan(at(me, 'one'), its, { ...context, members })
    expect(of('two', state({}))).toEqual({ action: 'update', certainty: 'dependent', reason: 'follows one from now on', differences: [] })
    const { action, certainty } = service.kind.plan(at('two', 'one').service, BARE.service, context) ?? expect.fail('no change')
    expect(of('two', BARE)).toMatchObject({ action, certainty, reason: 'not running, not enabled, follows one' })
  })

  it('mentions that data is replaced if it may be lost', () => {
    const broken = state({ source: { ...FOLLOWS, applies: false, error: 'Duplicate entry' } })
    expect(plan({ one: OPEN, two: broken }, 'one', ['two'])[1]).toBe(
      'two: does not replicate: Duplicate entry; if it cannot resume, its data is replaced by that of one',
    )
  })

  it('changes the primary first', () => expect(replication.kind.sequence?.(at('one', 'two'), new Map())).toEqual(['two', 'one', 'three']))
})

const STRAYS = state({ source: { ...FOLLOWS, address: '10.0.0.9' } })

describe('warnings and refusals of a plan', () => {
  const told = (members: Record<string, ReplicationState>, primary: string, allowDataLoss: readonly string[] = []) => {
    const all = new Map(Object.entries(members).map(([host, its]) => [host, { ...its, primary }]))
    const around = { ...context, members: () => all, allowDataLoss: new Set(allowDataLoss) }
    return [...all].flatMap(([me, its]) => replication.kind.notices?.(at(me, primary), its, around) ?? [])
  }
  const refused = (...hosts: readonly string[]): string =>
    `two will not be promoted while ${hosts.join(', ')} cannot be reached: it may have rows that no other server has; start it, or discard them with ${hosts.map((host) => `--allow-data-loss ${host}`).join(' ')}`

  it.each<[string, Record<string, ReplicationState>, readonly string[], readonly string[]]>([
    ['another primary while the old one is away', { two: REPLICA, three: REPLICA }, [], [refused('one')]],
    ['the same, said of another', { two: REPLICA, three: REPLICA }, ['three'], [refused('one')]],
    ['the same, as it may be', { two: REPLICA, three: REPLICA }, ['one'], ['two will be promoted without the rows that only one has']],
    ['another primary while both are there', { one: OPEN, two: REPLICA, three: REPLICA }, [], []],
    ['another primary that follows the one that is written to, while a third is away', { one: OPEN, two: REPLICA }, [], []],
    ['another primary that may follow it, and does not run', { one: OPEN, two: state(undefined) }, [], []],
    ['a bare one while a third is away', { one: OPEN, two: BARE }, [], [refused('three')]],
    ['all is well', { one: REPLICA, two: OPEN, three: REPLICA }, [], []],
  ])('%s', (_, members, allowDataLoss, notices) => {
    expect(told(members, 'two', allowDataLoss)).toEqual(notices)
  })

  it.each<[string, Record<string, ReplicationState>, readonly string[], readonly string[]]>([
    ['a primary without replicas while others are away', { two: state({ writable: true, followers: [] }) }, [], [refused('one', 'three')]],
    [
      'a primary that still replicates while another is away',
      { two: state({ writable: true, source: FOLLOWS }) },
      ['three'],
      [refused('one')],
    ],
    ['a complete primary while others are away', { two: OPEN }, [], []],
    ['a stopped one while others are away', { two: state(undefined) }, ['one'], [refused('three')]],
    [
      'a replica of another one than the writer',
      { one: OPEN, two: state({ source: { ...FOLLOWS, address: '10.0.0.3' } }) },
      [],
      [refused('three')],
    ],
    ['two that may be lost', { two: REPLICA }, ['one', 'three'], ['two will be promoted without the rows that only one, three has']],
  ])('%s', (_, members, allowDataLoss, notices) => {
    expect(told(members, 'two', allowDataLoss)).toEqual(notices)
  })

  it('warns of each option without effect at the host that it is about, or at the primary', () => {
    const said = told({ one: OPEN, two: REPLICA }, 'one', ['two', 'three'])
    expect(said).toEqual(['three', 'two'].map((host) => `--allow-data-loss ${host} has no effect: this run discards no rows of ${host}`))
    expect(told({ one: OPEN, two: state({ source: { ...FOLLOWS, applies: false } }) }, 'one', ['two'])).toEqual([])
  })

  it('warns of --allow-data-loss options without effect', () => {
    const follows = state({ source: { ...FOLLOWS, address: '10.0.0.2' } })
    const said = told({ one: follows, two: OPEN }, 'two', ['one', 'two', 'three'])
    expect(said.map((one) => one.slice(0, one.indexOf(':')))).toEqual(
      ['one', 'two', 'three'].map((host) => `--allow-data-loss ${host} has no effect`),
    )
  })

  it('refuses different primaries in the options of servers', () => {
    const all = new Map([
      ['one', OPEN],
      ['two', { ...OPEN, primary: 'two' }],
    ])
    expect(replication.kind.forbids?.(at('one', 'one'), OPEN, { ...context, members: () => all })).toMatchObject({
      what: 'one and two have different primaries in their options',
      why: 'the primary of one is one, that of two is two',
    })
  })

  it.each<[string, ReplicationState, ReplicationState, boolean]>([
    ['that one replaces a primary that was removed from the inventory', STRAYS, STRAYS, true],
    ['not that one replicates from another server than a correct primary', OPEN, STRAYS, false],
    ['not that one replaces a primary of the inventory', REPLICA, REPLICA, false],
  ])('and what it forbids: %s', (_, one, two, isForbidden) => {
    const all = new Map(Object.entries({ one, two }).map(([host, its]) => [host, { ...its, primary: 'one' }]))
    const refused = replication.kind.forbids?.(at('one', 'one'), one, { ...context, members: () => all })
    expect(refused?.what).toEqual(
      isForbidden ? expect.stringContaining('replicates from 10.0.0.9, which is not among the servers') : undefined,
    )
  })
})

it('the state of a server is read with the databases on its disk, and an interrupted copy', () => {
  const units = new Map([['mariadb.service', new Map(Object.entries({ LoadState: 'loaded', ActiveState: 'inactive' }))]])
  const read = (own: string) =>
    replication.kind
      .observe([at('two', 'one')])
      .parse(Buffer.from(`${own}provision-services\n`), { ...NOTHING, units })
      .get('database')
  expect(read('database shop\ndatabase a b\nseeding\ndown\n')).toMatchObject({
    primary: 'one',
    databases: ['shop', 'a b'],
    seeding: true,
    status: undefined,
    service: { active: 'inactive' },
  })
  const running = read('h\twritable\tposition\nself\t0\t0-1-5\nend\n')
  expect(running).toMatchObject({
    databases: [],
    seeding: false,
    status: { writable: true, position: '0-1-5', source: undefined, followers: [] },
  })
})

it.each<[string, object, string]>([
  ['a name with capitals', { name: 'Database' }, 'must be a name of at most 32 lower-case letters'],
  ['a name that is too long', { name: 'a'.repeat(33) }, 'must be a name of at most 32 lower-case letters'],
  ['this host among the servers', { me: 'four' }, 'must be among the servers'],
  ['the primary among the servers', { primary: 'four' }, 'must be among the servers'],
  ['another server', { servers: servers.slice(0, 1) }, 'servers'],
  ['a port below 1024', { seedPort: 1023 }, 'seedPort'],
  ['a port above 65535', { seedPort: 65_536 }, 'seedPort'],
  ['an address with a name', { servers: [...servers, { ...servers[0], host: 'x', address: '10.0.0.1;' }] }, 'must be an IP address'],
  ['an address in a text', { servers: [...servers, { ...servers[0], host: 'x', address: 'x:10.0.0.1' }] }, 'must be an IP address'],
  ['a host with a quote', { servers: [...servers, { ...servers[0], host: "a'" }] }, 'must be the name of a host'],
  ['a host with a line', { servers: [...servers, { ...servers[0], host: '\na' }] }, 'must be the name of a host'],
  ['a certificate with a comma', { servers: [...servers, { ...servers[0], certificate: 'a,verify=0' }] }, 'certificate'],
  ['a certificate with a space', { servers: [...servers, { ...servers[0], certificate: ' a' }] }, 'certificate'],
])('options are refused with or without %s', (_, more, message) => {
  expect(() => replication({ ...options, me: 'one', primary: 'two', ...more })).toThrow(message)
})

it('options are accepted at their limits', () => {
  const { spec } = replication({
    ...options,
    me: 'one',
    primary: 'two',
    seedPort: 1024,
    servers: servers.slice(0, 2),
    name: 'a'.repeat(32),
  })
  expect(spec.seedPort).toBe(1024)
  expect(replication({ ...options, me: 'one', primary: 'two', seedPort: 65_535 }).id).toBe('database')
})

describe('the status of a server', () => {
  it('is read by column names', () => {
    const status = [
      [
        'Slave_IO_State',
        'Master_Host',
        'Slave_IO_Running',
        'Slave_SQL_Running',
        'Last_IO_Error',
        'Last_SQL_Error',
        'Using_Gtid',
        'Master_SSL_Verify_Server_Cert',
        'Gtid_IO_Pos',
      ],
      ['', '10.0.0.1', 'Connecting', 'No', 'no way', 'Slave_SQL_Running: Yes', 'Slave_Pos', 'Yes', '0-1-7'],
    ]
    expect(readStatus([['h', 'writable', 'position'], ['self', '1', '0-1-5'], ...status, ['end']], 'mariadb')).toEqual({
      writable: false,
      position: '0-1-5',
      source: {
        address: '10.0.0.1',
        receives: 'connecting',
        applies: false,
        byPosition: true,
        verifies: true,
        received: '0-1-7',
        error: 'Slave_SQL_Running: Yes',
      },
      followers: [],
    })
  })

  it.each([
    ['Yes', 'yes'],
    ['Connecting', 'connecting'],
    ['Preparing', 'connecting'],
    ['No', 'no'],
    ['', 'no'],
  ])('says whether it receives: %s', (running, receives) => {
    const rows = [
      ['self', '0', '0-1-5'],
      ['Slave_IO_State', 'Slave_IO_Running'],
      ['', running],
    ]
    expect(readStatus(rows, 'mariadb')).toMatchObject({
      writable: true,
      source: { receives, applies: false, byPosition: false, verifies: false, error: undefined },
    })
  })

  it.each(['x', '0-1', '\\0', '0-1-2;'])('is refused with an invalid position: %s', (position) => {
    const names = 'Slave_IO_State\tMaster_Host\tGtid_IO_Pos'
    const probe = replication.kind.observe([])
    const read = (rows: string) => () => probe.parse(Buffer.from(`${rows}\nend\nprovision-services\n`), NOTHING)
    expect(read(`self\t0\t0-1-5\n${names}\n\t10.0.0.1\t0-1-2,1-2-14`)).not.toThrow()
    expect(read(`self\t0\t${position}`)).toThrow('is not a MariaDB position')
    expect(read(`self\t0\t0-1-5\n${names}\n\t10.0.0.1\t${position}`)).toThrow('is not a MariaDB position')
  })
})
