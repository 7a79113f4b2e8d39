import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import { type Answer, HostRefusal } from '../../../../src/resource/kind/step.ts'
import { installPackages, transactionScript } from '../../../../src/resource/package/apply.ts'
import type { PackageState } from '../../../../src/resource/package/observe.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import { NOTHING } from '../answers.ts'

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }
const recorded = (name: string) => readFileSync(new URL(`../../../fixtures/debian-12/${name}.txt`, import.meta.url))
const observed = (names: readonly string[], answer: Buffer) =>
  pkg.kind.observe(names.map((name) => pkg({ name }).spec)).parse(answer, NOTHING)

const ABSENT: PackageState = { status: 'not-installed', version: '', held: false }
const state = (status: string, more: Partial<PackageState> = {}): PackageState => ({ status, version: '1.22.1-9', held: false, ...more })

describe('observing packages', () => {
  it('reads a recorded answer', () => {
    const found = observed(['nginx', 'zlib1g:amd64', 'apache2'], recorded('package'))
    expect(found.get('nginx')).toEqual({ status: 'installed', version: '1.22.1-9+deb12u11', held: false })
    expect(found.get('zlib1g:amd64')?.status).toBe('installed')
    expect(found.get('apache2')).toEqual(ABSENT)
  })

  it('finds holds, and lets a converged package carry the debt of another', () => {
    const found = observed(['apache2', 'mariadb-server', 'zlib1g'], recorded('package-interrupted'))
    expect(found.get('mariadb-server')?.held).toBe(true)
    expect([...found].filter(([, { debt }]) => debt !== undefined)).toEqual([
      ['mariadb-server', expect.objectContaining({ debt: 'dpkg was interrupted: tree is half-configured' })],
    ])
  })

  it('reports it at the package itself if that is unfinished', () => {
    const found = observed(['tree', 'zlib1g'], recorded('package-interrupted'))
    expect(found.get('tree')).toMatchObject({ status: 'half-configured' })
    expect(found.get('zlib1g')?.debt).toBe('services held back by an interrupted installation')
  })

  it('counts a package that needs reinstallation as half-installed', () => {
    expect(observed(['a1'], Buffer.from('unpacked\ta1\tall\t1\tinstall reinstreq\nanswered 0\n')).get('a1')?.status).toBe('half-installed')
  })

  it('prefers the installed one of several architectures', () => {
    const answer = 'installed\tlibc6\tamd64\t2.36\tinstall ok\nconfig-files\tlibc6\ti386\t2.31\tdeinstall ok\nanswered 0\n'
    const found = observed(['libc6', 'libc6:i386'], Buffer.from(answer))
    expect(found.get('libc6')).toEqual({ status: 'installed', version: '2.36', held: false })
    expect(found.get('libc6:i386')).toEqual(ABSENT)
  })

  it.each(['', 'installed\tnginx\tamd64\t1\tinstall ok\n', 'answered 2\n', 'installed\tnginx\tamd64\nanswered 0\n'])(
    'throws on an incomplete answer: %j',
    (answer) => {
      expect(() => observed(['nginx'], Buffer.from(answer))).toThrow()
    },
  )
})

describe('planning a package', () => {
  it.each<[string, Parameters<typeof pkg>[0], PackageState, string | undefined]>([
    ['as wanted', { name: 'nginx' }, state('installed'), undefined],
    ['not there', { name: 'nginx' }, ABSENT, 'create not installed'],
    ['removed, its configuration left', { name: 'nginx' }, state('config-files'), 'create not installed'],
    ['the version as wanted', { name: 'nginx', version: '1.22.1-9' }, state('installed'), undefined],
    ['another version', { name: 'nginx', version: '1.24-1' }, state('installed'), 'update version differs'],
    ['unpacked only', { name: 'nginx' }, state('unpacked'), 'update debt installation interrupted (unpacked)'],
    ['to be removed', { name: 'nginx', state: 'absent' }, state('installed'), 'delete declared absent'],
    ['absent as wanted', { name: 'nginx', state: 'absent' }, ABSENT, undefined],
    ['absent but for its configuration', { name: 'nginx', state: 'absent' }, state('config-files'), undefined],
    [
      'absent wanted, half there',
      { name: 'nginx', state: 'absent' },
      state('half-installed'),
      'delete debt installation interrupted (half-installed)',
    ],
    [
      'as wanted, but dpkg was cut',
      { name: 'nginx' },
      state('installed', { debt: 'dpkg was interrupted' }),
      'update debt dpkg was interrupted',
    ],
  ])('%s', (_, options, state, expected) => {
    const change = pkg.kind.plan(pkg(options).spec, state, context)
    expect(change && `${change.action} ${change.debt ? 'debt ' : ''}${change.reason}`).toBe(expected)
  })

  it.each(['Nginx', 'a', 'nginx; rm -rf /', '-y', 'nginx=1'])('refuses %j as a name', (name) => {
    expect(() => pkg({ name })).toThrow()
  })
})

