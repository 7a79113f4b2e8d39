import { existsSync, mkdirSync, rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isUnfinished } from '../../../../src/resource/package/observe.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import {
  fixFor,
  impossibilityOf,
  listMinutes,
  listsAreOld,
  readSimulation,
  type Simulated,
} from '../../../../src/resource/package/simulate.ts'
import { NOTHING } from '../answers.ts'
import { context } from '../recorded.ts'
import { type PackageHost, packageHost } from './host.ts'

type Options = Parameters<typeof pkg>[0]
const spec = (options: Options) => pkg(options).spec

describe('package lists', { timeout: 30_000 }, () => {
  /** A host whose lists were read 10 minutes ago, and all of whose sources are older. */
  const host = (): PackageHost => {
    const made = packageHost([])
    // A test can set the time of a file, and not the time of its last change.
    made.program('find', 'for word do shift; [ "$word" != -newercm ] || word=-newermm; set -- "$@" "$word"; done; exec /usr/bin/find "$@"')
    made.write('etc/apt/apt.conf.d/x')
    made.write('etc/apt/preferences.d/x')
    made.write('etc/apt/sources.list.d/x.list')
    for (const path of [
      'etc/apt',
      'etc/apt/apt.conf.d',
      'etc/apt/preferences.d',
      'etc/apt/sources.list.d',
      'etc/apt/sources.list.d/x.list',
      'etc/apt/preferences.d/x',
      'etc/apt/apt.conf.d/x',
    ])
      aged(made, path, 20)
    aged(made, 'var/lib/apt/lists', 10)
    return made
  }
  const aged = ({ root }: PackageHost, path: string, minutes: number): void => {
    const at = new Date(Date.now() - minutes * 60_000)
    utimesSync(join(root, path), at, at)
  }
  const state = (made: PackageHost, minutes = 60): string =>
    made.run(`set -e\n${listsAreOld(minutes)}\nif lists_are_old; then echo old; else echo read; fi`).stdout.trim()

  it('are old after a number of minutes, or if there are none', () => {
    const made = host()
    expect([state(made), state(made, 11), state(made, 9), state(made, 0)]).toEqual(['read', 'read', 'old', 'old'])
    rmSync(join(made.root, 'var/lib/apt/lists/archive_Packages'))
    aged(made, 'var/lib/apt/lists', 10)
    expect(state(made)).toBe('old')
  })

  it.each([
    ['a source', 'etc/apt/sources.list.d/x.list', 'old'],
    ['the directory of a source that was deleted', 'etc/apt/sources.list.d', 'old'],
    ['a key', 'etc/apt/keyrings', 'old'],
    ['a preference, which decides no list', 'etc/apt/preferences.d', 'read'],
    ['a setting of apt, which decides none either', 'etc/apt/apt.conf.d', 'read'],
  ])('are old if %s is newer', (_, path, expected) => {
    const made = host()
    if (!existsSync(join(made.root, path))) mkdirSync(join(made.root, path))
    aged(made, 'etc/apt', 20)
    aged(made, path, 1)
    expect(state(made)).toBe(expected)
  })

  it('were read when a run updated them, although apt left unchanged lists alone', () => {
    const made = host()
    made.write('var/lib/provision/apt-updated')
    aged(made, 'etc/apt/sources.list.d', 5)
    aged(made, 'var/lib/provision/apt-updated', 2)
    expect([state(made), state(made, 3), state(made, 1)]).toEqual(['read', 'read', 'old'])
    // Somebody else has read them since.
    aged(made, 'var/lib/provision/apt-updated', 90)
    expect(state(made)).toBe('old')
    aged(made, 'etc/apt/sources.list.d', 20)
    expect(state(made)).toBe('read')
  })

  it('end the script if their age cannot be found out', () => {
    const made = host()
    made.program('find', 'exit 3')
    expect(state(made)).toBe('')
  })

  it('are read again at the shortest age that a package demands', () => {
    expect(listMinutes([{ name: 'a1' }, { name: 'b1', cacheHours: 0.51 }, { name: 'c1', cacheHours: 2 }].map(spec))).toBe(30)
    expect(listMinutes([spec({ name: 'a1' })])).toBe(1440)
  })
})

