import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import type { DeclaredResource } from '../../../src/engine/plan/declared.ts'
import { forbiddenOn, noticesOf, planHost, unfinishedOf } from '../../../src/engine/plan/plan-host.ts'
import { defineKind, type Kind, type PlanContext } from '../../../src/resource/kind/kind.ts'
import { HostRefusal } from '../../../src/resource/kind/step.ts'
import { sh } from '../../../src/shell/sh.ts'

/** A kind made of values: wanted text against observation text; remembers the world it was planned in. */
const kindOfText = (name: string, extra: Partial<Kind<unknown, { id: string; want: string }, string>> = {}) =>
  defineKind({
    name,
    schema: z.strictObject({ id: z.string(), want: z.string() }),
    id: ({ id }) => id,
    observe: () => ({ script: sh``, parse: () => new Map() }),
    plan: ({ want }, observation: string, world: PlanContext) => {
      const told = want
        .replace('<coming>', String(world.packagesPending))
        .replace('<changes a>', String(world.changes('note:a')))
        .replace('<members>', [...world.members()].map(([host, said]) => `${host}=${said}`).join(' '))
      if (told === observation) return undefined
      return {
        action: observation === '' ? 'create' : 'update',
        certainty: 'exact',
        reason: told,
        differences: [],
        ...(want.includes('debt') ? { debt: true } : {}),
        ...(want.includes('unfinished') ? { unfinished: true } : {}),
      }
    },
    *apply() {},
    ...extra,
  })

const note = kindOfText('note')
const bringer = kindOfText('bringer', { affectsLater: true })

const plan = (
  resources: readonly DeclaredResource[],
  observation: Record<string, string>,
  roles?: readonly string[],
  others: Record<string, Record<string, string>> = {},
) => {
  const mine = new Map(Object.entries(observation))
  const observations = new Map([
    ['here', mine],
    ...Object.entries(others).map(([host, said]) => [host, new Map(Object.entries(said))] as const),
  ])
  const selected = (role: string): boolean => roles === undefined || roles.includes(role)
  return planHost({ resources, observation: mine, observations, selected, now: new Date(0) }).map(
    ({ resource, change }) => `${change.action} ${resource.id} ${change.reason}`,
  )
}

const place = (resource: DeclaredResource['resource'], role = 'web', play = 0): DeclaredResource => ({ resource, role, play })

