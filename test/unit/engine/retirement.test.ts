import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { apply } from '../../../src/engine/apply/apply.ts'
import { type Departed, departedHosts, departures, stillAdmitted } from '../../../src/engine/departed.ts'
import { recordings, retirements } from '../../../src/engine/plan/retirement.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run, RunHost } from '../../../src/engine/run-state.ts'
import { type CertifiedHosts, recordCertified } from '../../../src/keystore/certified-hosts.ts'
import { lineOf, Problem, Problems } from '../../../src/problem.ts'
import { unfilteredHosts } from '../../../src/role/flows.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { project, siteOf } from '../site/project.ts'
import { runWith } from './run-with.ts'

const INVENTORY = 'vars: { user: ops, known_hosts: k }\nhosts:\n  web-01: { address: 192.0.2.1 }\n  web-02: { address: 192.0.2.2 }\n'
const FILE = 'inventory/hosts.yaml'

const siteWith = async (certified: CertifiedHosts) => {
  const site = await siteOf(INVENTORY)
  mkdirSync(join(site.root, 'identities'))
  writeFileSync(join(site.root, 'identities/hosts.json'), JSON.stringify(certified))
  return site
}

describe('a host that left the inventory', () => {
  it('is one with certificates of the site, recorded for this inventory', async () => {
    const site = await siteWith({
      [FILE]: { 'web-01': ['authority:edge'], 'web-03': ['authority:edge', 'authority:metrics'], 'db-01': ['authority:database'] },
    })
    expect(departedHosts(site)).toEqual([
      { host: 'db-01', inventories: [FILE], identities: ['authority:database'] },
      { host: 'web-03', inventories: [FILE], identities: ['authority:edge', 'authority:metrics'] },
    ])
  })

  it('is not a host of another inventory, unless that file was deleted or renamed', async () => {
    const site = await siteWith({ 'inventory/other.yaml': { 'web-09': ['authority:edge'] }, [FILE]: { 'web-09': ['authority:metrics'] } })
    writeFileSync(join(site.root, 'inventory/other.yaml'), '')
    expect(departedHosts(site)).toEqual([{ host: 'web-09', inventories: [FILE], identities: ['authority:metrics'] }])
    const renamed = await siteWith({ 'inventory/former.yaml': { 'web-01': ['authority:edge'], 'web-09': ['authority:edge'] } })
    expect(departedHosts(renamed)).toEqual([{ host: 'web-09', inventories: ['inventory/former.yaml'], identities: ['authority:edge'] }])
  })

  it('is known of an inventory file that has no hosts any more', async () => {
    const root = project({
      'inventory/hosts.yaml': INVENTORY,
      'inventory/web.yaml': 'groups: { web: { hosts: [web-01] } }\n',
      'identities/hosts.json': '{ "inventory/web.yaml": { "web-09": ["authority:edge"] } }',
    })
    const site = buildSite(await readProject({ root, env: {}, playbooks: [] }), { knownRoles: [] })
    expect(departedHosts(site)).toEqual([{ host: 'web-09', inventories: ['inventory/web.yaml'], identities: ['authority:edge'] }])
  })

  it('is known by any path of its inventory', async () => {
    const files = { [FILE]: INVENTORY, 'identities/hosts.json': `{ "${FILE}": { "web-09": ["authority:edge"] } }` }
    const root = project(files)
    for (const inventory of [`./${FILE}`, join(root, FILE)]) {
      const site = buildSite(await readProject({ root, env: {}, playbooks: [], inventory }), { knownRoles: [] })
      expect(departedHosts(site)).toMatchObject([{ host: 'web-09' }])
    }
  })

  it('is not known where no certificate was issued', async () => {
    expect(departedHosts(await siteOf(INVENTORY))).toEqual([])
  })

  it('is warned about until it is retired', async () => {
    const site = await siteWith({ [FILE]: { 'web-03': ['authority:edge'], 'db-01': ['authority:database'] } })
    const { retired, left } = departures(departedHosts(site), ['web-03'], site)
    expect(retired.map(({ host }) => host)).toEqual(['web-03'])
    expect(left).toMatchObject([
      {
        where: { file: FILE },
        what: 'db-01 is not in the inventory any more, and has certificates of authority:database',
        fix: 'switch db-01 off or delete its keys, then run provision run --retire db-01',
      },
    ])
  })

  it('may still be admitted by hosts for which the run has no firewall', async () => {
    const site = await siteWith({ [FILE]: { 'web-03': ['authority:edge'], 'db-01': ['authority:database'] } })
    const { retired } = departures(departedHosts(site), ['db-01', 'web-03'], site)
    const firewall = (host: string) => ({ host, role: { name: 'firewall' } })
    const words = (...bound: Parameters<typeof unfilteredHosts>[1][number][]) =>
      stillAdmitted(retired, unfilteredHosts(site, bound)).map(lineOf)
    const fix = 'run the playbook that has the role firewall for every host'
    expect(words(firewall('web-02'), { host: 'web-01', role: { name: 'nginx' } })).toEqual(
      ['db-01', 'web-03'].map(
        (host) => `--retire ${host}: web-01 may still admit ${host}, because this run has no role firewall for it: ${fix}`,
      ),
    )
    expect(words()[0]).toBe(`--retire db-01: web-01, web-02 may still admit db-01, because this run has no role firewall for them: ${fix}`)
    expect(words(firewall('web-01'), firewall('web-02'))).toEqual([])
    expect(stillAdmitted([], ['web-01'])).toEqual([])
  })

  it.each([
    ['a host of the inventory', 'web-01', 'web-01 is in the inventory', 'remove it from the inventory first'],
    ['a misspelt one', 'web-3', 'no host web-3 with certificates of the site left the inventory', 'did you mean `web-03`?'],
    [
      'an unknown one',
      'else',
      'no host else with certificates of the site left the inventory',
      'name a host that left (available: db-01, web-03)',
    ],
  ])('is not %s', async (_, name, what, fix) => {
    const site = await siteWith({ [FILE]: { 'web-03': ['authority:edge'], 'db-01': ['authority:database'] } })
    expect(problemsOf(() => departures(departedHosts(site), [name], site))).toMatchObject([
      { class: 'input', where: { command: `--retire ${name}` }, what, fix },
    ])
  })

  it('cannot be retired twice', async () => {
    expect(problemsOf(() => departures([], ['web-03'], { hosts: new Map() } as never))).toMatchObject([
      { fix: 'remove this option: nothing is left to retire' },
    ])
  })
})