describe('the simulation of a transaction', () => {
  it('is asked for without a lock, and writes no cache of apt', () => {
    const query = pkg.kind.observe([spec({ name: 'curl' })])
    for (const option of [
      'Debug::NoLocking=1',
      'Dir::Cache::pkgcache=',
      'Dir::Cache::srcpkgcache=',
      'APT::Get::Show-User-Simulation-Note=no',
    ])
      expect(String(query.script)).toContain(`-o ${option} `)
  })

  it.each<[string, readonly string[], readonly Options[], string | undefined]>([
    ['another version', ['nginx amd64 1.22 install ok installed'], [{ name: 'nginx', version: '1.24' }], 'nginx=1.24'],
    ['the version', ['nginx amd64 1.22 install ok installed'], [{ name: 'nginx', version: '1.22' }], undefined],
    ['the version for an architecture', ['nginx arm64 1.22 install ok installed'], [{ name: 'nginx:arm64', version: '1.22' }], undefined],
    ['another architecture', ['nginx amd64 1.22 install ok installed'], [{ name: 'nginx:arm64', version: '1.22' }], 'nginx:arm64=1.22'],
    ['another architecture of any version', ['nginx amd64 1.22 install ok installed'], [{ name: 'nginx:arm64' }], 'nginx:arm64'],
    ['a name that begins like it', ['nginx-common all 1 install ok installed'], [{ name: 'nginx' }], 'nginx'],
    ['a version that begins like it', ['nginx amd64 1.22-1 install ok installed'], [{ name: 'nginx', version: '1.22' }], 'nginx=1.22'],
    ['a half-configured one', ['nginx amd64 1 install ok half-configured'], [{ name: 'nginx' }], 'nginx'],
    [
      'one to delete',
      ['nginx amd64 1 install ok installed'],
      [
        { name: 'nginx', state: 'absent' },
        { name: 'curl', state: 'absent' },
      ],
      'nginx-',
    ],
    ['one to delete, of any version', ['nginx amd64 1 install ok installed'], [{ name: 'nginx', state: 'absent', version: '2' }], 'nginx-'],
  ])('is about packages that change: %s', (_, installed, options, asked) => {
    const host = packageHost(installed)
    host.run(`set -e\n${pkg.kind.observe(options.map(spec)).script}`)
    expect(host.calls().map((call) => call.split(' install ')[1])).toEqual(asked === undefined ? [] : [asked])
  })

  const lines = (...rest: readonly string[]) => ['simulated 0 read curl nginx- tree:i386-', ...rest.map((line) => `apt ${line}`), 'other']

  it('is read as what apt would do', () => {
    const read = readSimulation(
      lines(
        'Reading package lists...',
        'Building dependency tree...',
        'Inst curl',
        'Inst libcurl4:i386',
        'Remv nginx',
        'Remv tree:i386',
        'Remv nginx-core',
        'NOTE: x',
        '',
        'E: y',
      ),
      true,
    )
    expect(read).toEqual({
      isPossible: true,
      installs: ['curl', 'libcurl4:i386'],
      removes: ['nginx-core'],
      words: ['NOTE: x', 'E: y'],
      isFinal: true,
    })
    expect(readSimulation(['x', 'apt Inst curl'], true)).toBeUndefined()
    expect(readSimulation(['simulated 100 read curl'], true)).toMatchObject({ isPossible: false, isFinal: true })
    expect(readSimulation(['simulated 0 old curl'], true)?.isFinal).toBe(false)
    expect(readSimulation(lines(), false)?.isFinal).toBe(false)
    // A package that is removed in one architecture only.
    expect(readSimulation(['simulated 0 read nginx-', 'apt Remv nginx:i386'], true)?.removes).toEqual([])
    for (const line of ['xsimulated 0 read a', 'simulated 0 new a', 'simulated x read a'])
      expect(readSimulation([line], true)).toBeUndefined()
  })

  const POSSIBLE: Simulated = { isPossible: true, installs: ['curl', 'jq:i386'], removes: [], words: [], isFinal: true }
  const why = (options: Options, simulated: Partial<Simulated>) => impossibilityOf(spec(options), { ...POSSIBLE, ...simulated })

  it('makes a change impossible for the package that apt names', () => {
    const failing = (...words: readonly string[]) => ({ isPossible: false, words })
    expect(why({ name: 'curl' }, failing('E: Unable to locate package curl'))?.what).toBe('package curl cannot be installed')
    expect(why({ name: 'curl', version: '7' }, failing("E: Version '7' for 'curl' was not found"))?.what).toBe(
      'package curl cannot be installed in version 7',
    )
    expect(why({ name: 'curl', state: 'absent' }, failing('E: x'))?.what).toBe('package curl cannot be removed')
    expect(why({ name: 'curl:i386' }, failing('E: Unable to locate package curl:i386'))).toBeDefined()
    for (const other of ['curling', 'libcurl', 'c.rl', 'curl-x'])
      expect(why({ name: 'curl' }, failing(`E: Unable to locate package ${other}`))).toBeUndefined()
    expect(why({ name: 'curl' }, failing('E: Unable to locate package jq', 'E: Problem'))).toBeUndefined()
    expect(why({ name: 'c.rl' }, failing("E: Package 'curl' has no installation candidate"))).toBeUndefined()
    expect(why({ name: 'curl' }, failing('E: Unmet dependencies.', 'N: curl'))?.why).toBe('E: Unmet dependencies.\nN: curl')
    expect(why({ name: 'curl' }, failing(...Array.from({ length: 30 }, (_, i) => `E: ${i}`)))?.why.split('\n')).toHaveLength(20)
  })

  it('makes a change impossible that would remove others, or install another package', () => {
    expect(why({ name: 'curl' }, { removes: ['a', 'b'] })?.what).toBe('change of package curl would also remove a, b')
    expect(why({ name: 'mta' }, {})).toMatchObject({ what: 'package mta is virtual', fix: 'declare the package that provides it' })
    expect(why({ name: 'mta' }, { installs: [] })?.why).toContain('apt would install nothing instead')
    for (const options of [
      { name: 'curl' },
      { name: 'jq' },
      { name: 'jq:i386' },
      { name: 'curl:amd64' },
      { name: 'mta', state: 'absent' },
    ] as const)
      expect(why(options, {})).toBeUndefined()
  })

  it('has an instruction that fits the words of apt', () => {
    const fixes = [
      'Package x is a virtual package',
      'Held packages were changed',
      'Unable to locate',
      "'x' has no installation candidate",
      'was not found',
      'Broken packages',
    ].map((said) => fixFor(said, 'x'))
    expect(new Set(fixes).size).toBe(4)
    expect(fixes[1]).toContain('apt-mark unhold x')
    expect([fixes[2], fixes[3], fixes[4]].every((fix) => fix === fixes[2])).toBe(true)
  })
})

