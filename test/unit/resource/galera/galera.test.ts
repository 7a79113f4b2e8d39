import { describe, expect, it } from 'vitest'
import { readAsMysql } from '../../../../src/resource/database/files.ts'
import { DEFINE_DATA } from '../../../../src/resource/database/mariadb.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { galera } from '../../../../src/resource/galera/galera.ts'
import { type GaleraState, GRASTATE, type MemberStatus, readPosition, readStatus } from '../../../../src/resource/galera/observe.ts'
import { type Answer, HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const unit = service({ unit: 'mariadb.service' })
const options = { cluster: 'database', servers: ['web-01', 'web-02'], arbitrators: ['lb-01'], service: unit }
const at = (me: string, more: object = {}) => galera({ ...options, me, ...more }).spec

const RUNS = {
  load: 'loaded',
  active: 'active',
  sub: 'running',
  result: 'success',
  enabled: 'enabled',
  unfinishedSet: false,
} as ServiceState
const STOPPED = { ...RUNS, active: 'inactive' }
const SYNCED: MemberStatus = {
  primary: true,
  connected: true,
  members: [],
  synced: true,
  state: 'Synced',
  size: 3,
  servers: 2,
  uuid: 'u',
  seqno: 7,
}
const bare: GaleraState = {
  service: { ...STOPPED, load: 'not-found', enabled: '' },
  status: undefined,
  position: { uuid: undefined, seqno: -1, databases: [] },
  otherRuns: false,
}
const member = (status: MemberStatus | undefined, seqno = -1, uuid: string | undefined = 'u'): GaleraState => ({
  service: status === undefined ? STOPPED : RUNS,
  status,
  position: { uuid, seqno, databases: ['shop'] },
  otherRuns: false,
})
const arbiter = (active = 'active'): GaleraState => ({ ...bare, service: { ...RUNS, active } })

const plan = (me: string, members: Record<string, GaleraState>) => {
  const state = new Map(Object.entries(members))
  const change = galera.kind.plan(at(me), state.get(me) as GaleraState, { ...context, members: () => state })
  return change && `${change.action}: ${change.reason}`
}

describe('planning a cluster', () => {
  it.each<[string, Record<string, GaleraState>, (string | undefined)[]]>([
    [
      'on bare hosts: the first bootstraps, the others join',
      { 'web-01': bare, 'web-02': bare, 'lb-01': bare },
      [
        'create: not running, not enabled, bootstraps the cluster',
        'create: not running, not enabled, joins the cluster',
        'create: not running, not enabled',
      ],
    ],
    ['that is complete', { 'web-01': member(SYNCED), 'web-02': member(SYNCED), 'lb-01': arbiter() }, [undefined, undefined, undefined]],
    [
      'with one member down',
      { 'web-01': member(undefined), 'web-02': member({ ...SYNCED, size: 2, servers: 1 }), 'lb-01': arbiter() },
      ['update: not running, joins the cluster', undefined, undefined],
    ],
    [
      'that was stopped completely: the server with the newest data bootstraps',
      { 'web-01': member(undefined, 2859), 'web-02': member(undefined, 2860), 'lb-01': arbiter() },
      ['update: not running, joins the cluster', 'update: not running, bootstraps the cluster', 'update: no server running'],
    ],
    ['with one reached server', { 'web-02': member(undefined, 2860) }, [undefined, 'update: not running, waits for the cluster']],
    [
      'that has no majority',
      { 'web-01': member({ ...SYNCED, primary: false, size: 1, servers: 1 }), 'web-02': member(undefined), 'lb-01': arbiter('failed') },
      ['update: no majority', 'update: not running, joins the cluster', 'update: not running, last start failed (success)'],
    ],
    [
      'with a masked server: it does not join',
      { 'web-01': { ...member(undefined), service: { ...STOPPED, load: 'masked' } }, 'web-02': member(SYNCED) },
      ['update: masked, not running', undefined],
    ],
    [
      'without a connection to its arbitrator',
      { 'web-01': member({ ...SYNCED, size: 2 }), 'web-02': member({ ...SYNCED, size: 2 }), 'lb-01': arbiter() },
      [undefined, undefined, 'update: not connected to the servers'],
    ],
    [
      'whose former arbitrator becomes a server, and whose former server becomes the arbitrator',
      { 'web-01': { ...bare, otherRuns: true }, 'web-02': member(SYNCED), 'lb-01': { ...bare, otherRuns: true } },
      [
        'create: stops garb.service, not running, not enabled, joins the cluster',
        undefined,
        'create: stops mariadb.service, which keeps its data, not running, not enabled',
      ],
    ],
    [
      'with a member whose former unit still starts at boot',
      { 'web-01': { ...member(SYNCED), otherRuns: true }, 'web-02': member(SYNCED), 'lb-01': { ...arbiter(), otherRuns: true } },
      ['update: stops garb.service', undefined, 'update: stops mariadb.service, which keeps its data'],
    ],
  ])('%s', (_, members, expected) => {
    expect(
      ['web-01', 'web-02', 'lb-01'].slice(0, expected.length).map((me) => (members[me] === undefined ? undefined : plan(me, members))),
    ).toEqual(expected)
  })

  it('does not take a service for masked because of the path of its file', () => {
    const conf = file({ path: '/etc/mysql/masked.cnf', content: '[mysqld]\n' })
    const spec = at('web-01', { service: service({ unit: 'mariadb.service', loads: [conf] }) })
    const state = { ...member(undefined), service: RUNS }
    const change = galera.kind.plan(spec, state, {
      ...context,
      changes: (key) => key === 'file:/etc/mysql/masked.cnf',
      members: () => new Map([['web-01', state]]),
    })
    expect(change?.reason).toBe('runs with an older /etc/mysql/masked.cnf, waits for the cluster')
  })

  it('evicts a server that is not in the inventory, once', () => {
    const db03 = { name: 'db-03', uuid: 'f638cf13-e81d-11f1-831e-7fe67990bcc5' }
    const with03 = member({ ...SYNCED, size: 4, servers: 3, members: [{ name: 'web-01', uuid: 'u' }, db03] })
    const members = { 'web-01': with03, 'web-02': with03, 'lb-01': arbiter() }
    expect(plan('web-01', members)).toBe('update: evicts db-03, not among the servers of the inventory')
    expect(plan('web-02', members)).toBeUndefined()
    expect(plan('web-02', { ...members, 'web-01': member(undefined) })).toMatch(/^update: evicts db-03, /)
  })

  it('plans the state of a member as dependent on the others, and an eviction or a former unit as exact', () => {
    const members = (of: Record<string, GaleraState>) => () => new Map(Object.entries(of))
    const certainty = (me: string, of: Record<string, GaleraState>) =>
      galera.kind.plan(at(me), of[me] as GaleraState, { ...context, members: members(of) })?.certainty
    const left = member({ ...SYNCED, primary: false, connected: false })
    expect(certainty('web-01', { 'web-01': left, 'web-02': member(SYNCED) })).toBe('dependent')
    expect(certainty('web-01', { 'web-01': { ...member(SYNCED), otherRuns: true }, 'web-02': member(SYNCED) })).toBe('exact')
    expect(certainty('lb-01', { 'web-01': member({ ...SYNCED, size: 2 }), 'lb-01': arbiter() })).toBe('dependent')
    const alien = { name: 'db-03', uuid: '11111111-1111-1111-1111-111111111111' }
    expect(certainty('web-01', { 'web-01': member({ ...SYNCED, members: [alien] }) })).toBe('exact')
  })

  it('reports an unsynced server, and one that does not answer', () => {
    const all = { 'web-02': member(SYNCED), 'lb-01': arbiter() }
    expect(plan('web-01', { ...all, 'web-01': member({ ...SYNCED, synced: false, state: 'Joined' }) })).toBe('update: not synced (Joined)')
    expect(plan('web-01', { ...all, 'web-01': { ...member(undefined), service: RUNS } })).toBe('update: server does not answer')
  })

  it('restarts a disconnected server', () => {
    const left = member({ ...SYNCED, primary: false, connected: false, size: 0, servers: 0 })
    expect(plan('web-01', { 'web-01': left, 'web-02': member(SYNCED), 'lb-01': arbiter() })).toBe('update: disconnected from the cluster')
  })

  it('plans nothing for an arbitrator if no server was reached', () => {
    expect(plan('lb-01', { 'lb-01': arbiter() })).toBeUndefined()
  })

  it('starts stopped servers before it changes others, and arbitrators last', () => {
    const turns = (members: Record<string, GaleraState>) => galera.kind.sequence?.(at('web-01'), new Map(Object.entries(members)))
    expect(turns({ 'web-01': bare, 'web-02': bare })).toEqual(['web-01', 'web-02', 'lb-01'])
    expect(turns({ 'web-01': member(SYNCED), 'web-02': bare })).toEqual(['web-02', 'web-01', 'lb-01'])
  })
})

describe('the change of a member', () => {
  const change = (me: string, members: Record<string, GaleraState>, more: object = {}) =>
    galera.kind.plan(at(me, more), members[me] as GaleraState, { ...context, members: () => new Map(Object.entries(members)) })
  const alien = { name: 'db-03', uuid: '11111111-1111-1111-1111-111111111111' }

  it('is an update without differences', () => {
    const synced = member(SYNCED)
    const update = (certainty: string, reason: string) => ({ action: 'update', certainty, reason, differences: [] })
    expect(change('web-01', { 'web-01': { ...synced, otherRuns: true } })).toEqual(update('exact', 'stops garb.service'))
    expect(change('web-01', { 'web-01': member({ ...SYNCED, primary: false }) })).toEqual(update('dependent', 'no majority'))
    expect(change('web-01', { 'web-01': member({ ...SYNCED, members: [alien] }) })).toEqual(
      update('exact', 'evicts db-03, not among the servers of the inventory'),
    )
    expect(change('lb-01', { 'web-01': member(undefined), 'lb-01': arbiter() })).toEqual(update('dependent', 'no server running'))
  })

  it('names what its service, its cluster and its former unit need together', () => {
    const restarts = { ...RUNS, needsDaemonReload: true }
    const members = {
      'web-01': { ...member({ ...SYNCED, members: [alien] }), service: restarts, otherRuns: true },
      'web-02': member(SYNCED),
    }
    expect(change('web-01', members)?.reason).toBe(
      'stops garb.service, changed unit file not read by systemd, evicts db-03, not among the servers of the inventory',
    )
    expect(change('web-01', { 'web-01': { ...member(SYNCED), service: restarts } })?.reason).toBe('changed unit file not read by systemd')
    expect(change('web-01', { 'web-01': { ...member({ ...SYNCED, primary: false }), service: restarts } })?.reason).toBe(
      'changed unit file not read by systemd',
    )
  })

  it('counts the arbitrators of the server that sees most of them', () => {
    const sees = (size: number) => member({ ...SYNCED, size })
    const reason = (first: number, second: number, arbitrators = ['lb-01']) =>
      change('lb-01', { 'web-01': sees(first), 'web-02': sees(second), 'lb-01': arbiter() }, { arbitrators })?.reason
    expect([reason(2, 3), reason(3, 2), reason(3, 3, ['lb-01', 'lb-02']), reason(4, 4)]).toEqual([
      undefined,
      undefined,
      'not connected to the servers',
      undefined,
    ])
  })

  it('bootstraps on the first server without data of its own that has to be kept', () => {
    const own = (databases: readonly string[]): GaleraState => ({ ...bare, position: { uuid: undefined, seqno: -1, databases } })
    const reason = (me: string, first: readonly string[], second: readonly string[], more: object = {}) =>
      change(me, { 'web-01': own(first), 'web-02': own(second) }, more)?.reason
    expect(reason('web-02', [], ['shop'])).toMatch(/bootstraps the cluster$/)
    expect(reason('web-02', ['shop'], ['shop'])).toMatch(/joins the cluster$/)
    expect(reason('web-02', ['shop'], ['shop'], { discardDataOf: ['web-01'] })).toMatch(/bootstraps the cluster$/)
    expect(reason('web-02', ['shop'], [], { discardDataOf: ['web-01'] })).toMatch(/joins the cluster$/)
  })

  it('prefers a history of the cluster to none, and the newest transaction to the order', () => {
    const reason = (first: GaleraState, second: GaleraState) => change('web-02', { 'web-01': first, 'web-02': second })?.reason
    expect(reason(bare, member(undefined, -1))).toMatch(/bootstraps the cluster$/)
    expect(reason(member({ ...SYNCED, primary: false, seqno: 9 }), member(undefined, 8))).toMatch(/joins the cluster$/)
    expect(reason(member({ ...SYNCED, primary: false, seqno: 7 }), member(undefined, 8))).toMatch(/bootstraps the cluster$/)
    expect(reason(member(undefined, 0), member(undefined, 0))).toMatch(/joins the cluster$/)
  })
})

it('its record names the arbitrator, which stops if no role declares it any more; a server never does', () => {
  expect(galera.kind.recorded?.(at('lb-01'))).toEqual(['garb.service'])
  expect(galera.kind.recorded?.(at('web-01'))).toEqual([])
  expect(galera.kind.orphan).toEqual({ keep: expect.stringContaining('never stopped automatically'), stopsRecorded: true })
})

it.each<[string, object]>([
  ['a cluster with capitals', { cluster: 'Database' }],
  ['a cluster with a long name', { cluster: 'a'.repeat(33) }],
  ['a cluster with a space', { cluster: 'a b' }],
  ['no server', { servers: [], arbitrators: ['web-01'] }],
  ['a host that is no member', { me: 'web-03' }],
])('options are refused: %s', (_, more) => expect(() => at('web-01', more)).toThrow())

it('options need one server, and by default no arbitrator', () => {
  expect(galera({ cluster: 'a'.repeat(32), me: 'a', servers: ['a'], service: unit }).spec).toMatchObject({
    arbitrators: [],
    discardDataOf: [],
  })
})

it('a server without Galera has no state in a cluster, and one that just started no numbers', () => {
  expect(readStatus([['wsrep_provider_name', '']])).toBeUndefined()
  expect(readStatus([['wsrep_provider_name', 'Galera']])).toEqual({
    ...{ primary: false, connected: true, synced: false, state: '', size: 0, servers: 0, members: [], uuid: undefined, seqno: -1 },
  })
  expect(readStatus([['wsrep_local_state_comment', 'Donor/Desynced']])?.synced).toBe(true)
  expect(readStatus([['wsrep_local_state_uuid', '']])?.uuid).toBeUndefined()
})

it('members are rows with an identifier of Galera', () => {
  const uuid = '61e2345f-e7f5-11f1-a02e-df21708565af'
  const rows = [`x${uuid}`, `${uuid}'; DROP`, uuid].map((one, i) => [`member db-0${i}`, one])
  expect(readStatus([...rows, ['other', uuid]])?.members).toEqual([{ name: 'db-02', uuid }])
})

it('reads a recorded answer', () => {
  const texts = new Map([
    ['/var/lib/mysql/grastate.dat', recorded('galera-grastate').toString().split('\n')],
    ['/var/lib/mariadb/grastate.dat', ['uuid: 11111111-1111-1111-1111-111111111111', 'seqno: 5']],
  ])
  const units = new Map([
    [
      'mariadb.service',
      new Map([
        ['LoadState', 'loaded'],
        ['ActiveState', 'active'],
      ]),
    ],
  ])
  const read = (data: string) =>
    galera.kind
      .observe([at('web-01')])
      .parse(Buffer.concat([Buffer.from(`data ${data}\n`), recorded('galera')]), { ...NOTHING, texts, units })
      .get('database')
  const state = read('/var/lib/mysql')
  expect(read('/var/lib/mariadb')?.position).toMatchObject({ uuid: '11111111-1111-1111-1111-111111111111', seqno: 5 })
  expect(state?.status).toEqual({ ...SYNCED, uuid: '61e2345f-e7f5-11f1-a02e-df21708565af', seqno: expect.any(Number) })
  expect(state?.position).toEqual({ uuid: '61e2345f-e7f5-11f1-a02e-df21708565af', seqno: -1, databases: ['shop', 'shop_1'] })
  expect(readPosition(['uuid:    00000000-0000-0000-0000-000000000000', 'seqno:   -1'])).toEqual({ uuid: undefined, seqno: -1 })
  expect(readPosition([])).toEqual({ uuid: undefined, seqno: -1 })
})

it.each<[string, string, string, string, boolean]>([
  ['web-01', 'garb.service', 'active', 'enabled', true],
  ['web-01', 'garb.service', 'activating', 'disabled', true],
  ['web-01', 'garb.service', 'inactive', 'enabled', true],
  ['web-01', 'garb.service', 'reloading', 'disabled', true],
  ['web-01', 'garb.service', 'inactive', 'enabled-runtime', true],
  ['web-01', 'garb.service', 'failed', 'disabled', false],
  ['web-01', 'garb.service', 'inactive', '', false],
  ['lb-01', 'mariadb.service', 'active', 'enabled', false],
])('reads on %s whether %s is in the way: %s, %s', (me, other, active, enabled, expected) => {
  const properties = (active: string, enabled: string) =>
    new Map(Object.entries({ LoadState: 'loaded', ActiveState: active, UnitFileState: enabled }))
  const query = galera.kind.observe([at(me)])
  expect(query.shared?.units).toContain(other)
  for (const data of ['/var/lib/mariadb', '/var/lib/mysql']) expect(query.shared?.texts).toContain(`${data}/${GRASTATE}`)
  expect(String(query.script)).toMatch(
    /database %s[\s\S]*\necho "data \$data"\n[\s\S]*wsrep_cluster_status[\s\S]*\necho 'provision-services'/,
  )
  const read = (texts: ReadonlyMap<string, readonly string[]>) => {
    const units = new Map([
      ['mariadb.service', properties('inactive', '')],
      [other, properties(active, enabled)],
    ])
    return query.parse(Buffer.from('data /var/lib/mysql\ndown\nprovision-services\n'), { ...NOTHING, texts, units }).get('database')
      ?.otherRuns
  }
  expect(read(new Map())).toBe(expected)
  // A server that was in the cluster has its port.
  if (me === 'lb-01') expect(read(new Map([[`/var/lib/mysql/${GRASTATE}`, grastate(4).split('\n')]]))).toBe(true)
})

it.each([
  ['a history', ['uuid: x', 'seqno: 1'], '"x" is not a Galera history'],
  ['a number', ['seqno: 1e9'], '"1e9", which is not a whole number'],
  ['a number that is missing', ['seqno:'], '"", which is not a whole number'],
])('what is no %s is not read as one', (_, lines, why) => {
  expect(() => readPosition(lines)).toThrow(why)
  expect(() => readPosition(lines)).toThrow(HostRefusal)
})

/** A cluster of values: what each host answers to a question, and what was done where. */
const carryOut = (
  me: string,
  members: Record<string, GaleraState>,
  answers: Record<string, { stands?: string; grastate?: string }>,
  more: object = {},
) => {
  const done: string[] = []
  const state = new Map(Object.entries(members))
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const steps = galera.kind.apply([
    { id: 'database', spec: at(me, more), state: state.get(me) as GaleraState, change, members: () => state },
  ])
  const answer = (step: Step): Answer => {
    if (step.do !== 'shell') throw new Error('only scripts')
    const host = step.on ?? me
    if (String(step.script).includes(`the data of ${host} is not as it was observed`)) done.push(`${host} is compared`)
    const said = (text: string): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })
    const script = String(step.script)
    if (script.includes("SELECT 'end'")) return said(answers[host]?.stands ?? 'down\n')
    if (script === `${DEFINE_DATA}\n${readAsMysql(sh`"$data"/${GRASTATE}`)}`) return said(answers[host]?.grastate ?? '')
    if (script.includes('galera_recovery')) return said('--wsrep_start_position=11111111-1111-1111-1111-111111111111:77')
    const stopped = /^systemctl disable --now -q -- (\S+)$/.exec(script)?.[1]
    const begins =
      stopped !== undefined
        ? `stops ${stopped}`
        : script.includes('wsrep-new-cluster')
          ? 'begins'
          : script.includes('pc.bootstrap')
            ? 'claims the majority'
            : undefined
    done.push(
      `${host} ${begins ?? (script.includes('try-restart') || script.startsWith('systemctl restart ') ? 'restarts' : script.includes('provision-done') ? 'is seen to' : 'waits')}`,
    )
    return said('')
  }
  try {
    for (let next = steps.next(); next.done !== true; ) next = steps.next(answer(next.value))
  } catch (error) {
    if (!(error instanceof HostRefusal)) throw error
    done.push(`refused: ${error.what}; ${error.why}`)
  }
  return done
}
const stands = (status: string, incoming: string, size: number, seqno = 7) =>
  `wsrep_last_committed\t${seqno}\nwsrep_local_state_uuid\t11111111-1111-1111-1111-111111111111\nwsrep_local_state_comment\tSynced\nwsrep_incoming_addresses\t${incoming}\nwsrep_cluster_size\t${size}\nwsrep_cluster_status\t${status}\nend\n`
