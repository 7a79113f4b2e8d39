import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { DIRECTORIES } from '../../../src/engine/observe/directories.ts'
import { queryHost } from '../../../src/engine/observe/host-query.ts'
import { forbiddenOn, planHost } from '../../../src/engine/plan/plan-host.ts'
import { command } from '../../../src/resource/control/command.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { link } from '../../../src/resource/file/link.ts'
import type { Inode, InodeState } from '../../../src/resource/kind/inode.ts'
import type { Resource } from '../../../src/resource/kind/kind.ts'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import { pkg } from '../../../src/resource/package/package.ts'
import { cron } from '../../../src/resource/system/cron.ts'

const inode = (type: string, more: object = {}): InodeState => ({ type, mode: '755', owner: 'root', group: 'root', target: '', ...more })
const root = { '/srv': inode('d'), '/srv/app': 'absent' as const, '/home': inode('d'), '/home/bob': inode('d', { owner: 'bob' }) }

/** Returns the refusals at planning, and the certainty of each change. Resources are absent unless `states` has their path. */
const planned = (resources: readonly Resource[], states: Record<string, InodeState> = {}, directories: Record<string, InodeState> = {}) => {
  const observation = new Map<string, unknown>(
    resources.map((one) => [
      keyOf(one),
      states[one.id] ?? (one.kind.name === 'package' ? { status: 'not-installed', version: '' } : 'absent'),
    ]),
  )
  for (const one of resources) if (one.kind.name === 'command') observation.set(keyOf(one), { unless: 'no', missing: true })
  observation.set(DIRECTORIES, new Map(Object.entries({ ...root, ...directories })))
  const declared = resources.map((resource) => ({ play: 0, role: 'web', resource }))
  const input = { resources: declared, observation, observations: new Map(), selected: () => true, now: new Date(0) }
  return {
    refused: forbiddenOn({ host: 'a', resources: declared, observation }, () => true, {}).map(({ what, why }) => `${what}: ${why}`),
    certain: planHost(input).map(({ resource, change }) => `${resource.id} ${change.certainty}`),
    reasons: planHost(input).map(({ change }) => change.reason),
  }
}
const conf = file({ path: '/srv/app/conf', content: 'x' })