describe('the debt of a host', () => {
  const debts = (names: readonly string[], ...answer: readonly string[]) =>
    [...pkg.kind.observe(names.map((name) => spec({ name }))).parse(Buffer.from(`${answer.join('\n')}\n`), NOTHING)].map(
      ([name, { debt }]) => [name, debt],
    )
  const line = (name: string, status: string, flags = 'install ok') => `${status}\t${name}\tamd64\t1\t${flags}`

  it('is that of an interrupted dpkg, carried by the first package that is as declared', () => {
    const other = [line('a1', 'not-installed'), line('b1', 'installed'), line('c1', 'installed'), line('x1', 'unpacked')]
    const names = ['a1', 'b1', 'c1']
    expect(debts(names, ...other, 'answered 0')).toEqual([
      ['a1', undefined],
      ['b1', 'dpkg was interrupted: x1 is unpacked'],
      ['c1', undefined],
    ])
    expect(debts(names, ...other, line('y1', 'half-installed'), 'answered 0')[1]?.[1]).toBe(
      'dpkg was interrupted: x1 is unpacked, and 1 more',
    )
    expect(debts(names, ...other.slice(0, 3), 'answered 0', 'journal', 'held')[1]?.[1]).toBe('dpkg was interrupted')
    expect(debts(names, ...other.slice(0, 3), 'answered 0', 'held')[1]?.[1]).toBe('services held back by an interrupted installation')
    // A package that changes itself settles it.
    expect(debts(['b1:amd64', 'c1'], line('b1', 'half-configured'), line('c1', 'installed'), 'answered 0').map(([, debt]) => debt)).toEqual(
      [undefined, undefined],
    )
  })

  it.each(['half-installed', 'unpacked', 'half-configured', 'triggers-awaited', 'triggers-pending'])(
    'is a package that is %s',
    (status) => {
      expect([isUnfinished(status), isUnfinished('installed')]).toEqual([true, false])
      expect(debts(['b1'], line('b1', 'installed'), line('x1', status), 'answered 0')[0]?.[1]).toContain(status)
    },
  )

  it('keeps a simulation from being final', () => {
    const isFinal = (...answer: readonly string[]) =>
      pkg.kind
        .observe([spec({ name: 'b1' })])
        .parse(Buffer.from(`${answer.join('\n')}\n`), NOTHING)
        .get('b1')?.simulated?.isFinal
    const simulated = ['simulated 0 read b1', 'apt Inst b1']
    expect(isFinal('answered 0', ...simulated)).toBe(true)
    expect(isFinal('answered 0', 'journal', ...simulated)).toBe(false)
    expect(isFinal(line('x1', 'unpacked'), 'answered 0', ...simulated)).toBe(false)
    expect(isFinal('answered 0')).toBeUndefined()
  })
})

