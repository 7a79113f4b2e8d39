import { describe, expect, it } from 'vitest'
import { readTrial } from '../../../../src/resource/guarded/trial.ts'
import type { SshdState } from '../../../../src/resource/sshd/observe.ts'
import { sshd } from '../../../../src/resource/sshd/sshd.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'

const { spec } = sshd({ settings: { PermitRootLogin: 'no', MaxAuthTries: 3, AllowUsers: ['ops', 'eve'] } })
const INCLUDE = 'Include /etc/ssh/sshd_config.d/*.conf'
const state = (more: Partial<SshdState> = {}, service: Partial<SshdState['service']> = {}): SshdState => ({
  inode: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' },
  sha256: spec.sha256,
  text: spec.text,
  config: ['# This is the sshd server', '', INCLUDE, 'X11Forwarding yes'],
  service: { active: 'active', stamp: undefined, reloadFailed: false, touched: false, ...service } as SshdState['service'],
  pending: undefined,
  unkept: false,
  rolledBack: undefined,
  ...more,
})

it('writes every list in the syntax of its keyword', () => {
  const settings = { Ciphers: ['a', 'b'], HostKeyAlgorithms: ['c', 'd'], HostKey: ['/e', '/f'], AllowUsers: ['g', 'h'], MaxAuthTries: 3 }
  expect(sshd({ settings }).spec.text.split('\n').slice(1)).toEqual([
    'Ciphers a,b',
    'HostKeyAlgorithms c,d',
    'HostKey /e',
    'HostKey /f',
    'AllowUsers g h',
    'MaxAuthTries 3',
    '',
  ])
})

it.each<[string, Record<string, string>]>([
  ['a block', { Match: 'User eve' }],
  ['another port', { port: '2222' }],
  ['another file', { Include: '/root/x' }],
  ['a second line', { Banner: 'none\nPermitRootLogin yes' }],
  ['a keyword that is none', { 'Permit RootLogin': 'yes' }],
  ['one setting twice', { MaxAuthTries: '3', maxauthtries: '4' }],
  ['nothing', {}],
])('refuses %s', (_, settings) => {
  expect(() => sshd({ settings })).toThrow()
})

describe('planning', () => {
  it.each<[string, SshdState, string | undefined]>([
    ['all as wanted', state(), undefined],
    ['not there', state({ inode: 'absent', sha256: undefined }), 'create missing'],
    ['edited', state({ sha256: 'x' }), 'update settings differ'],
    ['writable by others', state({ inode: { ...(state().inode as object), mode: '666' } as never }), 'update mode and owner differ'],
    ['not loaded', state({}, { touched: true }), 'update pending reload: sshd runs with older settings'],
    ['stamped', state({}, { touched: true, stamp: { at: '1', sums: new Map([[spec.path, spec.sha256]]) } }), undefined],
    ['stamped with another', state({}, { stamp: { at: '1', sums: new Map() } }), 'update pending reload: sshd runs with older settings'],
    ['started by a socket for everybody who comes', state({}, { active: 'inactive', touched: true }), undefined],
    ['included relatively', state({ config: ['include "sshd_config.d/*.conf"'] }), undefined],
    ['not included', state({ config: [`#${INCLUDE}`] }), 'update /etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf'],
    [
      'included for some',
      state({ config: ['Match User eve', INCLUDE] }),
      'update /etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf',
    ],
    [
      'too late',
      state({ config: ['Port 2222', 'AllowUsers ada', 'PermitRootLogin yes', INCLUDE] }),
      'update /etc/ssh/sshd_config sets PermitRootLogin before it includes /etc/ssh/sshd_config.d/*.conf',
    ],
    ['never kept', state({ unkept: true }), 'update settings confirmed but not saved for the next boot'],
  ])('%s', (_, state, expected) => {
    const change = sshd.kind.plan(spec, state, context)
    expect(change && `${change.action} ${change.reason}`).toBe(expected)
    expect(change?.debt).toBeUndefined()
    expect(change?.unfinished ?? false).toBe(expected?.includes('runs with older settings') ?? false)
  })

  it('plans the confirmation of a change in any run', () => {
    expect(sshd.kind.plan(spec, state({ pending: 'this boot' }), context)).toMatchObject({ debt: true })
  })
})

describe('the marks of a trial', () => {
  const said = { ...NOTHING, texts: new Map([['/proc/sys/kernel/random/boot_id', ['now']]]) }
  it.each<[string, object]>([
    ['', { pending: undefined, unkept: false }],
    ['pending now\n', { pending: 'this boot' }],
    ['pending then\nundoing now\n', { pending: 'this boot' }],
    ['undoing then\n', { pending: 'earlier boot' }],
    ['confirmed now\n', { pending: undefined, unkept: true }],
    ['confirmed then\n', { pending: undefined, unkept: false }],
  ])('%j', (field, expected) => {
    expect(readTrial(field, said, 'sshd/x')).toMatchObject(expected)
  })
})
