import { describe, expect, test } from 'vitest'
import { digestsOf, isGuarded } from '../../../src/engine/plan/digest.ts'
import type { PlannedChange } from '../../../src/engine/plan/plan.ts'
import { rolloutsOf } from '../../../src/engine/plan/rollouts.ts'
import { readPlan, savePlan } from '../../../src/engine/plan/saved.ts'
import { stalenessOf } from '../../../src/engine/plan/staleness.ts'
import type { Prepared } from '../../../src/engine/prepare.ts'
import type { Run } from '../../../src/engine/run-state.ts'
import { Problem } from '../../../src/problem.ts'
import { file } from '../../../src/resource/file/file.ts'
import { text } from '../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { service } from '../../../src/resource/service/service.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { change } from '../report/values.ts'

const inode = { type: 'f', mode: '644', owner: 'root', group: 'root', target: '', sha256: 'a'.repeat(64) }

type DueHere = readonly (readonly [Resource, unknown, Partial<PlannedChange>?])[]

/** The site of a plan: which hosts are meant, how its one play goes, and where a role takes hosts out. */
interface Story {
  readonly targets?: readonly string[]
  readonly serial?: readonly number[]
  readonly maxFailures?: number
  readonly balancer?: string
  /** Resources of the host `a` that are as declared. */
  readonly converged?: readonly Resource[]
}

/** A plan: for each host its pending resources with their states. */
const plannedOn = (
  hosts: Readonly<Record<string, DueHere>>,
  { targets = Object.keys(hosts), serial = [], maxFailures = 0, balancer, converged = [] }: Story = {},
): Run => {
  const changes = Object.entries(hosts).flatMap(([host, pending]) =>
    pending.map(([one, , more]) => change(host, keyOf(one), { action: 'update', ...more })),
  )
  const context = { site: { hosts: targets.map((name) => ({ name })) } }
  const bound = balancer === undefined ? [] : [{ host: balancer, role: { name: 'lb', drains: () => ({ out: 'o', back: 'b' }) }, context }]
  const prepared = { targets, site: { plays: [{ serial, maxFailures }] }, bindings: { bound } } as unknown as Prepared
  return {
    prepared,
    plan: { changes, resources: new Map(), rollouts: rolloutsOf(prepared, changes) },
    hosts: new Map(
      Object.entries(hosts).map(([host, pending]) => [
        host,
        {
          pending: pending.map(([resource, seen, more = {}]) => ({ resource, state: seen, change: more })),
          resources: [...(host === 'a' ? converged : []), ...pending.map(([resource]) => resource)].map((resource) => ({ resource })),
        },
      ]),
    ),
  } as unknown as Run
}

const plannedOf = (...pending: DueHere): Run => plannedOn({ a: pending })

const scope = { playbooks: [], limit: ['web'], roles: [], prune: false, allowDataLoss: [], retire: [] }
const saved = (planned: Run): string => savePlan(planned, scope, new Date(0))
const compared = (before: Run, now: Run): readonly string[] =>
  stalenessOf(readPlan('p', saved(before)), now).map((problem) => `${problem.message}; ${problem.why ?? ''}`)

const motd = (content: string, seen: object = inode) => [file({ path: '/etc/motd', content }), seen] as const
const other = [file({ path: '/etc/other', content: 'x' }), inode] as const