describe('planning a host', () => {
  it('plans nothing if everything is in the desired state', () => {
    expect(plan([place(note({ id: 'a', want: 'x' }))], { 'note:a': 'x' })).toEqual([])
  })

  it('keeps the order of declaration', () => {
    const resources = [place(note({ id: 'b', want: 'x' })), place(note({ id: 'a', want: 'x' }))]
    expect(plan(resources, { 'note:a': '', 'note:b': 'y' })).toEqual(['update b x', 'create a x'])
  })

  it('tells the kind that a change comes after scripts, which may have changed its state', () => {
    const script = kindOfText('script', { plan: () => ({ action: 'run', certainty: 'opaque', reason: 'it runs', differences: [] }) })
    const resources = [place(note({ id: 'a', want: 'x' })), place(script({ id: 's', want: '' })), place(note({ id: 'b', want: 'x' }))]
    const observation = new Map([
      ['note:a', ''],
      ['script:s', ''],
      ['note:b', ''],
    ])
    const pending = planHost({ resources, observation, observations: new Map(), selected: () => true, now: new Date(0) })
    expect(pending.map(({ resource, afterScripts }) => [resource.id, afterScripts])).toEqual([
      ['a', false],
      ['s', false],
      ['b', true],
    ])
  })

  it('reports pending packages to later resources of the same role only', () => {
    const resources = [
      place(note({ id: 'a', want: '<coming>' })),
      place(bringer({ id: 'p', want: 'x' })),
      place(note({ id: 'b', want: '<coming>' })),
      place(note({ id: 'c', want: '<coming>' }), 'other'),
    ]
    expect(plan(resources, { 'note:a': '', 'bringer:p': '', 'note:b': '', 'note:c': '' })).toEqual([
      'create a false',
      'create p x',
      'create b true',
      'create c false',
    ])
  })

  it('does not count an installed package as pending', () => {
    const resources = [place(bringer({ id: 'p', want: 'x' })), place(note({ id: 'b', want: '<coming>' }))]
    expect(plan(resources, { 'bringer:p': 'x', 'note:b': '' })).toEqual(['create b false'])
  })

  it('reports to later resources which earlier resources change', () => {
    const resources = [place(note({ id: 'a', want: 'x' })), place(note({ id: 'b', want: '<changes a>' }))]
    expect(plan(resources, { 'note:a': '', 'note:b': '' })).toEqual(['create a x', 'create b true'])
    expect(plan(resources, { 'note:a': 'x', 'note:b': '' })).toEqual(['create b false'])
  })

  it('reports to later resources below which directories earlier ones write', () => {
    const writer = kindOfText('writer', { files: ({ id }) => [{ path: `/etc/${id}`, sha256: 'later' }] })
    const asking = kindOfText('asking', {
      plan: ({ id }, _, { changesBelow }) => ({
        ...{ action: 'run', certainty: 'exact', differences: [] },
        reason: String(['/etc', '/etc/a', '/et', '/srv'].map((directory) => changesBelow?.(directory)).concat(id === '1')),
      }),
    })
    const one = (id: string) => place(asking({ id, want: '' }))
    const resources = [one('1'), place(writer({ id: 'a/x', want: 'x' })), place(writer({ id: 'b/x', want: 'x' })), one('2')]
    const mine = { 'asking:1': '', 'asking:2': '', 'writer:b/x': '' }
    expect(plan(resources, { ...mine, 'writer:a/x': '' }).filter((text) => text.startsWith('run'))).toEqual([
      'run 1 false,false,false,false,true',
      'run 2 true,true,false,false,false',
    ])
    expect(plan(resources, { ...mine, 'writer:a/x': 'x' }).at(-1)).toBe('run 2 true,false,false,false,false')
  })

  it('changes only the selected roles, but settles safety debts of all roles', () => {
    const resources = [
      place(note({ id: 'a', want: 'x' }), 'web'),
      place(note({ id: 'b', want: 'x' }), 'db'),
      place(note({ id: 'c', want: 'debt' }), 'db'),
    ]
    expect(plan(resources, { 'note:a': '', 'note:b': '', 'note:c': '' }, ['web'])).toEqual(['create a x', 'create c debt'])
  })

  it('warns about unfinished changes of roles that are not selected, and nothing else', () => {
    const resources = [
      place(note({ id: 'a', want: 'x' }), 'web'),
      place(note({ id: 'b', want: 'unfinished' }), 'web'),
      place(note({ id: 'c', want: 'unfinished debt' }), 'web'),
      place(note({ id: 'd', want: 'unfinished' }), 'db'),
    ]
    const mine = new Map(resources.map(({ resource }) => [`note:${resource.id}`, '']))
    const heard = (selected: (role: string) => boolean) =>
      unfinishedOf({ resources, observation: mine, observations: new Map(), selected, now: new Date(0) })
    expect(heard((role) => role === 'db')).toEqual([
      { role: 'web', what: 'note b: unfinished; the next run of role web completes the change' },
    ])
    expect(heard(() => true)).toEqual([])
  })

  it('plans unselected roles without the changes of the selected ones', () => {
    const resources = [place(note({ id: 'a', want: 'x' }), 'db'), place(note({ id: 'b', want: 'unfinished <changes a>' }), 'web')]
    const mine = new Map([
      ['note:a', ''],
      ['note:b', ''],
    ])
    const question = { resources, observation: mine, observations: new Map(), now: new Date(0) }
    expect(unfinishedOf({ ...question, selected: (role) => role === 'db' }).map(({ what }) => what)).toEqual([
      'note b: unfinished false; the next run of role web completes the change',
    ])
  })

  it('collects notices of resources in their desired state', () => {
    const wary = kindOfText('wary', { notices: ({ id }, observation) => (observation === 'odd' ? [`${id} is odd`] : []) })
    const resources = [
      place(note({ id: 'n', want: 'x' })),
      place(wary({ id: 'a', want: 'odd' }), 'db'),
      place(wary({ id: 'b', want: 'x' })),
    ]
    const observation = { 'note:n': 'odd', 'wary:a': 'odd', 'wary:b': 'x' }
    expect(noticesOf(resources, new Map(Object.entries(observation)))).toEqual([{ role: 'db', what: 'a is odd' }])
  })

  it('refuses accounts that neither exist nor are created before', () => {
    const owned = kindOfText('owned', { accounts: ({ id }) => ({ users: [id], groups: ['root', id] }) })
    const creator = (name: string) => ({ ...note({ id: name, want: 'x' }), kind: { ...note.kind, name: 'user' } })
    const observation = new Map<string, unknown>([
      ['accounts', { users: new Set(['ann']), groups: new Set(['ann']) }],
      ...['owned:ann', 'owned:bob', 'user:bob', 'bringer:p'].map((key) => [key, ''] as const),
    ])
    const changesOf = (resources: readonly DeclaredResource[]) =>
      planHost({ resources, observation, observations: new Map(), selected: () => true, now: new Date(0) })
    const look = (resources: readonly DeclaredResource[]) => [
      ...forbiddenOn({ host: 'one', resources, observation }, () => true, {}).map(({ what }) => what),
      ...changesOf(resources).map(({ resource, change }) => `${resource.id} ${change.certainty}`),
    ]
    const [ann, bob] = [place(owned({ id: 'ann', want: 'x' })), place(owned({ id: 'bob', want: 'x' }))]
    expect(look([ann])).toEqual(['ann exact'])
    expect(look([bob])).toEqual(['user bob does not exist', 'bob dependent'])
    expect(look([bob, place(creator('bob'))]).slice(0, 1)).toEqual(['user bob does not exist'])
    expect(look([place(creator('bob')), bob])).toEqual(['bob exact', 'bob exact'])
    expect(forbiddenOn({ host: 'one', resources: [bob], observation }, () => true, {})[0]).toMatchObject({
      why: 'the host has no user of this name, and no earlier resource of this run creates it',
      fix: 'correct the name, or declare the user before this resource',
    })
    const only = kindOfText('owned', { accounts: ({ id }) => ({ groups: [id] }) })
    expect(forbiddenOn({ host: 'one', resources: [place(only({ id: 'bob', want: 'x' }))], observation }, () => true, {})[0]).toMatchObject({
      ...{ what: 'group bob does not exist', why: expect.stringContaining('the host has no group of this name') },
      fix: 'correct the name, or declare the group before this resource',
    })
    // A package of another role can create the account too.
    expect(look([place(bringer({ id: 'p', want: 'x' }), 'other'), bob])).toEqual(['p exact', 'bob dependent'])
    expect(changesOf([place(bringer({ id: 'p', want: 'x' })), ann, bob]).map(({ change }) => change.reason)).toEqual([
      ...['x', 'x', 'x, no user bob yet'],
    ])
    // Named also where the kind itself says dependent, and nothing is added to an opaque change.
    for (const [certainty, reason] of [
      ['dependent', 'why, no user bob yet'],
      ['opaque', 'why'],
    ] as const) {
      const own = kindOfText('owned', { ...owned.kind, plan: () => ({ action: 'create', certainty, reason: 'why', differences: [] }) })
      expect(changesOf([place(own({ id: 'bob', want: 'x' }))])[0]?.change).toMatchObject({ certainty, reason })
    }
  })

  it('refuses accounts that an earlier change deletes', () => {
    const owned = kindOfText('owned', { accounts: ({ id }) => ({ users: [id], groups: [id] }) })
    const deletion = (type: string, action: 'delete' | 'update' = 'delete') => {
      const kind = kindOfText('note', { plan: () => ({ action, certainty: 'exact', reason: '', differences: [] }) })({
        id: 'ann',
        want: '',
      })
      return place({ ...kind, kind: { ...kind.kind, name: type } })
    }
    const observation = new Map<string, unknown>([
      ['accounts', { users: new Set(['ann']), groups: new Set(['ann']) }],
      ...['owned:ann', 'user:ann', 'group:ann'].map((key) => [key, ''] as const),
    ])
    const refused = (...resources: readonly DeclaredResource[]) =>
      forbiddenOn({ host: 'one', resources, observation }, () => true, {}).map(({ what, why }) => `${what}: ${why}`)
    const ann = place(owned({ id: 'ann', want: 'x' }))
    expect(refused(deletion('user'), ann)).toEqual(['user ann does not exist: an earlier change of this run deletes it'])
    expect(refused(deletion('group'), ann)).toEqual(['group ann does not exist: an earlier change of this run deletes it'])
    expect(refused(deletion('user', 'update'), deletion('group', 'update'), ann)).toEqual([])
    expect(refused(ann, deletion('user'))).toEqual([])
  })

  it('asks what a host forbids and notices with the changes planned before', () => {
    const said: string[] = []
    const wary = kindOfText('wary', {
      forbids: (_, __, { changes }) => {
        said.push(`forbids ${changes('note:a')}`)
        return undefined
      },
      notices: (_, __, { changes }) => [`notices ${changes('note:a')}`],
    })
    const odd = place(wary({ id: 'w', want: 'x' }))
    const resources = [odd, place(note({ id: 'a', want: 'x' })), odd]
    const observation = new Map([
      ['note:a', ''],
      ['wary:w', 'x'],
    ])
    forbiddenOn({ host: 'one', resources, observation }, () => true, {})
    expect(said).toEqual(['forbids false', 'forbids true'])
    expect(noticesOf(resources, observation).map(({ what }) => what)).toEqual(['notices false', 'notices true'])
  })

  it('collects forbidden states of the selected roles', () => {
    const strict = kindOfText('strict', {
      forbids: ({ id }, observation, { members }) =>
        observation === 'odd' ? new HostRefusal(`${id} is odd`, `of ${members().size}`) : undefined,
    })
    const resources = [place(strict({ id: 'a', want: 'x' }), 'db'), place(strict({ id: 'b', want: 'x' }), 'web')]
    const observation = new Map(Object.entries({ 'strict:a': 'odd', 'strict:b': 'odd' }))
    const observations = new Map([
      ['one', observation],
      ['two', observation],
    ])
    const problems = forbiddenOn({ host: 'one', resources, observation }, (role) => role === 'db', { observations })
    expect(problems.map((problem) => `${problem.class} ${problem.message} ${problem.why}`)).toEqual([
      'task one › db › strict:a: a is odd of 2',
    ])
  })

  it('gives a resource the states of all its members', () => {
    const resources = [place(note({ id: 'a', want: '<members>' }))]
    expect(plan(resources, { 'note:a': '1' }, undefined, { there: { 'note:a': '2' }, elsewhere: { 'note:b': '3' } })).toEqual([
      'update a here=1 there=2',
    ])
  })
})