describe('a directory that a resource needs', () => {
  it('is not asked for where the kind refuses the host: a package brings /etc/cron.d with the daemon', () => {
    const job = cron({ name: 'report', jobs: [{ schedule: '@daily', command: 'true' }] })
    const states = { report: { file: 'absent', reader: undefined } as never }
    expect(planned([job], states, { '/etc': inode('d'), '/etc/cron.d': 'absent' }).refused).toEqual([
      'cron report would have no effect: the host has no cron daemon, and no earlier change of this run installs one',
    ])
  })

  it.each<[string, Resource]>([
    ['a file', conf],
    ['a directory', directory({ path: '/srv/app/conf' })],
    ['a link', link({ path: '/srv/app/conf', target: 'x' })],
  ])('and that is missing refuses the run at planning: %s', (_, resource) => {
    expect(planned([resource]).refused).toEqual(['directory /srv/app does not exist: no earlier resource of this run creates it'])
  })

  it('is there, or is made before by a declared directory or link: the change is exact', () => {
    for (const [resources, directories] of [
      [[conf], { '/srv/app': inode('d') }],
      [[conf], { '/srv/app': inode('l', { target: '/data/app' }) }],
      [[directory({ path: '/srv/app' }), conf], {}],
      [[link({ path: '/srv/app', target: '/data/app' }), conf], {}],
    ] as const) {
      const { refused, certain } = planned(resources, {}, directories)
      expect(refused).toEqual([])
      expect(certain.at(-1)).toBe('/srv/app/conf exact')
    }
  })

  it('may be made by a package or a command before it: the change depends on that', () => {
    for (const earlier of [pkg({ name: 'app' }), command({ name: 'setup', run: 'true', unless: 'false' })]) {
      const { refused, certain } = planned([earlier, conf])
      expect(refused).toEqual([])
      expect(certain.at(-1)).toBe('/srv/app/conf dependent')
      expect(planned([earlier, conf]).reasons.at(-1)).toBe('missing, no directory /srv/app yet')
    }
    expect(planned([pkg({ name: 'app' }), directory({ path: '/srv/app' }), conf]).reasons.at(-1)).toBe('missing')
    const opaque = { action: 'run', certainty: 'opaque', reason: 'why', differences: [] } as const
    const { certain, reasons } = planned([pkg({ name: 'app' }), { ...conf, kind: { ...conf.kind, plan: () => opaque } }])
    expect([certain.at(-1), reasons.at(-1)]).toEqual(['/srv/app/conf opaque', 'why'])
  })

  it('is not made by a change after it, nor by another file', () => {
    expect(planned([conf, directory({ path: '/srv/app' })]).refused).toHaveLength(1)
    expect(planned([file({ path: '/srv/other', content: '' }), conf]).refused).toHaveLength(1)
  })

  it('and that is a file is named as one', () => {
    expect(planned([conf], {}, { '/srv/app': inode('f') }).refused).toEqual([
      '/srv/app is a file: a resource in this directory is declared',
    ])
  })

  it('is not needed by a file that is declared absent, or is as declared', () => {
    const gone = file({ path: '/srv/app/conf', state: 'absent' })
    expect(planned([gone], { '/srv/app/conf': inode('f') }).refused).toEqual([])
    expect(planned([directory({ path: '/srv/app/conf' })], { '/srv/app/conf': inode('d') }).refused).toEqual([])
  })

  it('that an account of the host controls refuses nothing for the other hosts, and is not exact', () => {
    const theirs = file({ path: '/home/bob/app/conf', content: 'x' })
    const { refused, certain } = planned([theirs], {}, { '/home/bob/app': 'absent' })
    expect([refused, certain]).toEqual([[], ['/home/bob/app/conf dependent']])
    const shared = { '/srv': inode('d', { mode: '777' }) }
    expect(planned([conf], {}, shared).refused).toEqual([])
  })
})

describe('a directory that is declared absent', () => {
  const gone = (path: string) => directory({ path, state: 'absent' })
  const holding = (...within: readonly string[]) => ({ ...(inode('d') as Inode), within })
  const refusal = 'directory /srv/app is not empty: it is declared absent, and has '

  it('and has something in it refuses the run at planning', () => {
    expect(planned([gone('/srv/app')], { '/srv/app': holding('a', 'b', 'c') }).refused).toEqual([`${refusal}a, b, c`])
    expect(planned([gone('/srv/app')], { '/srv/app': holding('a', 'b', 'c', 'd') }).refused).toEqual([`${refusal}a, b, c and 1 more`])
    expect(planned([directory({ path: '/srv/app' })], { '/srv/app': holding('a') })).toMatchObject({ refused: [], certain: [] })
  })

  it('is deleted exactly after all that is in it', () => {
    const within = [file({ path: '/srv/app/a', state: 'absent' }), link({ path: '/srv/app/b', state: 'absent' }), gone('/srv/app/c')]
    const states = {
      ...{ '/srv/app': holding('a', 'b', 'c'), '/srv/app/a': inode('f') },
      ...{ '/srv/app/b': inode('l', { target: 'x' }), '/srv/app/c': holding() },
    }
    expect(planned([...within, gone('/srv/app')], states)).toMatchObject({
      refused: [],
      certain: ['/srv/app/a exact', '/srv/app/b exact', '/srv/app/c exact', '/srv/app exact'],
    })
    expect(planned([...within.slice(1), gone('/srv/app')], states).refused).toEqual([`${refusal}a`])
    expect(planned([gone('/srv/app'), ...within], states).refused).toEqual([`${refusal}a, b, c`])
    // An update is no deletion.
    const kept = [file({ path: '/srv/app/a', content: 'x' }), ...within.slice(1), gone('/srv/app')]
    expect(planned(kept, states, { '/srv/app': inode('d') }).refused).toEqual([`${refusal}a`])
  })

  it('may be emptied by a command before it, or by the account that controls it: the deletion is not exact', () => {
    const earlier = planned([command({ name: 'clean', run: 'true', unless: 'false' }), gone('/srv/app')], { '/srv/app': holding('a') })
    expect([earlier.refused, earlier.certain.at(-1)]).toEqual([[], '/srv/app dependent'])
    for (const more of [{ owner: 'bob' }, { mode: '775' }])
      expect(planned([gone('/srv/app')], { '/srv/app': { ...holding('a'), ...more } })).toMatchObject({
        ...{ refused: [], certain: ['/srv/app dependent'] },
      })
    expect(planned([gone('/home/bob/app')], { '/home/bob/app': holding('a') }).refused).toEqual([])
  })

  it('is missing for what is declared in it later, unless it is made again', () => {
    const states = { '/srv/app': holding() }
    const there = { '/srv/app': inode('d') }
    expect(planned([gone('/srv/app'), conf], states, there).refused).toEqual([
      'directory /srv/app does not exist: an earlier change of this run deletes it',
    ])
    const away = file({ path: '/srv/app', state: 'absent' })
    expect(planned([away, directory({ path: '/srv/app' }), conf], { '/srv/app': inode('f') }, { '/srv/app': inode('f') }).refused).toEqual(
      [],
    )
    expect(planned([gone('/srv/app'), conf], {}, { '/srv/app': 'absent' }).refused).toEqual([
      'directory /srv/app does not exist: no earlier resource of this run creates it',
    ])
  })
})