const grastate = (seqno: number, uuid = '11111111-1111-1111-1111-111111111111') => `uuid:    ${uuid}\nseqno:   ${seqno}\n`

describe('applying a cluster member', () => {
  const down = { 'web-01': member(undefined), 'web-02': member(undefined), 'lb-01': arbiter() }

  it('bootstraps on the server with the newest data, also on another host, and then joins', () => {
    const answers = { 'web-01': { grastate: grastate(2859) }, 'web-02': { grastate: grastate(2860) } }
    expect(carryOut('web-01', down, answers)).toEqual(['web-02 begins', 'lb-01 restarts', 'web-01 is seen to', 'web-01 waits'])
    expect(carryOut('web-02', down, answers)).toEqual(['web-02 begins', 'lb-01 restarts', 'web-02 is seen to', 'web-02 waits'])
  })

  it('stops the arbitrator of the host before its server joins', () => {
    const members = { 'web-01': { ...bare, otherRuns: true }, 'web-02': member(SYNCED) }
    expect(carryOut('web-01', members, { 'web-02': { stands: stands('Primary', 'a:3306,', 2) } })).toEqual([
      'web-01 stops garb.service',
      'web-01 is compared',
      'web-01 is seen to',
      'web-01 waits',
    ])
  })

  it('waits until an arbitrator counts twice in a row, restarts it once meanwhile, and gives up', () => {
    const members = { 'web-01': member(SYNCED), 'web-02': member(SYNCED), 'lb-01': arbiter('inactive') }
    const counted = (size: number) => ({ 'web-01': { stands: stands('Primary', 'a:3306,b:3306', size) } })
    expect(carryOut('lb-01', members, counted(3))).toEqual(['lb-01 is seen to'])
    const refused = expect.stringMatching(/^refused: arbitrator not connected to web-01/)
    expect(carryOut('lb-01', members, counted(2))).toEqual(['lb-01 is seen to', 'lb-01 restarts', refused])
    // A third vote is not that of the only arbitrator.
    expect(carryOut('lb-01', members, counted(4))).toEqual(['lb-01 is seen to', 'lb-01 restarts', refused])
  })

  it('restarts a server that was evicted, if another one has the majority', () => {
    const members = { 'web-01': member(SYNCED), 'web-02': member(SYNCED) }
    const answers = { 'web-01': { stands: stands('Disconnected', '', 0) }, 'web-02': { stands: stands('Primary', 'a:3306,b:3306', 2) } }
    expect(carryOut('web-01', members, answers)).toEqual(['web-01 restarts', 'web-01 is seen to', 'web-01 waits'])
  })

  it('stops the server of the host before its arbitrator joins, only if another server has the majority', () => {
    const members = { 'web-01': member(SYNCED), 'web-02': member(SYNCED), 'lb-01': { ...arbiter('inactive'), otherRuns: true } }
    expect(carryOut('lb-01', members, { 'web-01': { stands: stands('Primary', 'a:3306,b:3306,', 3) } })).toEqual([
      'lb-01 stops mariadb.service',
      'lb-01 is seen to',
    ])
    expect(carryOut('lb-01', members, {})).toEqual([expect.stringMatching(/^refused: arbitrator not connected: no cluster found/)])
  })

  it('lets a server recover its position after an unclean stop', () => {
    const answers = { 'web-01': { grastate: grastate(76) }, 'web-02': { grastate: grastate(-1) } }
    expect(carryOut('web-01', down, answers)[0]).toBe('web-02 begins')
  })

  it('joins if another server has the majority', () => {
    expect(carryOut('web-01', down, { 'web-02': { stands: stands('Primary', ',a:3306', 2) } })).toEqual([
      'web-01 is seen to',
      'web-01 waits',
    ])
  })

  it('does not bootstrap if a server was not reached', () => {
    const { 'web-01': first } = down
    expect(carryOut('web-01', { 'web-01': first }, { 'web-01': { grastate: grastate(5) } })[0]).toMatch(
      /^refused: .* web-02 could have newer data/,
    )
  })

  it('does not bootstrap from different histories, unless one may be discarded', () => {
    const answers = { 'web-01': { grastate: grastate(5) }, 'web-02': { grastate: grastate(9, '22222222-2222-2222-2222-222222222222') } }
    expect(carryOut('web-01', down, answers)[0]).toMatch(/^refused: servers have data of different clusters/)
    expect(carryOut('web-01', down, answers, { discardDataOf: ['web-02'] })[0]).toBe('web-01 begins')
  })

  it('does not replace data from outside the cluster, unless it may be discarded', () => {
    const alien = { ...down, 'web-01': { ...member(undefined), position: { uuid: undefined, seqno: -1, databases: ['old'] } } }
    const answers = { 'web-02': { stands: stands('Primary', 'a:3306', 2) } }
    expect(carryOut('web-01', alien, answers)[0]).toMatch(/^refused: .*it was never a member, and has the databases old/)
    expect(carryOut('web-01', alien, answers, { discardDataOf: ['web-01'] })).toEqual(['web-01 is seen to', 'web-01 waits'])
    // In the request that starts it, so that a backup that somebody restored meanwhile is kept.
    const empty = { ...down, 'web-01': { ...member(undefined), position: { uuid: undefined, seqno: -1, databases: [] } } }
    expect(carryOut('web-01', empty, answers)).toEqual(['web-01 is compared', 'web-01 is seen to', 'web-01 waits'])
    expect(carryOut('web-01', empty, answers, { discardDataOf: ['web-01'] })).toEqual(['web-01 is seen to', 'web-01 waits'])
  })

  it('stops no server while another one is down', () => {
    const members = { 'web-01': member(SYNCED), 'web-02': member(undefined), 'lb-01': arbiter() }
    expect(carryOut('web-01', members, { 'web-01': { stands: stands('Primary', ',a:3306', 2) } })).toEqual([
      'refused: web-01 not changed while another server of the cluster is down; only 1 of web-01, web-02 is in the cluster',
    ])
  })

  it('bootstraps on the server with data to keep if none was in a cluster, and stops one without Galera first', () => {
    const own = (databases: string[]): GaleraState => ({
      ...member(undefined),
      service: RUNS,
      position: { uuid: undefined, seqno: -1, databases },
    })
    const members = { 'web-01': own(['shop']), 'web-02': own(['shop']), 'lb-01': arbiter() }
    expect(carryOut('web-02', members, {}, { discardDataOf: ['web-01'] }).slice(0, 2)).toEqual(['web-02 waits', 'web-02 begins'])
    expect(galera.kind.sequence?.(at('web-01', { discardDataOf: ['web-01'] }), new Map(Object.entries(members)))[0]).toBe('web-02')
    expect(carryOut('web-02', { ...members, 'web-01': own([]) }, {})[1]).toBe('web-02 begins')
    expect(carryOut('web-02', members, {})[0]).toMatch(/^refused: cluster not bootstrapped on web-02/)
  })

  it('makes one server the majority if all run without one', () => {
    const alone = stands('non-Primary', 'a:3306', 1)
    const members = { 'web-01': member(SYNCED), 'web-02': member(SYNCED), 'lb-01': arbiter() }
    expect(carryOut('web-01', members, { 'web-01': { stands: alone }, 'web-02': { stands: alone } })[0]).toBe('web-01 claims the majority')
    expect(carryOut('web-01', members, { 'web-01': { stands: alone }, 'web-02': { grastate: grastate(8) } })[0]).toBe('web-02 begins')
    expect(
      carryOut(
        'web-02',
        { ...members, 'web-02': member(undefined) },
        { 'web-01': { stands: alone }, 'web-02': { grastate: grastate(6) } },
      )[0],
    ).toBe('web-01 claims the majority')
    expect(carryOut('web-01', { 'web-01': member(SYNCED) }, { 'web-01': { stands: alone } })[0]).toMatch(
      /^refused: .* web-02 could have newer data/,
    )
  })
})