describe('a saved plan', () => {
  test('is valid while nothing differs, and records its scope', () => {
    expect(compared(plannedOf(motd('hello'), other), plannedOf(motd('hello'), other))).toEqual([])
    expect(readPlan('p', saved(plannedOf(motd('hello')))).scope).toEqual(scope)
  })

  test('contains digests only: no content, and no secret that could be guessed', () => {
    const kept = saved(plannedOf([file({ path: '/etc/x', mode: '600', content: text`password=${new Secret('geheim1')}` }), inode]))
    expect(kept).not.toMatch(/password|geheim/)
    const [only] = readPlan('p', kept).changes
    // One slow digest per side: every guess costs time, and the parts cannot be guessed one by one.
    expect(Object.keys({ ...only?.wanted })).toEqual(['state'])
    expect(Object.keys({ ...only?.seen })).toEqual(['state'])
    expect(Object.keys({ ...only?.shown })).toEqual(['state'])
  })

  test.each<[string, Run, Run, string]>([
    [
      'the host is not as it was',
      plannedOf(motd('x')),
      plannedOf(motd('x', { ...inode, sha256: 'b'.repeat(64), mode: '600' })),
      'a › role nginx › file:/etc/motd: state has changed since the plan was saved; these differ: ',
    ],
    [
      'the host is not as it was, in one field',
      plannedOf(motd('x')),
      plannedOf(motd('x', { ...inode, sha256: 'b'.repeat(64) })),
      'a › role nginx › file:/etc/motd: state has changed since the plan was saved; these differ: content',
    ],
    [
      'the site wants something else',
      plannedOf(motd('x')),
      plannedOf(motd('y')),
      'a › role nginx › file:/etc/motd: desired state has changed since the plan was saved; these differ: content',
    ],
    [
      'there is more to do',
      plannedOf(motd('x')),
      plannedOf(motd('x'), other),
      'a › role nginx › file:/etc/other: change (update) is needed now and is not in the saved plan; does not exist',
    ],
    [
      'there is less to do',
      plannedOf(motd('x'), other),
      plannedOf(motd('x')),
      'a › role nginx › file:/etc/other: change (update) is in the saved plan and is no longer needed; ',
    ],
    [
      'the order is another',
      plannedOf(motd('x'), other),
      plannedOf(other, motd('x')),
      'saved plan: order of changes differs from the present plan; ',
    ],
  ])('is refused when %s', (_, before, now, problem) => {
    expect(compared(before, now)).toEqual([expect.stringContaining(problem)])
  })

  test('has changes of every action', () => {
    const actions = ['create', 'update', 'delete', 'run'] as const
    const text = saved(plannedOf(...actions.map((action) => [...motd(action), { action }] as const)))
    expect(readPlan('p', text).changes.map(({ action }) => action)).toEqual(actions)
  })

  test('a changed secret is a difference', () => {
    const of = (secret: string): Run => plannedOf([file({ path: '/etc/x', mode: '600', content: text`${new Secret(secret)}` }), inode])
    expect(compared(of('one'), of('one'))).toEqual([])
    expect(compared(of('one'), of('two'))).toHaveLength(1)
  })

  test('stays valid for the others if a host does not answer', () => {
    const both = plannedOn({ a: [motd('x')], b: [motd('x')] }, { serial: [1], balancer: 'lb' })
    const now = plannedOn({ b: [motd('x')] }, { targets: ['a', 'b'], serial: [1], balancer: 'lb' })
    expect(compared(both, now)).toEqual([])
    expect(compared(both, plannedOn({}, { targets: ['a', 'b'], serial: [1], balancer: 'lb' }))).toEqual([])
  })

  test('is stale if a host was removed from the site, with or without changes', () => {
    const gone = [expect.stringContaining('a: host is in the saved plan and is no longer selected; it was removed from the inventory')]
    expect(compared(plannedOn({ a: [motd('x')], b: [motd('x')] }), plannedOn({ b: [motd('x')] }))).toEqual(gone)
    expect(compared(plannedOn({ a: [], b: [motd('x')] }), plannedOn({ b: [motd('x')] }))).toEqual(gone)
  })

  test('stays valid if a host without changes was added', () => {
    expect(compared(plannedOf(motd('x')), plannedOn({ a: [motd('x')], b: [] }))).toEqual([])
  })

  test.each<[string, Story, Story, string]>([
    ['all at once instead of one by one', { serial: [1], maxFailures: 2 }, {}, 'serial: 1 → all at once; max_failures: 2 → 0'],
    ['one by one instead of all at once', {}, { serial: [1] }, 'serial: all at once → 1'],
    ['other parts', { serial: [1, 2] }, { serial: [1, 3] }, 'serial: 1, 2 → 1, 3'],
    ['more failures', { serial: [1] }, { serial: [1], maxFailures: 1 }, 'max_failures: 0 → 1'],
    ['no longer taken out of service', { serial: [1], balancer: 'lb' }, { serial: [1] }, 'taken out of service at: lb → no host'],
    ['taken out elsewhere', { serial: [1], balancer: 'lb' }, { serial: [1], balancer: 'other' }, 'taken out of service at: lb → other'],
  ])('is refused when its play would go otherwise: %s', (_, before, now, why) => {
    const hosts = { a: [motd('x')], b: [motd('x')] }
    expect(compared(plannedOn(hosts, before), plannedOn(hosts, now))).toEqual([`saved plan: rollout differs from the present plan; ${why}`])
  })
})