describe('something of another type at the path', () => {
  const away = inode('l', { mode: '777', target: '/data/app' })

  it.each<[string, Resource, InodeState, string]>([
    [
      'a link where a directory is declared',
      directory({ path: '/srv/app' }),
      away,
      '/srv/app is a symbolic link to /data/app: a directory is declared at this path; root follows its links above a path, and not at the path itself',
    ],
    [
      'a file where a directory is declared',
      directory({ path: '/srv/app' }),
      inode('f'),
      '/srv/app is a file: a directory is declared at this path, and',
    ],
    [
      'a link where a directory is declared absent',
      directory({ path: '/srv/app', state: 'absent' }),
      away,
      '/srv/app is a symbolic link to',
    ],
    [
      'a directory where a file is declared',
      file({ path: '/srv/app', content: '' }),
      inode('d'),
      '/srv/app is a directory: a file is declared',
    ],
    [
      'a directory where a file is declared absent',
      file({ path: '/srv/app', state: 'absent' }),
      inode('d'),
      '/srv/app is a directory: a file',
    ],
    [
      'a pipe where a file is declared',
      file({ path: '/srv/app', content: '' }),
      inode('p'),
      '/srv/app is a special file: a file is declared',
    ],
    ['a file where a link is declared', link({ path: '/srv/app', target: 'x' }), inode('f'), '/srv/app is a file: a link is declared'],
    [
      'a directory where a link is declared absent',
      link({ path: '/srv/app', state: 'absent' }),
      inode('d'),
      '/srv/app is a directory: a link is declared absent at this path, and provision does not delete it',
    ],
    [
      'a link where a directory is declared absent',
      directory({ path: '/srv/app', state: 'absent' }),
      away,
      '/srv/app is a symbolic link to /data/app: a directory is declared absent at this path; root follows',
    ],
  ])('refuses the run at planning: %s', (_, resource, state, message) => {
    expect(planned([resource], { '/srv/app': state }).refused).toEqual([expect.stringContaining(message)])
  })

  it('is replaced where that loses nothing: a link by a file, a link by a link', () => {
    expect(planned([file({ path: '/srv/app', content: '' })], { '/srv/app': away }).refused).toEqual([])
    expect(planned([link({ path: '/srv/app', target: 'x' })], { '/srv/app': away }).refused).toEqual([])
  })

  it('is no fault if an earlier change deletes it', () => {
    const resources = [file({ path: '/srv/app', state: 'absent' }), directory({ path: '/srv/app' })]
    expect(planned(resources, { '/srv/app': inode('f') }).refused).toEqual([])
  })

  it('that an account of the host may have made refuses nothing for the other hosts', () => {
    expect(planned([directory({ path: '/home/bob/app' })], { '/home/bob/app': inode('f') }).refused).toEqual([])
  })
})