const problemsOf = (act: () => unknown): readonly Problem[] => {
  try {
    act()
  } catch (error) {
    if (error instanceof Problems) return error.problems
    throw error
  }
  return []
}

describe('a retirement', () => {
  const departed: Departed = { host: 'web-03', inventories: [FILE, 'gone.yaml'], identities: ['authority:edge', 'authority:metrics'] }
  const recorded = {
    [FILE]: { 'web-01': ['authority:edge'], 'web-03': ['authority:edge'] },
    'gone.yaml': { 'web-03': ['authority:metrics'] },
  }

  const applied = async (more: Partial<Run> = {}, identity: () => void = () => {}) => {
    const { root } = await siteWith(recorded)
    const prepared = { root, retire: [departed], site: { plays: [] }, targets: [], bindings: { bound: [] } } as unknown as Run['prepared']
    const applied: string[] = []
    const listen: Run['listen'] = (event) => event.type === 'change' && applied.push(`${event.phase} ${event.change.resource}`)
    const run = runWith({
      prepared,
      plan: { changes: [{ ...made, resource: 'authority:edge' }, ...retirements(prepared)], resources: new Map() },
      hosts: new Map(),
      identities: { make: async () => identity() } as unknown as Run['identities'],
      listen,
      ...more,
    })
    const { result } = await apply(run)
    return { result, applied, kept: JSON.parse(readFileSync(join(root, 'identities/hosts.json'), 'utf8')) }
  }
  const [made] = retirements({ retire: [departed], site: { plays: [] } } as never) as [ReturnType<typeof retirements>[number]]

  it('is the last change of the plan, on the controller', () => {
    expect(retirements({ retire: [departed], site: { plays: [{}, {}] } } as never)).toMatchObject([
      {
        host: 'controller',
        resource: 'host:web-03',
        action: 'delete',
        certainty: 'exact',
        reason: 'retired: its certificates of authority:edge, authority:metrics are not renewed any more',
        play: 1,
      },
    ])
  })

  it('removes the host from the record, after all other changes', async () => {
    expect(await applied()).toEqual({
      result: 'changed',
      applied: ['applied authority:edge', 'applied host:web-03'],
      kept: { [FILE]: { 'web-01': ['authority:edge'] }, 'gone.yaml': {} },
    })
  })

  it.each<[string, Partial<Run>, (() => void)?]>([
    ['a host could not be reached', { unreachable: [new Problem({ class: 'unreachable', where: { host: 'a' }, what: 'w', fix: 'f' })] }],
    ['the run was interrupted', { signal: AbortSignal.abort() }],
    ['a change failed', {}, () => expect.fail('no disk')],
  ])('does not happen if %s', async (_, more, identity) => {
    expect(await applied(more, identity)).toMatchObject({ result: expect.stringMatching(/failed|changed/), kept: recorded })
  })
})