describe('applying packages', () => {
  const work = (options: Parameters<typeof pkg>[0], state: PackageState) => {
    const { id, spec } = pkg(options)
    return { id, spec, state, change: { action: 'create', certainty: 'exact', reason: '', differences: [] } as const }
  }
  const answer = (code: number, stdout = '', stderr = ''): Answer => ({ code, stdout: Buffer.from(stdout), stderr })
  const refusal = (one: ReturnType<typeof work>, ...answers: readonly Answer[]): HostRefusal => {
    const steps = installPackages([one], { seconds: 1, times: 2 })
    try {
      for (const given of [undefined, ...answers]) if (given === undefined ? steps.next().done : steps.next(given).done) break
    } catch (error) {
      if (error instanceof HostRefusal) return error
      throw error
    }
    throw new Error('was not refused')
  }

  it('names each package once, with its version, without one that only carries a debt', () => {
    const script = String(
      transactionScript(
        [
          work({ name: 'nginx', version: '1.24-1' }, ABSENT),
          work({ name: 'tree' }, state('installed', { debt: 'x' })),
          work({ name: 'apache2', state: 'absent' }, state('installed')),
        ],
        60,
      ),
    )
    expect(script).toContain('\nmissing nginx=1.24-1; ')
    expect(script.match(/^as_observed .*/gm)).toEqual(["as_observed nginx '' 1.24-1", "as_observed apache2 1.22.1-9 ''"])
    expect(script).toContain('\ninstalled apache2; ')
    expect(script).not.toContain('tree')
  })

  it('uses the shortest cache age of the batch', () => {
    expect(String(transactionScript([work({ name: 'nginx' }, ABSENT), work({ name: 'tree', cacheHours: 1 }, ABSENT)], 60))).toContain(
      '-mmin -60)',
    )
  })

  it.each<[string, string, string, string, string]>([
    [
      'a full mount',
      'provision-cause: full /var\n',
      'dpkg: error: No space left on device\nE: Sub-process returned an error',
      '/var is full',
      'free space on /var',
    ],
    [
      'another failure on a full mount',
      'provision-cause: full /boot\n',
      'E: Unmet dependencies.',
      'apt failed: Unmet dependencies.',
      'fix the problem',
    ],
    [
      'lists that were not fetched, which explain a missing candidate',
      'provision-cause: unfetched\n',
      'E: Unable to locate package nginx',
      'package lists not fetched',
      'network',
    ],
    [
      'lists that were not fetched, beside another failure',
      'provision-cause: unfetched\n',
      'E: Packages need to be removed but remove is disabled.',
      'apt failed: Packages need to be removed but remove is disabled.',
      'fix the problem',
    ],
    [
      'no candidate',
      '',
      "E: Package 'nginx' has no installation candidate",
      "apt failed: Package 'nginx' has no installation candidate",
      'check name and version',
    ],
    [
      'a hold',
      '',
      'E: Held packages were changed and -y was used without --allow-change-held-packages.',
      'apt failed: Held packages were changed',
      'apt-mark unhold nginx',
    ],
    [
      'an unknown version of a held package',
      '',
      "E: Version '9' for 'nginx' was not found",
      "apt failed: Version '9' for 'nginx' was not found",
      'check name and version',
    ],
    ['further removals', 'provision-cause: removes wordpress \n', '', 'would also remove wordpress', 'remove those by hand'],
    [
      'a virtual package',
      'provision-cause: virtual default-mta\n',
      '',
      'default-mta is a virtual package',
      'declare the package that provides it',
    ],
    [
      'a virtual package that apt would have fulfilled with another',
      'provision-cause: instead default-mta\n',
      '',
      'default-mta is a virtual package',
      'declare the package that provides it; nothing was installed',
    ],
    [
      'a virtual package that several provide, although a list was not fetched',
      'provision-cause: unfetched\n',
      "Package awk is a virtual package provided by:\n  mawk 1.3\nE: Package 'awk' has no installation candidate",
      'awk is a virtual package',
      'declare the package that provides it; nothing was installed',
    ],
    [
      'a host without apt, whose lists were not fetched',
      'provision-cause: unfetched\n',
      'sh: 12: apt-get: not found',
      'apt-get is not installed',
      'install apt on the host',
    ],
    ['no words of apt', '', 'killed', 'apt failed (exit 1)', 'fix the problem'],
  ])('reports %s by the words of apt', (_, stdout, stderr, what, fix) => {
    const refused = refusal(work({ name: 'nginx' }, state('installed', { held: true })), answer(1, stdout, stderr))
    expect(refused.what).toContain(what)
    expect(refused.why).toBe(stderr === '' ? stdout.trim() : stderr)
    expect(refused.fix).toContain(fix)
  })

  it('retries while dpkg is busy, up to the limit', () => {
    const busy = answer(75, '', 'unattended-upgr (pid 7), for 90 s\n')
    expect(refusal(work({ name: 'nginx' }, ABSENT), busy, busy).why).toBe('waited 2 s for unattended-upgr (pid 7), for 90 s')
    const steps = installPackages([work({ name: 'nginx' }, ABSENT)], { seconds: 1, times: 2 })
    steps.next()
    expect(steps.next(busy).done).toBe(false)
    expect(steps.next(answer(0)).done).toBe(true)
  })
})