describe('the observation', () => {
  const scratch = realpathSync(mkdtempSync('/srv/needed-'))
  chmodSync(scratch, 0o755)
  afterAll(() => rmSync(scratch, { recursive: true }))

  const refused = (...declared: readonly Resource[]): readonly string[] => {
    const resources = declared.map((resource) => ({ play: 0, role: 'web', resource }))
    const query = queryHost('a', resources)
    const observation = query.read(spawnSync('sh', ['-c', query.script], { env: { ...process.env, T: scratch } }).stdout)
    return forbiddenOn({ host: 'a', resources, observation }, () => true, {}).map(({ what }) => what)
  }

  it('has the directories above each path, and who controls them', () => {
    mkdirSync(join(scratch, 'bob'))
    if (process.getuid?.() === 0) chownSync(join(scratch, 'bob'), 65_534, 65_534)
    const declared = (path: string) => file({ path: join(scratch, path), content: 'x' })
    expect(refused(declared('missing/conf'), declared('bob/missing/conf'))).toEqual([`directory ${scratch}/missing does not exist`])
  })

  it('has the names in directories that are declared absent, and not behind links', () => {
    const gone = (name: string) => directory({ path: join(scratch, name), state: 'absent' })
    for (const name of ['full', 'empty', 'hidden']) mkdirSync(join(scratch, name))
    for (const name of ['full/a b', 'hidden/.x']) writeFileSync(join(scratch, name), '')
    symlinkSync('full', join(scratch, 'linked'))
    expect(refused(...['full', 'empty', 'hidden', 'linked', 'nothing'].map(gone))).toEqual([
      ...[`directory ${scratch}/full is not empty`, `directory ${scratch}/hidden is not empty`],
      `${scratch}/linked is a symbolic link to full`,
    ])
    expect(refused(file({ path: join(scratch, 'full/a b'), state: 'absent' }), gone('full'))).toEqual([])
    // No program starts for those that are gone, and its failure is never read as an empty directory.
    mkdirSync(join(scratch, 'bin'))
    writeFileSync(join(scratch, 'bin/perl'), '#!/bin/sh\nexit 126\n', { mode: 0o755 })
    const states = (name: string) => {
      const query = queryHost('a', [{ play: 0, role: 'web', resource: gone(name) }])
      const env = { ...process.env, PATH: `${scratch}/bin:${process.env.PATH}`, T: scratch }
      const { stdout, status } = spawnSync('sh', ['-c', query.script], { env })
      return query.read(stdout, status ?? 255)
    }
    expect(states('nothing').get(`directory:${scratch}/nothing`)).toBe('absent')
    expect(() => states('full')).toThrow('did not report')
  })

  it.runIf(process.getuid?.() === 0)('knows where a link of root leads: to a directory of root, or of an account', () => {
    for (const [name, to] of Object.entries({ ours: 'www', theirs: 'bob' })) {
      mkdirSync(join(scratch, to), { recursive: true })
      symlinkSync(join(scratch, to), join(scratch, name))
      writeFileSync(join(scratch, to, 'app'), '')
    }
    chownSync(join(scratch, 'bob'), 65_534, 65_534)
    const declared = (path: string) => [
      directory({ path: join(scratch, path, 'app') }),
      file({ path: join(scratch, path, 'missing/conf'), content: 'x' }),
    ]
    expect(refused(...declared('ours'))).toEqual([`${scratch}/ours/app is a file`, `directory ${scratch}/ours/missing does not exist`])
    // Its owner put the file there, and could stop the run of all hosts.
    expect(refused(...declared('theirs'))).toEqual([])
  })
})