/** A service, whose state other changes of the plan influence. */
const nginx = service({ unit: 'nginx.service' })
const idle = { active: 'inactive' }
const running = { active: 'active' }
const [motdFile] = motd('x')

describe('a saved plan that was applied in part', () => {
  const both = plannedOf(motd('x'), other)

  test('is resumed: changes whose effect is there are not needed any more', () => {
    expect(compared(both, plannedOn({ a: [other] }, { converged: [motdFile] }))).toEqual([])
    const hosts = { a: [motd('x')], b: [motd('x'), other] }
    expect(compared(plannedOn(hosts), plannedOn({ a: [], b: [other] }, { converged: [motdFile] }))).toMatchObject([
      expect.stringContaining('b › role nginx › file:/etc/motd: change (update) is in the saved plan and is no longer needed'),
    ])
  })

  test('is stale if it was applied completely', () => {
    expect(compared(both, plannedOn({ a: [] }, { converged: [motdFile, other[0]] }))).toHaveLength(2)
  })

  test('is stale if the declaration of an applied change differs now', () => {
    const [changed] = motd('y')
    expect(compared(both, plannedOn({ a: [other] }, { converged: [changed] }))).toEqual([
      expect.stringContaining('file:/etc/motd: change (update) is in the saved plan and is no longer needed'),
    ])
  })

  test('is stale if somebody changed a file that was not written yet', () => {
    const touched = { ...inode, sha256: 'c'.repeat(64) }
    const seen = plannedOn({ a: [[other[0], touched, { diff: 'another' }]] }, { converged: [motdFile] })
    expect(compared(both, seen)).toEqual([expect.stringContaining('file:/etc/other: state has changed since the plan was saved')])
  })

  test.each<[string, DueHere[number], DueHere[number], boolean]>([
    ['a state that the plan could not know', [nginx, idle, { certainty: 'dependent' }], [nginx, running, { certainty: 'exact' }], true],
    ['another state with the same change', [nginx, idle], [nginx, running], true],
    ['a change that was interrupted itself', [nginx, idle, { diff: 'one' }], [nginx, running, { diff: 'two', action: 'create' }], true],
    ['another file', [...other.slice(0, 2), { diff: 'one' }] as never, [other[0], idle, { diff: 'two' }], false],
    ['another role', [nginx, idle], [nginx, running, { role: 'other' }], false],
  ])('with %s', (_, before, now, isValid) => {
    const problems = compared(plannedOf(motd('x'), before), plannedOn({ a: [now] }, { converged: [motdFile] }))
    expect(problems).toHaveLength(isValid ? 0 : 1)
  })

  test('with a later change that takes effect only now, or whose state somebody else changed', () => {
    const before = plannedOf(motd('x'), other, [nginx, idle, { diff: 'one' }])
    const remaining = (more: object): Run =>
      plannedOn({ a: [other, [nginx, running, { diff: 'two', ...more }]] }, { converged: [motdFile] })
    expect(compared(before, remaining({ unfinished: true }))).toEqual([])
    expect(compared(before, remaining({}))).toEqual([expect.stringContaining('service:nginx.service: state has changed')])
  })

  test('explains nothing on a host where nothing was applied', () => {
    const hosts = { a: [motd('x'), other], b: [[nginx, idle, { certainty: 'dependent' }]] } as const
    const now = plannedOn({ a: [other], b: [[nginx, running, { certainty: 'dependent' }]] }, { converged: [motdFile] })
    expect(compared(plannedOn(hosts), now)).toEqual([expect.stringContaining('b › role nginx › service:nginx.service: state has changed')])
  })

  test('counts values that it made itself as wanted, and an identity as made', () => {
    const made = (value: string | undefined) => file({ path: '/etc/ca', content: text`${{ later: 'the certificate', get: () => value }}` })
    const pair = (value: string | undefined): DueHere[number] => [made(value), inode, { certainty: 'dependent' }]
    const identity = change('controller', 'authority:site', { role: 'nginx' })
    const withIdentity = (run: Run): Run => ({ ...run, plan: { ...run.plan, changes: [identity, ...run.plan.changes] } })
    const before = withIdentity(plannedOf(pair(undefined), other))
    expect(compared(before, plannedOn({ a: [pair('made'), other] }))).toEqual([])
    expect(compared(before, plannedOn({ a: [other] }, { converged: [made('made')] }))).toEqual([])
    // Without an applied change, another value is another wish.
    expect(compared(plannedOf(pair(undefined), other), plannedOn({ a: [pair('made'), other] }))).toHaveLength(1)
  })

  test('with deleted orphans is resumed only if it deletes orphans', () => {
    const stale = stalenessOf(readPlan('p', savePlan(both, { ...scope, prune: true }, new Date(0))), plannedOf(other))
    expect(stale).toEqual([])
    expect(compared(both, plannedOf(other))).toHaveLength(1)
  })
})

