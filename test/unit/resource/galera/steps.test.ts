import { describe, expect, it } from 'vitest'
import { galera } from '../../../../src/resource/galera/galera.ts'
import type { GaleraState } from '../../../../src/resource/galera/observe.ts'
import { HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import type { ServiceState } from '../../../../src/resource/service/observe.ts'
import { service } from '../../../../src/resource/service/service.ts'

const UUID = '11111111-1111-1111-1111-111111111111'
const DAY_MS = 24 * 3_600_000

/** The answer of a server about its cluster. */
const says = (status: string, servers: number, more: { size?: number; seqno?: number; members?: readonly string[] } = {}): string =>
  [
    ...(more.members ?? []).map((name, i) => `member ${name}\t${UUID.slice(0, -1)}${i}`),
    `wsrep_last_committed\t${more.seqno ?? 7}`,
    `wsrep_local_state_uuid\t${UUID}`,
    'wsrep_local_state_comment\tSynced',
    `wsrep_incoming_addresses\t${Array.from({ length: servers }, (_, i) => `10.0.0.${i + 1}:3306`).join(',')}`,
    `wsrep_cluster_size\t${more.size ?? servers}`,
    `wsrep_cluster_status\t${status}`,
    'end\n',
  ].join('\n')
const primary = (servers: number, more: Parameters<typeof says>[2] = {}): string => says('Primary', servers, more)
const alone = says('non-Primary', 1)

interface Host {
  /** Answers about its status, in order; the last one stays. Default: it does not run. */
  readonly says?: readonly string[]
  readonly grastate?: string
  readonly recovers?: string
  /** Its service runs at the observation. */
  readonly active?: boolean
  readonly databases?: readonly string[]
  /** It was in the cluster before. */
  readonly member?: boolean
  readonly otherRuns?: boolean
}

const stateOf = ({ active = false, databases = [], member = true, otherRuns = false, says: status }: Host): GaleraState => ({
  service: { load: 'loaded', active: active ? 'active' : 'inactive', sub: '', result: 'success', enabled: 'enabled' } as ServiceState,
  status: undefined,
  position: { uuid: member || status !== undefined ? UUID : undefined, seqno: -1, databases },
  otherRuns,
})

/** The steps of a member, one line each; questions about its status by host and wait. A step with one of the words in `fails` fails. */
const stepsOf = (
  me: string,
  hosts: Record<string, Host>,
  { fails = [], ...options }: { fails?: readonly string[]; arbitrators?: string[]; discardDataOf?: string[] } = {},
): readonly string[] => {
  const members = new Map(Object.entries(hosts).map(([host, its]) => [host, stateOf(its)]))
  const { spec } = galera({
    ...{ cluster: 'database', servers: ['web-01', 'web-02'], arbitrators: ['lb-01'], service: service({ unit: 'mariadb.service' }) },
    ...options,
    me,
  })
  const asked = new Map<string, number>()
  const events: string[] = []
  const answer = (step: Step) => {
    if (step.do !== 'shell') throw new Error(`unexpected step: ${step.do}`)
    const host = step.on ?? me
    const script = String(step.script)
    const ok = (text = '') => ({ code: 0, stdout: Buffer.from(text), stderr: '' })
    if (script.includes("SELECT 'end'")) {
      const wait = /^sleep (\d+);/.exec(script)?.[1]
      events.push(`${host}?${wait === undefined ? '' : ` after ${wait} s`}`)
      const all = hosts[host]?.says ?? ['down\n']
      const count = asked.get(host) ?? 0
      asked.set(host, count + 1)
      return ok(all[Math.min(count, all.length - 1)])
    }
    if (step.doing === undefined && script.includes('sysopen')) return ok(hosts[host]?.grastate ?? '')
    const sql = /SET GLOBAL [^;]*;/.exec(script)?.[0]
    const line = `${host}: ${step.doing ?? script}${sql === undefined ? '' : ` (${sql})`}${step.withinMs === DAY_MS ? ' within a day' : ''}`
    events.push(line)
    if (fails.some((word) => line.includes(word))) return { code: 1, stdout: Buffer.from(''), stderr: 'no' }
    if (script.includes('galera_recovery')) return ok(hosts[host]?.recovers ?? '')
    return ok(`provision-done mariadb.service\n`)
  }
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const steps = galera.kind.apply([{ id: 'database', spec, state: members.get(me) as GaleraState, change, members: () => members }])
  try {
    for (let next = steps.next(); next.done !== true; ) next = steps.next(answer(next.value))
  } catch (error) {
    if (!(error instanceof HostRefusal)) throw error
    events.push(`refused: ${error.what}: ${error.why}`)
  }
  return events
}
const times = (count: number, event: string): readonly string[] => Array.from({ length: count }, () => event)
/** The end of each successful application on a server. */
const applied = (me: string): readonly string[] => [`${me}: changing mariadb.service within a day`, `${me}: waiting until it is synced`]

describe('a server that changes', () => {
  it('is asked for its state once, if the cluster is complete', () => {
    const hosts = { 'web-01': { says: [primary(2)] }, 'web-02': { says: [primary(2)] } }
    expect(stepsOf('web-01', hosts)).toEqual(['web-01?', ...applied('web-01')])
  })

  it('is an error if it is not synced afterwards', () => {
    const hosts = { 'web-01': { says: [primary(2)] }, 'web-02': { says: [primary(2)] } }
    expect(stepsOf('web-01', hosts, { fails: ['waiting until it is synced'] }).at(-1)).toBe(
      'refused: server not synced with the cluster (exit 1): no',
    )
  })

  it('waits a minute for the other server, and then does not stop', () => {
    const hosts = { 'web-01': { says: [primary(1), primary(1), primary(2)] }, 'web-02': {} }
    expect(stepsOf('web-01', hosts)).toEqual(['web-01?', 'web-01?', 'web-01? after 1 s', ...applied('web-01')])
    expect(stepsOf('web-01', { 'web-01': { says: [primary(1)] }, 'web-02': {} })).toEqual([
      ...times(2, 'web-01?'),
      ...times(59, 'web-01? after 1 s'),
      'refused: web-01 not changed while another server of the cluster is down: only 1 of web-01, web-02 is in the cluster',
    ])
    expect(stepsOf('web-01', { 'web-01': { says: [primary(1), 'down\n'] }, 'web-02': {} }).at(-1)).toContain(
      'only 0 of web-01, web-02 are in the cluster',
    )
  })

  it('waits for servers that were not reached, and for none that was never in the cluster', () => {
    expect(stepsOf('web-01', { 'web-01': { says: [primary(1)] } }).at(-1)).toContain('only 1 of web-01, web-02 is in the cluster')
    expect(stepsOf('web-01', { 'web-01': { says: [primary(1)] }, 'web-02': { member: false } })).toEqual(['web-01?', ...applied('web-01')])
    // It counts itself, also before it was in a cluster.
    expect(stepsOf('web-01', { 'web-01': { says: [primary(0), primary(1)], member: false }, 'web-02': { member: false } })).toEqual([
      ...times(2, 'web-01?'),
      ...applied('web-01'),
    ])
  })

  it('stops the unit of its former function first, or not at all', () => {
    const hosts = { 'web-01': { otherRuns: true, says: [primary(2)] }, 'web-02': { says: [primary(2)] } }
    expect(stepsOf('web-01', hosts).slice(0, 2)).toEqual(['web-01: stopping garb.service', 'web-01?'])
    expect(stepsOf('web-01', hosts, { fails: ['stopping'] })).toEqual([
      'web-01: stopping garb.service',
      'refused: garb.service not stopped (exit 1): no',
    ])
  })
})

describe('a server that is not in the inventory', () => {
  const strangers = ['web-01', 'db-03', 'db-04']
  const evicted = [3, 4].map(
    (name, i) =>
      `web-01: evicting db-0${name} from the cluster (SET GLOBAL wsrep_provider_options = 'evs.evict=${UUID.slice(0, -1)}${i + 1}';)`,
  )

  it('is evicted, each by its identifier, until the cluster does not name it', () => {
    const hosts = {
      'web-01': { says: [primary(4, { members: strangers }), primary(3, { members: ['web-01', 'db-04'] }), 'down\n', primary(2)] },
      'web-02': { says: [primary(2)] },
    }
    expect(stepsOf('web-01', hosts)).toEqual(['web-01?', ...evicted, 'web-01?', ...times(2, 'web-01? after 1 s'), ...applied('web-01')])
  })

  it('is an error if it stays for half a minute', () => {
    const hosts = { 'web-01': { says: [primary(4, { members: strangers })] }, 'web-02': {} }
    expect(stepsOf('web-01', hosts).slice(3)).toEqual([
      'web-01?',
      ...times(29, 'web-01? after 1 s'),
      'refused: db-03, db-04 still a member of the cluster: it is not among the servers of the inventory, and its eviction had no effect',
    ])
    expect(stepsOf('web-01', hosts, { fails: ['evicting db-03'] }).at(-1)).toBe('refused: db-03 not evicted from the cluster (exit 1): no')
  })
})

describe('a server without the majority', () => {
  const other = { says: [primary(1)] }
  const restart = 'web-01: restarting mariadb.service to join the cluster within a day'

  it('waits a minute while it is connected, and then restarts', () => {
    expect(stepsOf('web-01', { 'web-01': { says: [alone, alone, alone, primary(2)] }, 'web-02': other })).toEqual([
      ...['web-01?', 'web-02?', 'web-01?'],
      ...times(2, 'web-01? after 1 s'),
      ...applied('web-01'),
    ])
    expect(stepsOf('web-01', { 'web-01': { says: [alone] }, 'web-02': other })).toEqual([
      ...['web-01?', 'web-02?', 'web-01?'],
      ...times(59, 'web-01? after 1 s'),
      restart,
      ...applied('web-01'),
    ])
  })

  it('restarts at once if it was evicted', () => {
    const hosts = { 'web-01': { says: [says('Disconnected', 0)] }, 'web-02': other }
    expect(stepsOf('web-01', hosts)).toEqual(['web-01?', 'web-02?', restart, ...applied('web-01')])
    expect(stepsOf('web-01', hosts, { fails: ['restarting'] }).at(-1)).toBe('refused: mariadb.service did not restart (exit 1): no')
  })

  it('bootstraps only if neither it nor another server regains the majority', () => {
    expect(stepsOf('web-01', { 'web-01': { says: [alone, alone, primary(2)] }, 'web-02': { says: [alone] } })).toEqual([
      ...['web-01?', 'web-02?', 'web-01?', 'web-01? after 1 s'],
      ...applied('web-01'),
    ])
    const late = stepsOf('web-01', { 'web-01': { says: [alone] }, 'web-02': { says: [alone, primary(1)] } })
    expect(late.filter((event) => !event.includes('?'))).toEqual(applied('web-01'))
  })

  it('becomes the majority by one statement, with the newest data', () => {
    const hosts = { 'web-01': { says: [alone] }, 'web-02': { grastate: `uuid: ${UUID}\nseqno: 7\n` }, 'lb-01': {} }
    const claim =
      "web-01: bootstrapping the cluster on web-01, which has the newest data (transaction 7) (SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES';)"
    expect(stepsOf('web-01', hosts).filter((event) => !event.includes('?'))).toEqual([
      claim,
      'lb-01: systemctl try-restart garb.service',
      ...applied('web-01'),
    ])
    expect(stepsOf('web-02', hosts).filter((event) => !event.includes('?'))[0]).toBe(claim)
    expect(stepsOf('web-01', hosts, { fails: ['bootstrapping'] }).at(-1)).toBe(
      'refused: web-01 not the majority after its bootstrap (exit 1): no',
    )
  })
})

describe('a bootstrap', () => {
  const at = (seqno: number): Host => ({ grastate: `uuid: ${UUID}\nseqno: ${seqno}\n` })
  const rest = (events: readonly string[]): readonly string[] => events.filter((event) => !event.includes('?'))

  it.each<[string, Record<string, Host>, string]>([
    [
      'of the newest data',
      { 'web-01': at(7), 'web-02': at(8) },
      'web-02: bootstrapping the cluster on web-02, which has the newest data (transaction 8)',
    ],
    [
      'of the first transaction',
      { 'web-01': at(0), 'web-02': {} },
      'web-01: bootstrapping the cluster on web-01, which has the newest data (transaction 0)',
    ],
    [
      'of the first of equals',
      { 'web-01': at(7), 'web-02': at(7) },
      'web-01: bootstrapping the cluster on web-01, which has the newest data (transaction 7)',
    ],
    ['of no data', { 'web-01': { member: false }, 'web-02': { member: false } }, 'web-01: bootstrapping the cluster on web-01'],
  ])('%s', (_, hosts, event) => expect(rest(stepsOf('web-01', hosts))).toEqual([`${event} within a day`, ...applied('web-01')]))

  it('reads the position of each server there', () => {
    expect(stepsOf('web-02', { 'web-01': at(7), 'web-02': at(7) }).slice(0, 4)).toEqual(['web-02?', 'web-01?', 'web-01?', 'web-02?'])
  })

  it('recovers a position only after an unclean stop, on that server', () => {
    const unclean = { ...at(-1), recovers: `WSREP: ${UUID}:9` }
    expect(rest(stepsOf('web-01', { 'web-01': at(8), 'web-02': unclean })).slice(0, 2)).toEqual([
      'web-02: recovering the position of web-02',
      'web-02: bootstrapping the cluster on web-02, which has the newest data (transaction 9) within a day',
    ])
    expect(rest(stepsOf('web-01', { 'web-01': at(8), 'web-02': at(-1) })).at(-1)).toBe(
      'refused: position of web-02 not recovered: the host printed nothing',
    )
  })

  it('takes a running server before a stopped one with the same data', () => {
    const hosts = { 'web-01': at(7), 'web-02': { says: [says('non-Primary', 1, { seqno: 7 })] } }
    expect(rest(stepsOf('web-01', hosts))[0]).toContain('bootstrapping the cluster on web-02')
  })

  it('stops a server that runs without Galera, there, before its file is written', () => {
    const own = { member: false, databases: ['shop'] }
    const hosts = (active: boolean) => ({ 'web-01': { ...own, active }, 'web-02': { member: false } })
    expect(rest(stepsOf('web-01', hosts(true)))).toEqual([
      'web-01: systemctl stop mariadb.service',
      'web-01: bootstrapping the cluster on web-01 within a day',
      ...applied('web-01'),
    ])
    expect(rest(stepsOf('web-01', hosts(false)))[0]).toBe('web-01: bootstrapping the cluster on web-01 within a day')
    expect(stepsOf('web-01', hosts(true), { fails: ['stop'] }).at(-1)).toBe('refused: MariaDB on web-01 not stopped (exit 1): no')
    const there = { 'web-01': at(7), 'web-02': { ...at(8), active: true } }
    expect(rest(stepsOf('web-01', there))[0]).toBe('web-02: systemctl stop mariadb.service')
  })

  it('restarts the arbitrators that were reached', () => {
    const hosts = { 'web-01': at(7), 'web-02': at(7), 'lb-02': {} }
    expect(rest(stepsOf('web-01', hosts, { arbitrators: ['lb-01', 'lb-02'] }))[1]).toBe('lb-02: systemctl try-restart garb.service')
  })

  it('is refused if all data may be discarded or belongs to different clusters', () => {
    const other = `uuid: ${UUID.replaceAll('1', '2')}\nseqno: 9\n`
    const hosts = { 'web-01': at(7), 'web-02': { grastate: other } }
    const refused = `refused: servers have data of different clusters: web-01: ${UUID}, transaction 7; web-02: ${UUID.replaceAll('1', '2')}, transaction 9`
    expect(rest(stepsOf('web-01', hosts))).toEqual([refused])
    expect(rest(stepsOf('web-01', hosts, { discardDataOf: ['web-01', 'web-02'] }))).toEqual([refused])
    expect(rest(stepsOf('web-01', hosts, { discardDataOf: ['web-01'] }))[0]).toContain('bootstrapping the cluster on web-02')
  })

  it('joins what another server bootstrapped, without data of its own', () => {
    const hosts = { 'web-01': { member: false }, 'web-02': { says: [primary(1)] } }
    expect(stepsOf('web-01', hosts)).toEqual(['web-01?', 'web-02?', ...applied('web-01')])
  })
})

describe('an arbitrator', () => {
  const counts = (...sizes: readonly number[]): Host => ({ says: [primary(2), ...sizes.map((size) => primary(2, { size }))] })
  const lb = { member: false }
  const started = (events: readonly string[]): readonly string[] =>
    events.slice(events.indexOf('lb-01: changing mariadb.service within a day') + 1)

  it('counts twice in a row at the first server of the majority', () => {
    expect(started(stepsOf('lb-01', { 'web-01': {}, 'web-02': counts(3), 'lb-01': lb }))).toEqual(['web-02?', 'web-02? after 1 s'])
    expect(started(stepsOf('lb-01', { 'web-01': counts(3, 2, 3), 'web-02': counts(3), 'lb-01': lb }))).toEqual([
      'web-01?',
      ...times(3, 'web-01? after 1 s'),
    ])
  })

  it('counts from those before it to all of them', () => {
    const events = (me: string, size: number) =>
      stepsOf(me, { 'web-01': counts(size), 'web-02': {}, [me]: lb }, { arbitrators: ['lb-01', 'lb-02'] }).filter((event) =>
        event.startsWith('refused'),
      ).length
    expect([2, 3, 4, 5].map((size) => events('lb-01', size))).toEqual([1, 0, 0, 1])
    expect([2, 3, 4, 5].map((size) => events('lb-02', size))).toEqual([1, 1, 0, 1])
  })

  it('is restarted once after a quarter of a minute, and is an error after three quarters', () => {
    expect(started(stepsOf('lb-01', { 'web-01': counts(2), 'web-02': {}, 'lb-01': lb }))).toEqual([
      'web-01?',
      ...times(15, 'web-01? after 1 s'),
      'lb-01: systemctl restart mariadb.service',
      ...times(29, 'web-01? after 1 s'),
      'refused: arbitrator not connected to web-01: its service runs, but the cluster does not count it',
    ])
  })

  it('changes nothing without a cluster', () => {
    expect(stepsOf('lb-01', { 'web-01': { says: [alone] }, 'lb-01': { ...lb, otherRuns: true } })).toEqual([
      'web-01?',
      'refused: arbitrator not connected: no cluster found: no reached server belongs to a majority (web-01, web-02)',
    ])
  })
})
