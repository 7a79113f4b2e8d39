import { describe, expect, it } from 'vitest'
import { readTrial } from '../../../../src/resource/guarded/trial.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { pathQueries } from '../../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../../src/resource/kind/queries.ts'
import { STAMPS } from '../../../../src/resource/kind/stamp.ts'
import type { SshdState } from '../../../../src/resource/sshd/observe.ts'
import { sshd } from '../../../../src/resource/sshd/sshd.ts'
import { isRoot, throwaway } from '../account/throwaway.ts'
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
  login: { account: 'ops', groups: ['ops', 'adm'] },
  others: [],
  ...more,
})

it('writes every list in the syntax of its keyword', () => {
  const settings = {
    ...{ Ciphers: ['a', 'b'], macs: ['i', 'j'], HostKeyAlgorithms: ['c', 'd'], HostKey: ['/e', '/f'], HostCertificate: ['/k', '/l'] },
    ...{ AllowUsers: ['g', 'h'], HostKeyAgent: ['m', 'n'], MaxAuthTries: 3, Banner: 'none' },
  }
  expect(sshd({ settings }).spec.text.split('\n')).toEqual([
    '# Written by provision. Changes made here are found and undone by its next run.',
    ...['Ciphers a,b', 'macs i,j', 'HostKeyAlgorithms c,d', 'HostKey /e', 'HostKey /f', 'HostCertificate /k', 'HostCertificate /l'],
    ...['AllowUsers g h', 'HostKeyAgent m n', 'MaxAuthTries 3', 'Banner none'],
    '',
  ])
})

it('has settings of single accounts after those of all, and never of the account of the run', () => {
  const match = [
    { users: ['upload', 'partner'], settings: { ChrootDirectory: '/srv/%u', AllowTcpForwarding: 'no' } },
    { users: ['eve'], settings: { PermitTTY: 'no' } },
  ]
  const given = sshd({ settings: { MaxAuthTries: 3 }, match }).spec
  expect(given.text.split('\n').slice(1)).toEqual([
    ...['MaxAuthTries 3', '', 'Match User upload,partner', '  ChrootDirectory /srv/%u', '  AllowTcpForwarding no'],
    ...['', 'Match User eve', '  PermitTTY no', ''],
  ])
  const refusal = (account: string) => sshd.kind.forbids?.(given, state({ login: { account, groups: [] } }), context)?.what
  expect(refusal('ops')).toBeUndefined()
  expect(refusal('partner')).toBe('match would shut out partner, the account that this run uses')
  for (const one of [
    { users: [], settings: { A: 1 } },
    { users: ['a b'], settings: { A: 1 } },
    { users: ['a'], settings: { Port: 22 } },
  ])
    expect(() => sshd({ settings: { MaxAuthTries: 3 }, match: [one] })).toThrow()
})

it('is one file with a name and a time to confirm', () => {
  expect(sshd({ settings: { MaxAuthTries: 3 } }).spec).toMatchObject({
    path: '/etc/ssh/sshd_config.d/00-provision.conf',
    confirmSeconds: 30,
  })
  const own = sshd({ settings: { MaxAuthTries: 3 }, name: 'zz-own_2', confirmSeconds: 5 })
  expect([own.id, own.spec.confirmSeconds]).toEqual(['/etc/ssh/sshd_config.d/zz-own_2.conf', 5])
  for (const name of ['', 'Own', 'a.b', '../x', '-a', 'a/b']) expect(() => sshd({ settings: { Port1: 1 }, name })).toThrow('must be a name')
  for (const confirmSeconds of [4, 601, 7.5]) expect(() => sshd({ settings: { A: 1 }, confirmSeconds })).toThrow()
})

it.each<[string, Record<string, string>]>([
  ['a block', { Match: 'User eve' }],
  ['another port', { port: '2222' }],
  ['another file', { Include: '/root/x' }],
  ['another address', { ListenAddress: '0.0.0.0' }],
  ['another family of addresses', { AddressFamily: 'inet6' }],
  ['a value that begins with a space', { Banner: ' none' }],
  ['a value that ends with a space', { Banner: 'none ' }],
  ['no value', { Banner: '' }],
  ['a keyword with a number in front', { '2Factor': 'yes' }],
  ['a keyword with a value', { 'Banner=': 'x' }],
  ['a second line', { Banner: 'none\nPermitRootLogin yes' }],
  ['a keyword that is none', { 'Permit RootLogin': 'yes' }],
  ['one setting twice', { MaxAuthTries: '3', maxauthtries: '4' }],
  ['nothing', {}],
])('refuses %s', (_, settings) => {
  expect(() => sshd({ settings })).toThrow(
    /must (not be set here: declare a separate file|be one line|be a keyword of sshd_config\(5\)|contain settings)/,
  )
})