describe('an invalid plan file', () => {
  const good = saved(plannedOf(motd('x')))
  test.each([
    ['not a plan', 'hello', 'file is not a plan saved by provision'],
    ['another JSON', '[1]', 'file is not a plan saved by provision'],
    ['an older version', good.replace(/"provision": "[^"]+"/, '"provision": "0.0.1"'), 'saved by provision 0.0.1 (format 3)'],
    ['an older format', good.replace('"format": 3', '"format": 2'), 'provision 0.1.0 (format 2)'],
    ['a newer format', good.replace('"format": 3', '"format": 4'), 'provision 0.1.0 (format 4)'],
    [
      'one of a long version',
      good.replace(/"provision": "[^"]+"/, `"provision": "${'x'.repeat(99)}"`),
      `by provision ${'x'.repeat(60)}… (`,
    ],
    ['a damaged one', good.replace('"update"', '"explode"'), 'plan is damaged'],
  ])('%s is refused in words', (_, given, what) => {
    expect(() => readPlan('p.json', given)).toThrow(Problem)
    expect(() => readPlan('p.json', given)).toThrow(what)
    expect(() => readPlan('p.json', given)).toThrow(expect.objectContaining({ class: 'input', where: { file: 'p.json' } }))
  })

  test.each([
    ['{', '{"root:$hash": 1,', ': unknown option `root…`'],
    ['"scope": {', '"scope": {"$hash": 1,', 'scope: unknown option `…`'],
  ])('a field that plans do not have is cut to the characters of a name: %s', (before, after, why) => {
    expect(() => readPlan('p.json', good.replace(before, after))).toThrow(expect.objectContaining({ what: 'plan is damaged', why }))
  })
})

describe('digests', () => {
  test('depend on all values, and not on the order of fields', () => {
    expect(digestsOf({ a: 1, b: { c: 2, d: 3 } }, 's')).toEqual(digestsOf({ b: { d: 3, c: 2 }, a: 1 }, 's'))
    const maps = [new Map([['a', 1]]), new Map([['a', 2]]), new Map([['b', 1]])]
    const values = [...maps, new Set(['a']), new Set(['b']), Buffer.from('a'), ['a'], 'a', 1, null, 1n, new Date(0)]
    expect(new Set(values.map((value) => digestsOf({ value }, 's').value)).size).toBe(values.length)
  })

  test('include a later value once it is known', () => {
    const later = (value: string | undefined) => ({ part: { later: 'the key', get: () => value } })
    expect(digestsOf(later('x'), 's')).not.toEqual(digestsOf(later(undefined), 's'))
  })

  test('include no functions, also those with the name of a method', () => {
    const later = { later: 'the key' }
    expect(digestsOf({ part: { get: () => 'x' } }, 's')).toEqual(digestsOf({ part: {} }, 's'))
    expect(digestsOf({ part: later, get: () => 'x' }, 's')).toEqual(digestsOf({ part: later }, 's'))
    expect(digestsOf({ part: { ...later, get: 'x' } }, 's')).not.toEqual(digestsOf({ part: later }, 's'))
  })

  test('are guarded for files that are not world-readable', () => {
    expect(isGuarded({ mode: '644' })).toBe(false)
    expect(isGuarded({ mode: '640' })).toBe(true)
    expect(isGuarded({ file: { mode: '600' } })).toBe(true)
    expect(isGuarded({ options: [{ password: new Secret('x') }] })).toBe(true)
  })
})
