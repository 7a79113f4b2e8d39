import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, onTestFinished, test } from 'vitest'
import '../../../../src/index.ts'
import { queryHost } from '../../../../src/engine/observe/host-query.ts'
import type { DeclaredResource } from '../../../../src/engine/plan/declared.ts'
import { missingOf, orphanNotices, orphansOn, readOwned, withheldOn, withOrphans } from '../../../../src/engine/plan/orphans.ts'
import { ownedBy } from '../../../../src/engine/plan/owned.ts'
import { planHost } from '../../../../src/engine/plan/plan-host.ts'
import { Problem } from '../../../../src/problem.ts'
import { certificate, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import { applyOrphans } from '../../../../src/resource/ownership/apply.ts'
import type { OrphanSpec, OrphanState } from '../../../../src/resource/ownership/observe.ts'
import { isOrphan, orphan } from '../../../../src/resource/ownership/orphan.ts'
import { outcomeOf } from '../../../../src/resource/ownership/plan.ts'
import { readRecord, recordHead, recordLine } from '../../../../src/resource/ownership/record.ts'
import { unit } from '../../../../src/resource/service/unit.ts'
import { contents } from '../../../../src/resource/tree/contents.ts'
import { playbooksIn } from '../../../../src/site/project-playbooks.ts'

/** A project that still has all playbooks. */
const PROJECT = { ...playbooksIn('/project'), isMissing: () => false }

const SUM = 'a'.repeat(64)
const inode = (type: string, target = '') => ({ type, mode: '644', owner: 'root', group: 'root', target })
const thingOf = (line: string) => readRecord([recordHead([]).trim(), line]).lines[0] ?? expect.fail('no line')
const never: { deleted?: ReadonlySet<string> } = {}

describe('a record', () => {
  it('is read as it was written, with any name', () => {
    const line = recordLine('file:/srv/a b%20c', '/srv/a b%20c', SUM)
    expect(line).not.toMatch(/ b/)
    expect(thingOf(line)).toMatchObject({ key: 'file:/srv/a b%20c', path: '/srv/a b%20c', digest: SUM })
  })

  it('of the previous version is read too', () => {
    const older = readRecord([`file:/etc/a b /etc/a b ${SUM}`, `unit:x.service /etc/systemd/system/x.service ${SUM}`, 'package:nginx'])
    expect(older.format).toBe('older')
    expect(older.lines.map(({ key, path, digest }) => [key, path, digest])).toEqual([
      ['file:/etc/a b', '/etc/a b', SUM],
      ['unit:x.service', '/etc/systemd/system/x.service', SUM],
      ['package:nginx', undefined, undefined],
    ])
  })

  test.each([
    ['of a later version', '# {"provision":3,"things":[]}', 'has format 3'],
    ['with an invalid format', '# ☃', 'its first line has no valid format'],
  ])('%s is refused in words', (_, line, why) => {
    const read = () => readOwned('web-01', `/var/lib/provision/owned/nginx:${line}\n`)
    expect(read).toThrow(Problem)
    try {
      read()
    } catch (error) {
      expect(error).toMatchObject({ where: { host: 'web-01', role: 'role nginx' }, why: expect.stringContaining(why) })
    }
  })

  it('with any content is read without an error', () => {
    const lines = ['', ' ', ':', '%', 'file:', 'file:../../etc/passwd x', `link:/x /x ->`, '\u0000', 'file:/a '.repeat(1000)]
    const owned = readOwned('h', [recordHead([]).trim(), ...lines].map((line) => `/var/lib/provision/owned/r:${line}\n`).join(''))
    const placed = withOrphans({ host: 'h', project: PROJECT, records: owned, declared: [], playbooks: [], firstPlay: 0, prune: true })
    expect(placed).toEqual([])
  })
})

describe('the observation of orphans', () => {
  const answerAbout = (paths: readonly string[], path = process.env.PATH ?? '') => {
    const resources = paths.map((one): DeclaredResource => {
      const owned = thingOf(recordLine(`file:${one}`, one, SUM))
      return { play: 0, role: 'r', resource: orphan({ role: 'r', owned, prune: true }) }
    })
    const query = queryHost('web-01', resources)
    const env = { PATH: path, LC_ALL: 'C', T: mkdtempSync(join(tmpdir(), 'orphans-')) }
    // All arguments of a program may have a quarter of the stack: 256 KiB here (execve(2)).
    const { stdout, status } = spawnSync('sh', [], { input: `ulimit -s 1024\n${query.script}`, env, maxBuffer: 1e8 })
    return () => query.read(stdout, status ?? 255)
  }

  it('finds the package of a file among as many as exceed a command line', () => {
    const names = Array.from({ length: 1500 }, (_, i) => `/srv/${'n'.repeat(200)}${i}`)
    const found = answerAbout([...names, '/usr/bin/dpkg', '/srv/[a-z]*.conf'])()
    expect(found.get('file:/usr/bin/dpkg')).toMatchObject({ package: 'dpkg', inode: { type: 'f' } })
    expect(found.get(`file:${names[0]}`)).toEqual({ recorded: false, inode: 'absent', within: [] })
    expect(found.get('file:/srv/[a-z]*.conf')).not.toHaveProperty('package')
    expect([...found.keys()].filter((key) => key.startsWith('file:'))).toHaveLength(1502)
  })

  it('finds the package of a file by both of its paths, in /usr and before', () => {
    const paths = ['/bin/cat', '/usr/bin/cat', '/sbin/ldconfig', '/usr/sbin/ldconfig', '/usr/lib/os-release', '/lib/os-release']
    const found = answerAbout([...paths, '/usr/local/bin/cat', '/usr/cat'])()
    expect(paths.map((path) => (found.get(`file:${path}`) as OrphanState).package)).toEqual([
      ...['coreutils', 'coreutils', 'libc-bin', 'libc-bin', 'base-files', 'base-files'],
    ])
    for (const path of ['/usr/local/bin/cat', '/usr/cat']) expect(found.get(`file:${path}`)).not.toHaveProperty('package')
  })

  it('names the entries of a directory, and none of a link', () => {
    const here = mkdtempSync('/dev/shm/orphans-')
    onTestFinished(() => rmSync(here, { recursive: true }))
    mkdirSync(join(here, 'full'))
    mkdirSync(join(here, 'empty'))
    writeFileSync(join(here, 'full', 'a b'), '')
    symlinkSync('full', join(here, 'link'))
    mkdirSync(join(here, 'many'))
    spawnSync('sh', ['-c', 'seq 1001 | xargs touch'], { cwd: join(here, 'many') })
    const found = answerAbout(['full', 'empty', 'link', 'gone', 'many'].map((name) => join(here, name)))()
    expect((found.get(`file:${join(here, 'many')}`) as OrphanState).within).toHaveLength(1001)
    const within = ['full', 'empty', 'link', 'gone'].map((name) => [name, (found.get(`file:${join(here, name)}`) as OrphanState).within])
    expect(within).toEqual([
      ['full', ['a b']],
      ['empty', []],
      ['link', []],
      ['gone', []],
    ])
  })

  it.each(['grep', 'perl'])('never reads the silence of %s as a file without a package', (program) => {
    const bin = mkdtempSync(join(tmpdir(), 'orphans-'))
    onTestFinished(() => rmSync(bin, { recursive: true }))
    writeFileSync(join(bin, program), '#!/bin/sh\nexit 126\n', { mode: 0o755 })
    expect(answerAbout(['/usr/bin/dpkg', '/usr'], `${bin}:${process.env.PATH}`)).toThrow('did not report')
  })
})

describe('an orphan', () => {
  const file = (digest = SUM) => thingOf(recordLine('file:/etc/x', '/etc/x', digest))
  const outcome = (owned: ReturnType<typeof thingOf>, state: object, context = never) =>
    outcomeOf({ role: 'r', owned, prune: true }, { recorded: true, inode: inode('f'), within: [], ...state }, context)

  it.each(['/etc/localtime', '/etc/fstab', '/etc/apt/sources.list.d/debian.sources'])('is kept if each system needs it: %s', (path) => {
    expect(outcome(thingOf(recordLine(`file:${path}`, path, SUM)), { sha256: SUM })).toEqual({
      is: 'stays',
      why: 'the host needs it; to delete it, declare it as a resource with state: absent',
    })
  })

  it('is deleted if it is unchanged', () => {
    expect(outcome(file(), { sha256: SUM })).toEqual({ is: 'delete' })
    expect(outcome(thingOf(recordLine('link:/x', '/x', '->a')), { inode: inode('l', 'a') })).toEqual({ is: 'delete' })
    expect(outcome(thingOf('directory:/x'), { inode: inode('d') })).toEqual({ is: 'delete' })
    const limits = '/etc/security/limits.d/50-provision.conf'
    expect(outcome(thingOf(recordLine(`file:${limits}`, limits, SUM)), { inode: inode('f'), sha256: SUM })).toEqual({ is: 'delete' })
  })

  test.each([
    [
      'a right of sudo',
      thingOf(recordLine('file:/etc/sudoers.d/ops', '/etc/sudoers.d/ops', SUM)),
      { inode: inode('f'), sha256: SUM },
      'its account would lose sudo; to delete it, declare the account with state: absent in the options of its role, or the file as a resource with state: absent',
    ],
    [
      'a file that decides who may log in',
      thingOf(recordLine('file:/etc/pam.d/sshd', '/etc/pam.d/sshd', SUM)),
      { inode: inode('f'), sha256: SUM },
      'it decides who may log in; to delete it, declare it as a resource with state: absent',
    ],
    [
      'a link of rules of sudo',
      thingOf(recordLine('link:/etc/sudoers.d/ops', '/etc/sudoers.d/ops', '->b')),
      { inode: inode('l', 'b') },
      'its account would lose sudo; to delete it, declare the account with state: absent in the options of its role, or the file as a resource with state: absent',
    ],
    [
      'a link that decides who may log in',
      thingOf(recordLine('link:/etc/ssh/sshd_config', '/etc/ssh/sshd_config', '->b')),
      { inode: inode('l', 'b') },
      'it decides who may log in; to delete it, declare it as a resource with state: absent',
    ],
    [
      'a link of the system',
      thingOf(recordLine('link:/etc/localtime', '/etc/localtime', '->b')),
      { inode: inode('l', 'b') },
      'the host needs it; to delete it, declare it as a resource with state: absent',
    ],
    ['a file with other bytes', file(), { sha256: 'b'.repeat(64) }, 'somebody else changed it'],
    ['a link in place of a file', file(), { inode: inode('l', '/etc/shadow'), sha256: SUM }, 'somebody else changed it'],
    ['a link to another target', thingOf(recordLine('link:/x', '/x', '->a')), { inode: inode('l', 'b') }, 'somebody else changed it'],
    ['a link without a recorded target', thingOf('link:/x'), { inode: inode('l', 'b') }, 'the record does not contain its target'],
    ['a directory with something of others in it', thingOf('directory:/x'), { inode: inode('d'), within: ['a'] }, 'it is not empty: a'],
    ['what belongs to a package', file(), { sha256: SUM, package: 'nginx' }, 'it belongs to the package nginx'],
    [
      'a path that is none',
      thingOf(recordLine('file:x', '../../etc/passwd', SUM)),
      { sha256: SUM },
      'the record does not contain its path',
    ],
    ['an account', thingOf('user:ops'), {}, 'its files would lose their owner'],
    ['a firewall', thingOf(recordLine('nftables:inet provision', '/etc/x', SUM)), { sha256: SUM }, 'firewall rules are never deleted'],
    [
      'a replica',
      thingOf('replication:database'),
      {},
      'database servers are never stopped automatically; declare another topology to change it',
    ],
    [
      'a kind of somebody else',
      thingOf(recordLine('toString:x', '/etc/x', SUM)),
      { sha256: SUM },
      'this kind of resource is never deleted automatically',
    ],
  ])('%s stays', (_, owned, state, why) => {
    expect(outcome(owned, state)).toEqual({ is: 'stays', why: expect.stringContaining(why) })
  })

  it('of an arbitrator stops its unit, which the record names; a server stays', () => {
    const arbitrator = thingOf(recordLine('galera:database', 'garb.service'))
    expect(outcome(arbitrator, {})).toEqual({ is: 'delete', note: 'garb.service is stopped and disabled' })
    expect(outcome(thingOf('galera:database'), {})).toMatchObject({ is: 'stays' })
    expect(outcome(thingOf(recordLine('galera:database', '-a.service; reboot')), {})).toMatchObject({ is: 'stays' })
    const change = { action: 'delete', certainty: 'exact', reason: '', differences: [] } as const
    const state = { recorded: true, inode: 'absent', within: [] } as const
    const step = applyOrphans([{ id: 'database', spec: { role: 'mysql', owned: arbitrator, prune: true }, state, change }]).next().value
    expect(step?.do === 'shell' && String(step.script)).toMatch(/^systemctl disable --now -q -- garb\.service \|\| exit$/m)
  })

  it('that is a unit reports whether the unit stops', () => {
    const note = (name: string) => {
      const owned = thingOf(recordLine(`unit:${name}`, `/etc/systemd/system/${name}`, SUM))
      return outcome(owned, { sha256: SUM })
    }
    expect(note('x.service')).toEqual({ is: 'delete', note: 'the unit is stopped' })
    expect(note('nginx.service.d/x.conf')).toEqual({ is: 'delete', note: 'nginx.service keeps these settings until it restarts' })
  })

  it('of several files stays', () => {
    const two = { role: 'r', owned: file(), others: [file()], prune: true }
    expect(outcomeOf(two, { recorded: true, inode: inode('f'), within: [], sha256: SUM }, never)).toEqual({
      is: 'stays',
      why: 'it has several files; delete them by hand',
    })
  })

  it('deletes a directory with its content, and forgets a service with its unit', () => {
    expect(outcome(thingOf('directory:/x'), { inode: inode('d'), within: ['a'] }, { deleted: new Set(['/x/a']) })).toEqual({ is: 'delete' })
    expect(outcome(thingOf('service:x.service'), {}, { deleted: new Set(['/etc/systemd/system/x.service']) })).toEqual({ is: 'gone' })
    expect(outcome(thingOf('service:x.service'), {})).toMatchObject({ is: 'stays' })
  })
})

describe('a host with orphans', () => {
  const a = file({ path: '/d/a', content: 'a' })
  const all: readonly Resource[] = [directory({ path: '/d' }), a, file({ path: '/d/b', content: 'b' }), link({ path: '/l', target: 'a' })]
  const record = (from: readonly string[], ...resources: readonly Resource[]) => {
    const { lines } = ownedBy('app', from, resources).spec as { lines: readonly { parts: readonly string[] }[] }
    return new Map([['app', readRecord([recordHead(from).trim(), ...lines.map(({ parts }) => parts.join(''))])]])
  }
  const declaredBy = (...resources: readonly Resource[]): readonly DeclaredResource[] =>
    resources.length === 0
      ? []
      : [ownedBy('app', ['site.yaml'], resources), ...resources].map((resource) => ({ play: 1, role: 'app', resource }))
  const left = (declared: readonly DeclaredResource[], playbooks = ['site.yaml'], prune = true): readonly string[] =>
    withOrphans({ host: 'h', project: PROJECT, records: record(['site.yaml'], ...all), declared, playbooks, firstPlay: 0, prune }).map(
      ({ play, resource }) => `${play} ${keyOf(resource)}`,
    )

  it('declares them right after the record of their role, the last one first', () => {
    expect(left(declaredBy(a))).toEqual(['1 owned:app', '1 link:/l', '1 file:/d/b', '1 directory:/d', '1 file:/d/a'])
  })

  it('of a removed role come first, but only in runs of its playbook', () => {
    expect(left([])).toEqual(['0 link:/l', '0 file:/d/b', '0 file:/d/a', '0 directory:/d'])
    expect(left([], ['./site.yaml'])).toHaveLength(4)
    expect(left([], ['other.yaml'])).toEqual([])
  })

  it('deletes those below a tree that deletes in every run, and reports the others', () => {
    const declared = declaredBy(contents({ path: '/d', files: [], delete: true, exclude: ['a'] }))
    const placed = withOrphans({
      ...{ host: 'h', project: PROJECT, records: record(['site.yaml'], ...all), declared, playbooks: ['site.yaml'], firstPlay: 0 },
      prune: false,
    }).filter(({ resource }) => isOrphan(resource))
    expect(placed.map(({ resource }) => [keyOf(resource), (resource.spec as OrphanSpec).prune])).toEqual([
      ['link:/l', false],
      ['file:/d/b', true],
      ['file:/d/a', false],
      ['directory:/d', false],
    ])
    const states = new Map(
      placed.map(({ resource }) => [
        keyOf(resource),
        { recorded: true, inode: inode({ link: 'l', directory: 'd' }[resource.kind.name] ?? 'f'), within: [] },
      ]),
    )
    expect(orphansOn(placed, states, () => true).map(({ resource }) => resource)).toEqual(['link:/l', 'file:/d/a', 'directory:/d'])
  })

  it('has none if a role declares all of them again', () => {
    expect(
      left(declaredBy(directory({ path: '/d' }), a, link({ path: '/l', target: 'a' }), file({ path: '/d/b', content: 'b' }))),
    ).toHaveLength(5)
  })

  it('keeps a path that another kind declares now, also in another role', () => {
    const path = '/etc/systemd/system/app.service'
    const former = [file({ path, content: 'x' }), link({ path: '/etc/app', target: 'x' })]
    const now = [unit({ name: 'app.service', content: 'x' }), file({ path: '/etc/app', content: 'x' })]
    const orphans = (declared: readonly DeclaredResource[]): readonly string[] =>
      withOrphans({
        host: 'h',
        project: PROJECT,
        records: record(['site.yaml'], ...former),
        declared,
        playbooks: ['site.yaml'],
        firstPlay: 0,
        prune: true,
      })
        .filter(({ resource }) => isOrphan(resource))
        .map(({ resource }) => keyOf(resource))
    expect(orphans(declaredBy(a))).toEqual(['link:/etc/app', `file:${path}`])
    expect(orphans(declaredBy(...now))).toEqual([])
    expect(orphans(now.map((resource) => ({ play: 0, role: 'other', resource })))).toEqual([])
  })

  it('of a play that several playbooks share by its name come only in a run of all of them', () => {
    const orphans = (playbooks: readonly string[], plays?: ReadonlySet<string>): number =>
      withOrphans({
        host: 'h',
        project: PROJECT,
        records: record(['a.yaml', 'b.yaml'], a, link({ path: '/l', target: 'x' })),
        declared: declaredBy(a),
        playbooks,
        firstPlay: 0,
        prune: true,
        ...(plays !== undefined && { plays }),
      }).filter(({ resource }) => isOrphan(resource)).length
    const plays = new Set([declaredBy(a)[0]?.role ?? ''])
    expect([orphans(['a.yaml'], plays), orphans(['a.yaml', 'b.yaml'], plays), orphans(['a.yaml'])]).toEqual([0, 1, 1])
  })

  it('of a removed role that several playbooks shared come only in a run of all of them', () => {
    const orphans = (...playbooks: readonly string[]): number =>
      withOrphans({
        host: 'h',
        project: PROJECT,
        records: record(['a.yaml', 'b.yaml'], a),
        declared: [],
        playbooks,
        firstPlay: 0,
        prune: true,
      }).length
    expect([orphans('a.yaml'), orphans('b.yaml'), orphans('a.yaml', 'c.yaml')]).toEqual([0, 0, 0])
    expect([orphans('a.yaml', 'b.yaml'), orphans('./b.yaml', 'x/../a.yaml', 'c.yaml')]).toEqual([1, 1])
  })

  describe('whose playbook does not exist any more', () => {
    const root = mkdtempSync(join(tmpdir(), 'provision-playbooks-'))
    afterAll(() => rmSync(root, { recursive: true }))
    const inside = join(root, 'project')
    mkdirSync(join(inside, 'playbooks'), { recursive: true })
    for (const path of ['project/playbooks/site.yaml', 'project/playbooks/web.yaml', 'elsewhere.yaml']) writeFileSync(join(root, path), '')
    const playbooks = playbooksIn(inside)
    const orphans = (from: readonly string[], played: readonly string[] = ['playbooks/site.yaml']): number =>
      withOrphans({ host: 'h', project: playbooks, records: record(from, a), declared: [], playbooks: played, firstPlay: 0, prune: true })
        .length

    it.each<[string, readonly string[], number]>([
      ['that alone', ['playbooks/motd.yaml'], 1],
      ['by its absolute path', [join(inside, 'playbooks/motd.yaml')], 1],
      ['with a playbook of the run', ['playbooks/motd.yaml', './playbooks/site.yaml'], 1],
      ['with a playbook of the run by its absolute path', ['playbooks/motd.yaml', join(inside, 'playbooks/site.yaml')], 1],
      ['with one that exists and is not in the run', ['playbooks/motd.yaml', 'playbooks/web.yaml'], 0],
      ['with one that exists, by its absolute path', [join(inside, 'playbooks/web.yaml')], 0],
      ['with one that exists, by another path', ['playbooks/none/../web.yaml'], 0],
      ['none at all', [], 0],
    ])('come in a run of the others: %s', (_, from, expected) => {
      expect(orphans(from)).toBe(expected)
    })

    it('come in a run by an absolute path as well', () => {
      expect(orphans(['playbooks/site.yaml'], [join(inside, 'playbooks/site.yaml')])).toBe(1)
      expect(orphans(['playbooks/web.yaml'], [join(inside, 'playbooks/site.yaml')])).toBe(0)
    })

    it.each([
      ['outside the project', '../none.yaml'],
      ['outside, through a directory of the project', 'playbooks/../../none.yaml'],
      ['of another checkout', '/home/somebody/none.yaml'],
      ['that is the project', '.'],
      ['that is its parent', '..'],
      ['with a null character', 'playbooks/\0'],
      ['that is too long', `playbooks/${'x'.repeat(300)}`],
      ['below a file that cannot be one', `${'x'.repeat(254)}/${'y'.repeat(254)}`],
    ])('do not come for a name %s', (_, name) => {
      expect([playbooks.isMissing(name), orphans([name])]).toEqual([false, 0])
    })

    it('do not come for more names than anybody has playbooks', () => {
      const names = (count: number) => Array.from({ length: count }, (_, i) => `playbooks/${i}.yaml`)
      expect([orphans(names(100)), orphans(names(101))]).toEqual([1, 0])
    })

    it('are named with it', () => {
      const records = record(['playbooks/motd.yaml', 'playbooks/site.yaml'], a)
      expect([missingOf('app', { records, project: playbooks }), missingOf('other', { records, project: playbooks })]).toEqual([
        ['playbooks/motd.yaml'],
        [],
      ])
      const said = (...names: readonly string[]) =>
        orphanNotices([{ role: 'app', resource: 'file:/d/b', outcome: { is: 'delete' } }], () => names).map(({ what }) => what)
      expect([...said('a.yaml'), ...said('a', 'b', 'c'), ...said('a', 'b', 'c', 'd')]).toEqual([
        'no longer declares file /d/b; --prune deletes it; its playbook a.yaml no longer exists',
        'no longer declares file /d/b; --prune deletes it; its playbooks a, b, c no longer exist',
        'no longer declares file /d/b; --prune deletes it; its playbooks a, b, c and 1 more no longer exist',
      ])
    })
  })

  it('names the first of many orphans in a warning', () => {
    const many = Array.from({ length: 10_000 }, (_, i) => ({
      ...{ role: 'app', resource: `file:/srv/${i}` },
      outcome: { is: i < 5000 ? ('delete' as const) : ('stays' as const), why: 'somebody else changed it' },
    }))
    const notices = orphanNotices(many as never, () => []).map(({ what }) => what)
    expect(notices).toHaveLength(2)
    expect(notices[0]).toMatch(/^no longer declares file \/srv\/0, .*file \/srv\/19 and 4980 more; --prune deletes them$/)
    expect(notices[1]).toMatch(/file \/srv\/5019 and 4980 more; kept: somebody else changed it/)
  })

  const state = new Map<string, unknown>([
    ['owned:app', { inode: inode('f'), record: record(['site.yaml'], ...all).get('app') }],
    ['file:/d/a', { ...inode('f'), sha256: 'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb' }],
    [
      'file:/d/b',
      { recorded: true, inode: inode('f'), within: [], sha256: '3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d' },
    ],
    ['link:/l', { recorded: true, inode: inode('l', 'elsewhere'), within: [] }],
    ['directory:/d', { recorded: true, inode: inode('d'), within: ['a', 'b'] }],
  ])
  const placed = (prune: boolean) =>
    withOrphans({
      host: 'h',
      project: PROJECT,
      records: record(['site.yaml'], ...all),
      declared: declaredBy(a),
      playbooks: ['site.yaml'],
      firstPlay: 0,
      prune,
    })
  const planned = (prune: boolean, selected: (role: string) => boolean = () => true, observation = state): readonly string[] =>
    planHost({ resources: placed(prune), observation, observations: new Map(), selected, now: new Date(0) }).map(
      ({ resource, change }) => `${change.action} ${keyOf(resource)}: ${change.reason}`,
    )

  it('reports orphans without --prune and plans no change', () => {
    expect(planned(false)).toEqual([])
    expect(
      orphanNotices(
        orphansOn(placed(false), state, () => true),
        () => [],
      ).map(({ what }) => what),
    ).toEqual([
      'no longer declares file /d/b; --prune deletes it',
      'no longer declares link /l; kept: somebody else changed it (--prune drops it from the ownership record)',
      'no longer declares directory /d; kept: it is not empty: a (--prune drops it from the ownership record)',
    ])
    expect(orphansOn(placed(false), state, () => false)).toEqual([])
  })

  it('drops those that do not exist any more from the record, also without --prune', () => {
    const gone = { recorded: true, inode: 'absent', within: [] }
    const seen = (more: object) => new Map([...state, ['file:/d/b', { ...gone, ...more }], ['directory:/d', gone]])
    const DROPPED = 'gone already, dropped from the ownership record'
    expect(planned(false, () => true, seen({}))).toEqual([`update file:/d/b: ${DROPPED}`, `update directory:/d: ${DROPPED}`])
    expect(planned(false, () => true, seen({ recorded: false }))).toEqual([`update directory:/d: ${DROPPED}`])
    expect(planned(false, () => false, seen({}))).toEqual([])
  })

  it('reports what --prune would do with each', () => {
    const changes = withheldOn(
      'h',
      orphansOn(placed(false), state, () => true),
    )
    expect(changes.map(({ host, role }) => `${host} ${role}`)).toEqual(['h app', 'h app', 'h app'])
    expect(changes.map(({ action, resource, reason }) => `${action} ${resource}: ${reason}`).sort()).toEqual([...planned(true)].sort())
  })

  it('deletes unchanged orphans of the selected roles with --prune', () => {
    expect(planned(true)).toEqual([
      'update link:/l: kept, dropped from the ownership record: somebody else changed it',
      'delete file:/d/b: no role declares it any more',
      'update directory:/d: kept, dropped from the ownership record: it is not empty: a',
    ])
    expect(planned(true, () => false)).toEqual([])
  })
})

describe('the deletion of an orphan', () => {
  it('of several files drops every line of it from the record, and converges', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'provision-orphan-'))
    onTestFinished(() => rmSync(scratch, { recursive: true }))
    const pair = certificate.kind.files?.(placeholder({ path: '/x/a.pem', names: ['a.test'] }).spec) ?? []
    const text = `${recordHead(['site.yaml'])}${pair.map(({ path }) => `${recordLine('certificate:/x/a.pem', path, 'disk')}\n`).join('')}package:p\n`
    const records = new Map([['r', readRecord(text.trim().split('\n'))]])
    const placed = withOrphans({ host: 'h', project: PROJECT, records, declared: [], playbooks: ['site.yaml'], firstPlay: 0, prune: true })
    const orphans = placed.filter(({ resource }) => keyOf(resource) === 'certificate:/x/a.pem')
    expect(orphans).toHaveLength(1)
    writeFileSync(join(scratch, 'r'), text)
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const state = { recorded: true, inode: inode('f'), within: [] }
    const step = applyOrphans(orphans.map(({ resource: { id, spec } }) => ({ id, spec: spec as OrphanSpec, state, change }))).next().value
    if (step?.do !== 'shell') throw new Error('no step for the host')
    const script = String(step.script).replaceAll('/var/lib/provision/owned', scratch)
    expect(spawnSync('sh', ['-c', script], { env: { ...process.env, T: scratch } }).status).toBe(0)
    expect(readFileSync(join(scratch, 'r'), 'utf8')).toBe(`${recordHead(['site.yaml'])}package:p\n`)
  })

  it('voids the stamps of services that load from its directory, for names with any characters', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'provision-orphan-'))
    onTestFinished(() => rmSync(scratch, { recursive: true }))
    for (const name of ['conf', 'loaded', 'owned']) mkdirSync(join(scratch, name))
    const path = join(scratch, 'conf/x')
    writeFileSync(path, 'ours\n')
    const owned = thingOf(recordLine(`file:${path}`, path, sha256Hex('ours\n')))
    writeFileSync(join(scratch, 'owned/r'), `${recordHead([])}${owned.text}\n`)
    for (const unit of ['a.service', 'b\\x2dc.service']) writeFileSync(join(scratch, 'loaded', unit), `1\n${SUM}  ${path}\n`)
    writeFileSync(join(scratch, 'loaded/other.service'), `1\n${SUM}  /etc/other/x\n`)
    const change = { action: 'delete', certainty: 'exact', reason: '', differences: [] } as const
    const state = { recorded: true, inode: inode('f'), within: [] }
    const step = applyOrphans([{ id: path, spec: { role: 'r', owned, prune: true }, state, change }]).next().value
    if (step?.do !== 'shell') throw new Error('no step for the host')
    const script = String(step.script).replaceAll('/run/provision/loaded', join(scratch, 'loaded'))
    const { status, stderr } = spawnSync('sh', ['-c', script.replaceAll('/var/lib/provision/owned', join(scratch, 'owned'))], {
      env: { ...process.env, T: scratch },
      encoding: 'utf8',
    })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect([readdirSync(join(scratch, 'conf')), readdirSync(join(scratch, 'loaded'))]).toEqual([[], ['other.service']])
  })

  it('in any number are read from the record and deleted in requests of bounded size', () => {
    const lines = Array.from({ length: 3_000 }, (_, i) => recordLine(`file:/srv/${i}`, `/srv/${i}`, SUM))
    const said = [recordHead(['site.yaml']).trim(), ...lines].map((line) => `/var/lib/provision/owned/r:${line}`).join('\n')
    const records = readOwned('web-01', said)
    const orphans = withOrphans({
      host: 'web-01',
      project: PROJECT,
      records,
      declared: [],
      playbooks: ['site.yaml'],
      firstPlay: 0,
      prune: true,
    })
    expect(orphans).toHaveLength(3_000)
    const change = { action: 'delete', certainty: 'exact', reason: '', differences: [] } as const
    const state = { recorded: true, inode: inode('f'), within: [] }
    const steps = applyOrphans(orphans.map(({ resource: { id, spec } }) => ({ id, spec: spec as OrphanSpec, state, change })))
    let count = 0
    for (let next = steps.next(); next.done !== true; next = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })) {
      count += 1
      if (count % 5 === 1) expect(next.value.do === 'shell' && String(next.value.script).length).toBeLessThan(2 ** 22)
    }
    expect(count).toBe(15)
    const refused = applyOrphans(
      orphans.slice(0, 300).map(({ resource: { id, spec } }) => ({ id, spec: spec as OrphanSpec, state, change })),
    )
    refused.next()
    refused.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })
    const second = () => refused.next({ code: 1, stdout: Buffer.from(`culprit\0${orphans[250]?.resource.id}\0`), stderr: '' })
    expect(second).toThrow(expect.objectContaining({ done: orphans.slice(0, 200).map(({ resource: { id } }) => id) }))
  })
})
