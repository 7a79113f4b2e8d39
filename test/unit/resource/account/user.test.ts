import { describe, expect, it } from 'vitest'
import { type GroupSpec, group } from '../../../../src/resource/account/group.ts'
import { type Account, type UserState, user } from '../../../../src/resource/account/user.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const ANN: Account = {
  uid: 1001,
  group: 'ann',
  groups: ['adm', 'staff2'],
  home: '/home/ann',
  shell: '/bin/bash',
  comment: '',
  password: 'locked',
}

describe('planning a user', () => {
  it.each<[string, Parameters<typeof user>[0], UserState, string | undefined]>([
    ['as declared', { name: 'ann', uid: 1001, groups: ['adm'], shell: '/bin/bash', password: 'locked' }, ANN, undefined],
    ['without optional settings', { name: 'ann' }, { ...ANN, shell: '/bin/zsh', password: 'set' }, undefined],
    ['primary group wanted as one besides', { name: 'ann', groups: ['ann'] }, ANN, undefined],
    ['not there', { name: 'ann' }, 'absent', 'create missing'],
    ['missing in a group', { name: 'ann', groups: ['adm', 'www'] }, ANN, 'update groups differs'],
    ['other shell and number', { name: 'ann', uid: 7, shell: '/bin/sh' }, ANN, 'update uid and shell differ'],
    ['a password that opens it', { name: 'ann', password: 'locked' }, { ...ANN, password: 'empty' }, 'update password differs'],
    ['absent as wanted', { name: 'ann', state: 'absent' }, 'absent', undefined],
    ['to be removed', { name: 'ann', state: 'absent' }, ANN, 'delete declared absent'],
  ])('%s', (_, options, state, expected) => {
    const change = user.kind.plan(user(options).spec, state, context)
    expect(change && `${change.action} ${change.reason}`).toBe(expected)
  })
})

describe('observing users and groups', () => {
  it('reads a recorded answer', () => {
    const specs = [user({ name: 'ann', password: 'locked' }).spec, user({ name: 'gone' }).spec]
    const state = user.kind.observe(specs).parse(recorded('user'), NOTHING)
    expect(state.get('ann')).toEqual(ANN)
    expect(state.get('gone')).toBe('absent')
    expect([...state.keys()]).toEqual(['ann', 'gone'])
    const groups = group.kind.observe([group({ name: 'staff2' }).spec, group({ name: 'gone' }).spec]).parse(recorded('group'), NOTHING)
    expect([...groups]).toEqual([
      ['staff2', { gid: 4242 }],
      ['gone', 'absent'],
    ])
  })

  it('finishes the interrupted deletion of a group', () => {
    const specs = ['staff2', 'half', 'gone'].map((name) => group({ name, state: 'absent' }).spec)
    const answer = Buffer.concat([recorded('group'), Buffer.from('root:\nstaff2:\nhalf:\nend gshadow 0\n')])
    const state = group.kind.observe(specs).parse(answer, NOTHING)
    expect(specs.map((spec) => group.kind.plan(spec, state.get(spec.name) ?? 'absent', context)?.reason)).toEqual([
      'declared absent',
      'deletion interrupted',
      undefined,
    ])
    const present = group({ name: 'half' }).spec
    expect(group.kind.plan(present, 'half deleted', context)?.action).toBe('create')
    expect(() => group.kind.observe(specs).parse(recorded('group'), NOTHING)).toThrow('did not list its gshadow')
  })

  it('does not treat a truncated list as one without the account', () => {
    const [half] = recorded('user').toString().split('end passwd')
    expect(() => user.kind.observe([user({ name: 'ann' }).spec]).parse(Buffer.from(half ?? ''), NOTHING)).toThrow('did not list its group')
    expect(() => group.kind.observe([{ name: 'x' } as GroupSpec]).parse(Buffer.from('end group 2\n'), NOTHING)).toThrow(
      'did not list its group',
    )
  })

  it('reads the shadow file only if a spec sets a password', () => {
    expect(String(user.kind.observe([user({ name: 'ann' }).spec]).script)).not.toContain('shadow')
  })
})

it.each([
  ['a name with a blank', { name: 'a b' }],
  ['a name that is an option', { name: '-r' }],
  ['a home with a colon', { name: 'ann', home: '/home/a:b' }],
  ['a comment of two lines', { name: 'ann', comment: 'a\nroot::0:0' }],
  ['an unknown option', { name: 'ann', shel: '/bin/sh' }],
])('a user is refused: %s', (_, options) => {
  expect(() => user(options as Parameters<typeof user>[0])).toThrow()
})