describe('planning', () => {
  it.each<[string, SshdState, string | undefined]>([
    ['all as wanted', state(), undefined],
    ['not there', state({ inode: 'absent', sha256: undefined }), 'create missing'],
    ['edited', state({ sha256: 'x' }), 'update settings differ'],
    ['writable by others', state({ inode: { ...(state().inode as object), mode: '666' } as never }), 'update mode and owner differ'],
    ['a directory at its path', state({ inode: { ...(state().inode as object), type: 'd' } as never }), 'update a directory at its path'],
    ['not loaded', state({}, { touched: true }), 'update pending reload: sshd runs with older settings'],
    ['stamped', state({}, { touched: true, stamp: { at: '1', sums: new Map([[spec.path, spec.sha256]]) } }), undefined],
    ['not loaded after a failed reload', state({}, { reloadFailed: true }), 'update pending reload: sshd runs with older settings'],
    [
      'not loaded while it reloads',
      state({}, { active: 'reloading', touched: true }),
      'update pending reload: sshd runs with older settings',
    ],
    ['not loaded, and edited', state({ sha256: 'x' }, { touched: true }), 'update settings differ'],
    ['owned by another account', state({ inode: { ...(state().inode as object), owner: 'eve' } as never }), 'update mode and owner differ'],
    ['stamped with another', state({}, { stamp: { at: '1', sums: new Map() } }), 'update pending reload: sshd runs with older settings'],
    ['started by a socket for everybody who comes', state({}, { active: 'inactive', touched: true }), undefined],
    ['included relatively', state({ config: ['include "sshd_config.d/*.conf"'] }), undefined],
    ['included with all files', state({ config: ['Include=sshd_config.d/*'] }), undefined],
    ['included with all files, by its path', state({ config: ['Include /etc/ssh/x.conf /etc/ssh/sshd_config.d/*'] }), undefined],
    ['included after another', state({ config: ['Include /etc/ssh/x.conf', INCLUDE, 'MaxAuthTries 9'] }), undefined],
    [
      'named elsewhere',
      state({ config: ['Banner /etc/ssh/sshd_config.d/*.conf'] }),
      'update /etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf',
    ],
    [
      'behind its own setting',
      state({ config: ['maxauthtries=9', INCLUDE] }),
      'update /etc/ssh/sshd_config sets maxauthtries before it includes /etc/ssh/sshd_config.d/*.conf',
    ],
    ['not included', state({ config: [`#${INCLUDE}`] }), 'update /etc/ssh/sshd_config does not include /etc/ssh/sshd_config.d/*.conf'],
    [
      'included for some',
      state({ config: ['Port 22', 'Match User eve', INCLUDE] }),
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
    // The reason already names a file that is missing.
    expect(change?.differences.filter(({ key }) => key === 'file') ?? []).toEqual([])
    expect(change?.unfinished ?? false).toBe(expected?.includes('runs with older settings') ?? false)
  })

  it('gives way to lists of the main file that sshd adds up, and to no others', () => {
    const reason = (keyword: string) =>
      sshd.kind.plan(sshd({ settings: { [keyword]: 'x' } }).spec, state({ config: [`${keyword} y`, INCLUDE] }), context)?.reason ?? ''
    const added = ['AcceptEnv', 'AllowUsers', 'allowgroups', 'DenyUsers', 'DenyGroups', 'HostKey', 'HostCertificate']
    const first = ['HostKeyAlgorithms', 'HostKeyAgent', 'Ciphers']
    expect([...added, ...first].filter((keyword) => reason(keyword).includes('before it includes'))).toEqual(first)
  })

  it('shows the difference, and the text of both sides', () => {
    const differences = (more: Partial<SshdState>) => sshd.kind.plan(spec, state(more), context)?.differences
    expect(differences({ sha256: 'x' })).toEqual([{ key: 'settings' }])
    const shared = { ...(state().inode as object), mode: '666', group: 'adm' } as never
    expect(differences({ inode: shared })).toEqual([{ key: 'mode and owner', from: '666 root:adm', to: '644 root:root' }])
    const change = sshd.kind.plan(spec, state({ sha256: 'x' }), context)
    if (change === undefined) throw new Error('no change')
    expect(change.certainty).toBe('exact')
    const work = { id: spec.path, spec, state: state({ text: 'old\n' }), change }
    expect(sshd.kind.diff?.(work, undefined as never)).toEqual({ before: 'old\n', after: spec.text })
    expect(sshd.kind.files?.(spec)).toEqual([{ path: spec.path, sha256: sha256Hex(spec.text) }])
  })

  it('is never undone because no role declares it', () => {
    expect(sshd.kind.orphan).toHaveProperty('keep')
  })

  it('plans the confirmation of a change in any run', () => {
    expect(sshd.kind.plan(spec, state({ pending: 'this boot' }), context)).toMatchObject({ debt: true })
  })
})

describe('the account of the run', () => {
  type Settings = Parameters<typeof sshd>[0]['settings']
  const shutOut = (settings: Settings, login: Partial<SshdState['login']> = {}, others: readonly string[] = []) =>
    sshd.kind.forbids?.(sshd({ settings }).spec, state({ login: { ...state().login, ...login }, others }), context)

  it.each<[string, Settings, string]>([
    ['AllowUsers without it', { AllowUsers: ['ann', 'op', 'ops2'] }, 'it does not list ops'],
    ['AllowUsers in one text', { allowusers: 'ann op?s' }, 'it does not list ops'],
    ['DenyUsers with it', { DenyUsers: ['ann', 'o*'] }, 'it lists ops'],
    ['AllowGroups without its groups', { AllowGroups: ['sudo'] }, 'it lists no group of ops (ops, adm)'],
    ['DenyGroups with one of its groups', { DenyGroups: ['x', 'ad?'] }, 'it lists adm, a group of ops'],
    ['no public keys', { PubkeyAuthentication: 'no' }, 'the run logs in with a key'],
  ])('is not shut out by %s', (_, settings, why) => {
    expect(shutOut(settings)?.why).toBe(why)
    expect(sshd.kind.forbids?.(sshd({ settings }).spec, state(), { ...context, changes: (key) => key === 'user:ops' })).toBeUndefined()
  })

  it.each<Settings>([
    { AllowUsers: ['ann', 'ops'] },
    { AllowUsers: 'o?s@10.0.0.0/8' },
    { DenyUsers: ['ops@192.0.2.1', 'opsx', 'o.s'] },
    { AllowGroups: ['sudo', 'ad*'] },
    { DenyGroups: ['sudo'] },
    { PubkeyAuthentication: 'yes', PermitRootLogin: 'no' },
  ])('may be subject to %j', (settings) => {
    expect(shutOut(settings)).toBeUndefined()
  })

  it('as root needs a login of root', () => {
    const root = { account: 'root', groups: ['root'] }
    expect(shutOut({ PermitRootLogin: 'no' }, root)?.what).toBe('PermitRootLogin no would shut out root, the account that this run uses')
    expect(shutOut({ permitrootlogin: 'forced-commands-only' }, root)?.why).toBe('the run logs in as root')
    expect(shutOut({ PermitRootLogin: 'prohibit-password' }, root)).toBeUndefined()
  })

  it('can be admitted by another file, or by a group that this host does not know', () => {
    expect(shutOut({ AllowUsers: 'ann' }, {}, ['allowusers'])).toBeUndefined()
    expect(shutOut({ AllowGroups: 'ann' }, {}, ['allowgroups'])).toBeUndefined()
    expect(shutOut({ AllowGroups: 'ann' }, { groups: undefined })).toBeUndefined()
    expect(shutOut({ DenyUsers: 'ops' }, {}, ['denyusers'])?.why).toBe('it lists ops')
  })

  const parse = (stdout: string, texts: Record<string, readonly string[]> = {}) =>
    sshd.kind.observe([spec]).parse(Buffer.from(stdout), {
      ...NOTHING,
      inodes: new Map([[spec.path, 'absent' as const]]),
      digests: new Map([[spec.path, 'd1']]),
      // After the last start of the daemon.
      changed: new Map([[spec.path, 1]]),
      units: new Map([
        [
          'ssh.service',
          new Map([
            ['LoadState', 'loaded'],
            ['ActiveState', 'active'],
            ['UnitFileState', 'enabled'],
          ]),
        ],
      ]),
      texts: new Map([['/proc/sys/kernel/random/boot_id', ['now']], ...Object.entries(texts)]),
    })

  it('is read beside the settings of other files', () => {
    const texts = {
      [spec.path]: ['MaxSessions 2'],
      '/etc/ssh/sshd_config': ['# Port', 'Include x', ' allowUsers ann'],
      '/etc/ssh/sshd_config.d/50.conf': ['PasswordAuthentication no'],
      '/etc/other': ['DenyUsers x'],
    }
    expect(parse('\0ops\0 ops adm \0', texts).get(spec.path)).toMatchObject({
      login: { account: 'ops', groups: ['ops', 'adm'] },
      others: ['include', 'allowusers', 'passwordauthentication'],
      text: 'MaxSessions 2\n',
      config: ['# Port', 'Include x', ' allowUsers ann'],
      sha256: 'd1',
      service: { active: 'active', enabled: 'enabled', touched: true, stamp: undefined },
    })
    expect(parse('pending now\n\0ops\0 ops \0').get(spec.path)).toMatchObject({ pending: 'this boot', inode: 'absent', text: '' })
    expect(sshd.kind.observe([spec]).shared).toEqual({
      units: ['ssh.service'],
      inodes: [spec.path],
      digests: [spec.path],
      patterns: ['/etc/ssh/sshd_config.d/*.conf'],
      texts: [
        ...['/etc/ssh/sshd_config', spec.path, '/proc/sys/kernel/random/boot_id'],
        ...['/var/lib/provision/sshd/00-provision.rolled-back', `${STAMPS}/ssh.service`],
      ],
    })
    const nothing = sshd.kind.observe([])
    expect([nothing.shared ?? {}, String(nothing.script), nothing.parse(Buffer.alloc(0), NOTHING)]).toEqual([{}, '', new Map()])
    expect(parse('\0jane\0?\0').get(spec.path)?.login).toEqual({ account: 'jane', groups: undefined })
    expect(() => parse('\0ops\0')).toThrow('did not report the account of the run')
  })

  it.skipIf(!isRoot)('is the one that called sudo, with all its groups; the text is that of the file', () => {
    const machine = throwaway()
    try {
      machine.run(`printf 'root:x:0:0::/:/bin/sh\\nops:x:7:70::/:/bin/sh\\n' >/etc/passwd
printf 'root:x:0:\\nops:x:70:\\nadm:x:4:eve,ops\\nsudo:x:27:opsx\\nlast:x:9:ops\\n' >/etc/group`)
      const login = (who: string) => parse(machine.run(`${who}\n${sshd.kind.observe([spec]).script}`)).get(spec.path)?.login
      expect(login('SUDO_USER=ops')).toEqual({ account: 'ops', groups: ['ops', 'adm', 'last'] })
      expect(login('unset SUDO_USER')).toEqual({ account: 'root', groups: ['root'] })
      expect(login('SUDO_USER=jane')).toEqual({ account: 'jane', groups: undefined })

      // The file is asked by its path, and is one of those in its directory.
      const there = spec.text.replace('MaxAuthTries', 'X11Forwarding yes\nMaxAuthTries')
      machine.run(`mkdir -p /etc/ssh/sshd_config.d\nprintf '%s' '${there}' >${spec.path}`)
      const { inodes, texts } = pathQueries(mergeQueries([sshd.kind.observe([spec]).shared]))
      const answer = machine.ask(`{ ${inodes.script}\n} >/dev/null\n${texts.script}`)
      const state = parse('\0ops\0 ops \0', Object.fromEntries(texts.read(answer))).get(spec.path)
      expect(state?.text).toBe(there)
    } finally {
      machine.end()
    }
  })
})

const OLD_ACTIVE = 'the old settings are still active'
it.each<[string, number, string, string | undefined]>([
  ['that sshd refuses', 0, 'new sshd settings not loaded (exit 1)', `correct the settings that sshd reports; ${OLD_ACTIVE}`],
  ['that do not load', 1, 'new sshd settings not loaded (exit 1)', 'correct them; the old settings are active again'],
  [
    'that shut the run out',
    2,
    'new sshd settings rolled back: no new connection confirmed them',
    'allow the controller’s user to log in with its key, its algorithms and a host key that it knows; the host restores its old settings 30 seconds after the new ones were loaded',
  ],
  ['that are not saved', 3, 'new sshd settings active, but not saved for the next boot (exit 1)', undefined],
])('settings %s are reported with what is active', (_, at, what, fix) => {
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const steps = sshd.kind.apply([{ id: spec.path, spec, state: state({ sha256: 'x' }), change }])
  const answer = (code: number) => ({ code, stdout: Buffer.alloc(0), stderr: code === 0 ? '' : 'why' })
  const seen = [steps.next().value]
  for (let i = 0; i < at; i++) seen.push(steps.next(answer(0)).value)
  expect(seen.map((step) => step?.do)).toEqual(['shell', 'shell', 'reconnect', 'shell'].slice(0, at + 1))
  expect(Buffer.from((seen[0] as { input: Uint8Array }).input).toString()).toBe(spec.text)
  expect(() => steps.next(answer(1))).toThrow(expect.objectContaining({ what, why: 'why', fix }))
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