describe('what a plan says of a package', () => {
  const simulated: Simulated = { isPossible: true, installs: ['curl'], removes: [], words: [], isFinal: true }
  const missing = { status: 'not-installed', version: '', held: false }

  it('shows versions', () => {
    const differences = (options: Options, state: object) => pkg.kind.plan(spec(options), { ...missing, ...state }, context)?.differences
    expect(differences({ name: 'curl', version: '2' }, {})).toEqual([{ key: 'version', to: '2' }])
    expect(differences({ name: 'curl', version: '2' }, { status: 'installed', version: '1' })).toEqual([
      { key: 'version', from: '1', to: '2' },
    ])
    expect(differences({ name: 'curl', state: 'absent' }, { status: 'installed', version: '1' })).toEqual([{ key: 'version', from: '1' }])
    expect(differences({ name: 'curl' }, {})).toEqual([])
    expect(pkg.kind.plan(spec({ name: 'curl' }), { ...missing, status: 'installed', debt: 'x' }, context)).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'x', differences: [], debt: true },
    })
  })

  it.each(['sources.list.d', 'preferences.d', 'keyrings', 'trusted.gpg.d', 'auth.conf.d'])(
    'depends on a change below /etc/apt/%s',
    (name) => {
      const more = { ...context, changesBelow: (directory: string) => directory === `/etc/apt/${name}` }
      expect(pkg.kind.plan(spec({ name: 'curl' }), { ...missing, simulated }, more)?.certainty).toBe('dependent')
      const refused = { ...simulated, isPossible: false, words: ['E: Unable to locate package curl'] }
      expect(pkg.kind.forbids?.(spec({ name: 'curl' }), { ...missing, simulated: refused }, more)).toBeUndefined()
      expect(pkg.kind.forbids?.(spec({ name: 'curl' }), { ...missing, simulated: refused }, context)).toBeDefined()
    },
  )

  it('depends on a change of the list of sources, and on an unfinished answer', () => {
    const certainty = (state: object, more: object = {}) =>
      pkg.kind.plan(spec({ name: 'curl' }), { ...missing, ...state }, { ...context, ...more })?.certainty
    expect(certainty({ simulated })).toBe('exact')
    expect(certainty({ simulated }, { changes: (key: string) => key === 'file:/etc/apt/sources.list' })).toBe('dependent')
    expect(certainty({})).toBe('dependent')
    expect(certainty({ simulated: { ...simulated, installs: ['exim4'] } })).toBe('dependent')
    expect(certainty({ status: 'unpacked' })).toBe('exact')
    expect(pkg.kind.orphan).toHaveProperty('keep')
    expect(pkg.kind.affectsLater).toBe(true)
  })

  it('refuses nothing that is as declared, or whose answer can change', () => {
    const refused = { ...simulated, isPossible: false, words: ['E: Unable to locate package curl'] }
    const forbids = (state: object, more: object = {}) =>
      pkg.kind.forbids?.(spec({ name: 'curl' }), { ...missing, ...state }, { ...context, ...more })
    expect(forbids({ simulated: refused })).toBeDefined()
    expect(forbids({ simulated: refused, status: 'installed' })).toBeUndefined()
    expect(forbids({ simulated: { ...refused, isFinal: false } })).toBeUndefined()
    expect(forbids({ simulated: refused }, { opaquePending: true })).toBeUndefined()
    expect(forbids({})).toBeUndefined()
  })

  it.each([
    ['openssh-server', '', true],
    ['sudo', 'SUDO_USER=ops', true],
    ['sudo', '', false],
    ['nginx', 'SUDO_USER=ops', false],
  ])('refuses to remove what the account of the run needs, also if apt would remove it: %s, %s', (name, login, isRefused) => {
    const host = packageHost([`${name} amd64 1 install ok installed`])
    const declared = spec({ name, state: 'absent' })
    const query = pkg.kind.observe([declared])
    const { stdout } = host.run(`${login}\n${query.script}`)
    const state = query.parse(Buffer.from(stdout), NOTHING).get(name)
    if (state === undefined) throw new Error('not observed')
    for (const more of [{}, { opaquePending: true }])
      expect(pkg.kind.forbids?.(declared, state, { ...context, ...more })?.what).toBe(
        isRefused ? `removal of package ${name} would shut out the account that this run uses` : undefined,
      )
    expect(pkg.kind.forbids?.(spec({ name }), state, context)).toBeUndefined()
  })

  it.each([
    ['openssh-server', false, 'the account logs in through this server'],
    ['openssh-server:amd64', false, 'the account logs in through this server'],
    ['sudo', true, 'the account becomes root by sudo'],
    ['sudo', false, undefined],
    ['nginx', true, undefined],
  ])('refuses a change with which apt would remove %s, also if its answer can change (sudo: %s)', (removed, usesSudo, why) => {
    const answer = { ...simulated, removes: ['liba', removed], isFinal: false, ...(usesSudo && { usesSudo: true }) }
    const refusal = pkg.kind.forbids?.(spec({ name: 'curl' }), { ...missing, simulated: answer }, context)
    expect(refusal?.why).toBe(why && `apt-get -s removes ${removed} in the same transaction: ${why}`)
    if (why !== undefined) expect(refusal?.what).toBe('change of package curl would shut out the account that this run uses')
  })
})

it.each<[string, object]>([
  ['a version without a digit in front', { version: 'v1' }],
  ['a version with a space', { version: '1 2' }],
  ['a negative age', { cacheHours: -1 }],
  ['an unknown state', { state: 'latest' }],
  ['an architecture with capitals', { name: 'a1:AMD64' }],
  ['a name that begins with a dot', { name: '.a1' }],
])('refuses %s', (_, options) => {
  expect(() => pkg({ name: 'a1', ...options })).toThrow()
})