describe('a host with certificates that the record lacks', () => {
  const found = (host: string, ...issuers: readonly string[]) =>
    ({ session: { host }, issuers, resources: [], pending: [], changes: [] }) as unknown as RunHost
  const hosts = [found('web-01', 'authority:edge'), found('web-02', 'authority:edge', 'authority:metrics')]
  const names = async (certified: CertifiedHosts, given = hosts) =>
    recordings({ site: await siteWith(certified) }, given).map(({ resource, reason }) => `${resource} ${reason}`)
  const applying = async (certified: CertifiedHosts) => {
    const site = await siteWith(certified)
    const text = () => readFileSync(join(site.root, 'identities/hosts.json'), 'utf8')
    const before = text()
    const prepared = {
      root: site.root,
      site: { ...site, plays: [] },
      retire: [],
      targets: [],
      bindings: { bound: [] },
    } as unknown as Run['prepared']
    const plan = { changes: recordings(prepared, hosts), resources: new Map() }
    expect(text()).toBe(before)
    const { result, prediction } = await apply({
      ...{ prepared, plan, observations: new Map(), unreachable: [], selected: () => true, allowDataLoss: new Set<string>() },
      hosts: new Map(hosts.map((one) => [one.session.host, one])),
      identities: { make: () => expect.fail('no identity is made') } as unknown as Run['identities'],
      borrow: async () => expect.fail('nothing is needed beside'),
      close: async () => undefined,
      progress: new RunProgress(() => {}),
      listen: () => {},
      signal: new AbortController().signal,
    })
    return { result, prediction, site, kept: JSON.parse(text()), again: recordings(prepared, hosts) }
  }

  it('is recorded by the run as planned, and once', async () => {
    expect(await applying({ [FILE]: { 'web-01': ['authority:edge'], 'web-03': ['authority:edge'] } })).toMatchObject({
      result: 'changed',
      prediction: { predicted: 1, actual: 1 },
      kept: { [FILE]: { 'web-01': ['authority:edge'], 'web-02': ['authority:edge', 'authority:metrics'], 'web-03': ['authority:edge'] } },
      again: [],
    })
  })

  it('is known again when it leaves, also by identities that issued it nothing since', async () => {
    const { site } = await applying({ [FILE]: { 'web-01': ['authority:edge'], 'web-02': ['authority:metrics'] } })
    const left = { ...site, hosts: new Map([...site.hosts].filter(([name]) => name !== 'web-02')) }
    expect(departedHosts(left)).toEqual([{ host: 'web-02', inventories: [FILE], identities: ['authority:edge', 'authority:metrics'] }])
  })

  it('is a change of the controller, which the first play shows', async () => {
    expect(recordings({ site: await siteWith({ [FILE]: { 'web-01': ['authority:edge'] } }) }, hosts)).toEqual([
      {
        ...{
          host: 'controller',
          role: 'inventory',
          resource: 'host:web-02',
          action: 'create',
          certainty: 'exact',
          differences: [],
          play: 0,
        },
        reason: 'has certificates of authority:edge, authority:metrics, and is not recorded with them',
      },
    ])
  })

  it('is not one that is recorded for this inventory, or for a file that was renamed', async () => {
    const all = { 'web-01': ['authority:edge'], 'web-02': ['authority:edge', 'authority:metrics'] }
    expect(await names({ [FILE]: all })).toEqual([])
    expect(await names({ 'inventory/former.yaml': all })).toEqual([])
    const site = await siteWith({ 'inventory/other.yaml': all })
    writeFileSync(join(site.root, 'inventory/other.yaml'), '')
    expect(recordings({ site }, hosts)).toHaveLength(2)
  })

  it('lacks only some of them in the record', async () => {
    expect(await names({ [FILE]: { 'web-01': ['authority:edge'], 'web-02': ['authority:metrics'] } })).toEqual([
      'host:web-02 has certificates of authority:edge, and is not recorded with them',
    ])
    expect(await names({}, [found('web-01'), found('web-02')])).toEqual([])
  })
})

describe('the record of certificates', () => {
  it('is written once for each host and identity, sorted', async () => {
    const { root } = await siteOf(INVENTORY)
    for (const host of ['web-02', 'web-01', 'web-02']) recordCertified(root, FILE, host, 'authority:edge')
    recordCertified(root, FILE, 'web-02', 'acme-account:letsencrypt')
    const text = readFileSync(join(root, 'identities/hosts.json'), 'utf8')
    expect(Object.entries(JSON.parse(text)[FILE])).toEqual([
      ['web-01', ['authority:edge']],
      ['web-02', ['acme-account:letsencrypt', 'authority:edge']],
    ])
    expect(text.endsWith('}\n')).toBe(true)
  })

  it.each(['{', '[]', '{"f":{"h":"authority:edge"}}'])('is refused if it is damaged: %s', async (text) => {
    const { root } = await siteOf(INVENTORY)
    mkdirSync(join(root, 'identities'))
    writeFileSync(join(root, 'identities/hosts.json'), text)
    expect(() => recordCertified(root, FILE, 'web-01', 'authority:edge')).toThrow('identities/hosts.json: identity is not a list of hosts')
    expect(readFileSync(join(root, 'identities/hosts.json'), 'utf8')).toBe(text)
  })

  it('has room for a fleet', async () => {
    const hosts = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`web-${i}`, ['authority:edge', 'authority:metrics']]))
    const site = await siteWith({ [FILE]: hosts })
    expect(departedHosts(site)).toHaveLength(5000)
  })
})
