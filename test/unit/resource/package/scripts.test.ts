import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Certainty, PlanContext } from '../../../../src/resource/kind/kind.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { transactionScript } from '../../../../src/resource/package/apply.ts'
import type { PackageState } from '../../../../src/resource/package/observe.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import type { Simulated } from '../../../../src/resource/package/simulate.ts'
import { NOTHING } from '../answers.ts'
import { type PackageHost, packageHost } from './host.ts'

type Options = Parameters<typeof pkg>[0]
const NGINX = 'nginx amd64 1.22 install ok installed'
const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }

/** Observes packages on a host, and plans each of them. */
const planned = (host: PackageHost, options: readonly Options[], more: Partial<PlanContext> = {}): readonly string[] => {
  const specs = options.map((one) => pkg(one).spec)
  const { script, parse } = pkg.kind.observe(specs)
  const { status, stdout, stderr } = host.run(`set -e\n${script}`)
  if (status !== 0) throw new Error(stderr)
  const states = parse(Buffer.from(stdout), NOTHING)
  return specs.map((spec) => {
    const state = states.get(spec.name) as PackageState
    const change = pkg.kind.plan(spec, state, { ...context, ...more })
    const refused = pkg.kind.forbids?.(spec, state, { ...context, ...more })
    return `${change === undefined ? 'nothing' : `${change.action} ${change.certainty}`}${refused === undefined ? '' : `: ${refused.what}: ${refused.why}: ${refused.fix}`}`
  })
}

const INSTALLS = (...names: readonly string[]) =>
  names.map((name) => `echo 'Inst ${name} (1 Debian [amd64])'; echo 'Conf ${name} (1)'`).join('\n')

describe('the observation of packages', { timeout: 30_000 }, () => {
  it('asks apt nothing while every package is as declared', () => {
    const host = packageHost([
      NGINX,
      'tree amd64 2.1-1 install ok installed',
      'libc6 amd64 2 hold ok installed',
      'old all 1 deinstall ok config-files',
    ])
    host.write('var/lib/dpkg/info/nginx.md5sums')
    const options = [
      { name: 'nginx' },
      { name: 'tree', version: '2.1-1' },
      { name: 'libc6:amd64' },
      { name: 'old', state: 'absent' },
      { name: 'never', state: 'absent' },
    ] as const
    expect(planned(host, options)).toEqual(options.map(() => 'nothing'))
    expect(host.calls()).toEqual([])
  })

  it('simulates the transaction of all packages that change, once', () => {
    const host = packageHost([NGINX, 'tree amd64 2.1-1 install ok installed', 'old all 1 deinstall ok config-files'])
    host.apt(`${INSTALLS('curl', 'libcurl4', 'old', 'tree')}\necho 'Remv nginx [1.22]'`)
    const options = [{ name: 'curl' }, { name: 'old' }, { name: 'tree', version: '2.2-1' }, { name: 'nginx', state: 'absent' }] as const
    expect(planned(host, options)).toEqual(['create exact', 'create exact', 'update exact', 'delete exact'])
    expect(host.calls()).toHaveLength(1)
    expect(host.calls()[0]).toMatch(/^-s -y .* install curl old tree=2.2-1 nginx-$/)
    expect(host.calls()[0]).toContain('--no-install-recommends')
  })

  it.each<[string, string, string]>([
    [
      'a name that no source has',
      "echo 'E: Unable to locate package curl'; exit 100",
      'package curl cannot be installed: E: Unable to locate package curl: check name and version',
    ],
    [
      'a package without a candidate',
      'echo "E: Package \'curl\' has no installation candidate"; exit 100',
      'package curl cannot be installed',
    ],
    ['a host without apt', 'exit 127', 'install apt on the host, from a file with dpkg --install, or remove the package from the role'],
    ['a hold', "echo 'E: Held packages were changed and -y was used'; exit 100", 'run `apt-mark unhold curl` on the host'],
    ['a virtual package', INSTALLS('exim4-base', 'exim4'), 'package curl is virtual: apt would install exim4-base, exim4 instead'],
    ['further removals', `${INSTALLS('curl')}\necho 'Remv wordpress [6]'`, 'change of package curl would also remove wordpress'],
  ])('refuses %s at planning', (_, apt, words) => {
    const host = packageHost([])
    host.apt(apt)
    expect(planned(host, [{ name: 'curl' }])).toEqual([expect.stringMatching(/^create dependent: /)])
    expect(planned(host, [{ name: 'curl' }])[0]).toContain(words)
  })

  it('blames the package that apt names', () => {
    const host = packageHost([])
    host.apt("echo 'E: Unable to locate package curl'; exit 100")
    expect(planned(host, [{ name: 'wget' }, { name: 'curl' }, { name: 'url' }])).toEqual([
      'create dependent',
      expect.stringContaining('package curl cannot be installed'),
      'create dependent',
    ])
  })

  it('leaves to the run what it may still change: old lists, a new source, a script, an interrupted dpkg', () => {
    const missing = "echo 'E: Unable to locate package curl'; exit 100"
    const host = packageHost([])
    host.apt(missing)
    const refused = [expect.stringContaining('cannot be installed')]
    const left = ['create dependent']
    expect(planned(host, [{ name: 'curl' }])).toEqual(refused)
    expect(planned(host, [{ name: 'curl', cacheHours: 0 }])).toEqual(left)
    expect(planned(host, [{ name: 'curl' }], { changesBelow: (directory) => directory === '/etc/apt/sources.list.d' })).toEqual(left)
    expect(planned(host, [{ name: 'curl' }], { opaquePending: true })).toEqual(left)
    host.write('var/lib/dpkg/updates/0001')
    expect(planned(host, [{ name: 'curl' }])).toEqual(left)
    const unread = packageHost([])
    unread.apt(missing)
    const past = new Date(Date.now() - 60_000)
    utimesSync(join(unread.root, 'var/lib/apt/lists'), past, past)
    unread.write('etc/apt/sources.list.d/new.list')
    expect(planned(unread, [{ name: 'curl' }])).toEqual(left)
  })

  it('does not call exact what a source of this run decides', () => {
    const host = packageHost([])
    host.apt(INSTALLS('curl'))
    expect(planned(host, [{ name: 'curl' }])).toEqual(['create exact'])
    expect(planned(host, [{ name: 'curl' }], { changesBelow: () => true })).toEqual(['create dependent'])
  })

  it.each([1, 126, 137])('ends if apt-get ends with %i', (status) => {
    const host = packageHost([])
    host.apt(`echo why >&2; exit ${status}`)
    expect(() => planned(host, [{ name: 'curl' }])).toThrow('why')
  })
})

describe('the transaction', { timeout: 30_000 }, () => {
  const MISSING: PackageState = { status: 'not-installed', version: '', held: false }
  const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
  const CERTAIN: Simulated = { isPossible: true, installs: [], removes: [], words: [], isFinal: true }
  const transactUnplanned = (
    host: PackageHost,
    { certainty = 'exact', ...states }: Partial<PackageState> & { readonly certainty?: Certainty },
    ...options: readonly Options[]
  ) => {
    const work = options.map((one) => {
      const { id, spec } = pkg(one)
      const [, version] = new RegExp(`^${spec.name} \\S+ (\\S+) `, 'm').exec(readFileSync(join(host.root, 'dpkg'), 'utf8')) ?? []
      const state = spec.state === 'absent' ? { ...MISSING, status: 'installed', version: version ?? '1' } : MISSING
      return { id, spec, state: { ...state, ...states }, change: { ...change, certainty } }
    })
    return host.run(String(transactionScript(work, 1)))
  }
  const transact = (host: PackageHost, ...options: readonly Options[]) => transactUnplanned(host, { simulated: CERTAIN }, ...options)
  /** A stand-in that installs: it appends to dpkg's list what it was asked for last. */
  const INSTALL =
    String.raw`case "$*" in *update*|*-s*) exit 0 ;; esac; for word; do case $word in -*|*::*|install|60|2|20) ;; *-) sed -i "/^$\{word%-} /d" "$ROOT/dpkg" ;; *) echo "$\{word%%=*} amd64 1 install ok installed" >>"$ROOT/dpkg" ;; esac; done`.replaceAll(
      '\\{',
      '{',
    )

  it('installs without removing anything, with the services of packages held back meanwhile', () => {
    const host = packageHost([NGINX])
    host.apt(`cat "$ROOT/usr/sbin/policy-rc.d" "$ROOT/run/systemd/system-preset/00-provision.preset" >"$ROOT/held"\n${INSTALL}`)
    expect(transact(host, { name: 'curl' }, { name: 'nginx' })).toMatchObject({ status: 0 })
    expect(host.calls()).toEqual([expect.stringMatching(/ install --no-remove curl$/)])
    expect(host.calls()[0]).toContain('Dpkg::Options::=--force-confold')
    // A configuration file that somebody deleted stays deleted.
    expect(host.calls()[0]).not.toContain('confmiss')
    expect(readFileSync(join(host.root, 'held'), 'utf8')).toMatch(/exit 101[\s\S]*disable \*\.service\ndisable \*\.socket\n/)
    for (const path of ['usr/sbin/policy-rc.d', 'run/systemd/system-preset/00-provision.preset'])
      expect(existsSync(join(host.root, path))).toBe(false)
  })

  it('does nothing if another program has installed the package meanwhile', () => {
    const host = packageHost([NGINX])
    expect(transact(host, { name: 'nginx' })).toMatchObject({ status: 0 })
    expect(host.calls()).toEqual([])
  })

  it('removes only what is declared absent, after a simulation', () => {
    const host = packageHost([NGINX])
    host.apt(`case "$*" in *-s*) echo 'Remv nginx [1.22]' ;; esac\n${INSTALL}`)
    expect(transact(host, { name: 'nginx', state: 'absent' })).toMatchObject({ status: 0 })
    expect(host.calls().map((line) => line.slice(line.indexOf(' install')))).toEqual([' install -s nginx-', ' install nginx-'])
    const more = packageHost([NGINX])
    more.apt(`case "$*" in *-s*) echo 'Remv nginx [1.22]'; echo 'Remv wordpress [6]' ;; esac\n${INSTALL}`)
    const refused = transact(more, { name: 'nginx', state: 'absent' })
    expect(refused).toMatchObject({ status: 1, stdout: expect.stringContaining('provision-cause: removes wordpress') })
    expect(more.calls().filter((line) => / install nginx-$/.test(line))).toEqual([])
  })

  it('reads the package lists first if a source is newer, and after a failure', () => {
    const host = packageHost([])
    host.apt(INSTALL)
    const past = new Date(Date.now() - 60_000)
    utimesSync(join(host.root, 'var/lib/apt/lists'), past, past)
    transact(host, { name: 'curl' })
    expect(host.calls().map((line) => line.replace(/^.*(update|install)/, '$1'))).toEqual([
      'update -o APT::Update::Error-Mode=any',
      'install --no-remove curl',
    ])
    const failing = packageHost([])
    failing.apt('case "$*" in *update*) ;; *) echo \'E: Unable to locate package curl\'; exit 100 ;; esac')
    expect(transact(failing, { name: 'curl' })).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('E: Unable to locate package curl'),
    })
    expect(failing.calls().map((line) => line.replace(/^.*(update|install)/, '$1').slice(0, 7))).toEqual(['install', 'update ', 'install'])
  })

  it('asks apt first if the plan could not for one of several packages', () => {
    const host = packageHost([])
    host.apt(`case "$*" in *-s*) echo 'Inst curl (7)'; echo 'Inst jq (1)' ;; esac\n${INSTALL}`)
    const work = ['curl', 'jq'].map((name, i) => {
      const { id, spec } = pkg({ name })
      return { id, spec, state: { ...MISSING, simulated: { ...CERTAIN, isFinal: i === 0 } }, change }
    })
    expect(host.run(String(transactionScript(work, 1)))).toMatchObject({ status: 0 })
    expect(host.calls().map((line) => line.slice(line.indexOf(' install')))).toEqual([
      ' install -s --no-remove curl jq',
      ' install --no-remove curl jq',
    ])
  })

  it('puts what apt said about the lists before its last words', () => {
    const host = packageHost([])
    host.apt("case \"$*\" in *update*) echo 'E: no route'; exit 100 ;; *) echo 'E: Packages need to be removed'; exit 100 ;; esac")
    const { stdout, stderr } = transact(host, { name: 'curl' })
    expect(stdout).toContain('provision-cause: unfetched')
    expect(stderr).toBe('While it fetched package lists, apt reported:\n  E: no route\nE: Packages need to be removed\n')
  })

  it('refuses a name that apt fulfilled with another package', () => {
    const host = packageHost([])
    host.apt('echo "exim4 amd64 1 install ok installed" >>"$ROOT/dpkg"')
    expect(transact(host, { name: 'default-mta' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('provision-cause: virtual default-mta'),
    })
  })

  it.each<[string, Partial<PackageState> & { readonly certainty?: Certainty }]>([
    ['its lists were old', { simulated: { ...CERTAIN, isFinal: false } }],
    ['it had no lists', {}],
    ['its packages depend on an earlier change', { simulated: CERTAIN, certainty: 'dependent' }],
  ])('asks apt first where the plan could not, because %s', (_, states) => {
    const host = packageHost([])
    host.apt(`case "$*" in *-s*) echo 'Inst curl (7 Debian [amd64])'; echo 'Inst jq:i386 (1 Debian [i386])' ;; esac\n${INSTALL}`)
    const installs = () => host.calls().map((line) => line.slice(line.indexOf(' install')))
    expect(transactUnplanned(host, states, { name: 'curl' }, { name: 'jq:i386' })).toMatchObject({ status: 0 })
    expect(installs()).toEqual([' install -s --no-remove curl jq:i386', ' install --no-remove curl jq:i386'])
    const virtual = packageHost([])
    virtual.apt(
      `case "$*" in *-s*) echo "Note, selecting 'exim4' instead of 'default-mta'"; echo 'Inst exim4 (4)'; echo 'Inst curl (7)' ;; esac\n${INSTALL}`,
    )
    expect(transactUnplanned(virtual, states, { name: 'curl' }, { name: 'default-mta' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('provision-cause: instead default-mta\n'),
      stderr: "Note, selecting 'exim4' instead of 'default-mta'\n",
    })
    expect(virtual.calls()).toEqual([expect.stringContaining(' install -s ')])
  })

  it('finishes an interrupted dpkg before anything else, and ends if dpkg-query fails', () => {
    const host = packageHost(['tree amd64 1 install ok half-configured'])
    host.apt(INSTALL)
    host.write('bin/dpkg', '#!/bin/sh\necho "dpkg $*" >>"$ROOT/calls"; sed -i s/half-configured/installed/ "$ROOT/dpkg"\n')
    host.run('chmod 755 "$ROOT/bin/dpkg"')
    expect(transact(host, { name: 'tree' })).toMatchObject({ status: 0 })
    expect(host.calls()).toEqual(['dpkg --configure -a --force-confdef --force-confold'])
    host.write('bin/dpkg-query', '#!/bin/sh\nexit 2\n')
    expect(transact(host, { name: 'curl' })).toMatchObject({ status: 1, stderr: 'dpkg-query could not read the package database\n' })
  })

  describe('compares with what was observed', () => {
    const apply = (host: PackageHost, options: Options, version: string) => {
      const { id, spec } = pkg(options)
      const state = version === '' ? MISSING : { status: 'installed', version, held: false }
      const answer = host.run(String(transactionScript([{ id, spec, state, change }], 1)))
      const steps = pkg.kind.apply([{ id, spec, state, change }])
      steps.next()
      try {
        steps.next({ code: answer.status, stdout: Buffer.from(answer.stdout), stderr: answer.stderr })
        return undefined
      } catch (error) {
        return error as HostRefusal
      }
    }
    const refused = (words: string) => ({
      what: 'package tree not changed',
      why: `package tree is not as it was observed: it ${words}`,
      fix: 'run again: the next plan starts from the present state',
      ...{ done: [], culprit: 'tree' },
    })
    const hostWith = (version: string): PackageHost => {
      const host = packageHost(version === '' ? [] : [`tree amd64 ${version} install ok installed`])
      host.apt(INSTALL)
      return host
    }
    const ANOTHER = refused('has another version')
    const GONE = refused('is not installed any more')

    it.each<[string, Options, string, string, object | undefined]>([
      ['another version than the replaced one', { name: 'tree', version: '3' }, '1', '2', ANOTHER],
      ['none of the replaced version', { name: 'tree', version: '3' }, '1', '', GONE],
      ['another version than the declared one', { name: 'tree:amd64', version: '3' }, '', '2', { ...ANOTHER, culprit: 'tree:amd64' }],
      ['another version than the one to remove', { name: 'tree', state: 'absent' }, '1', '2', ANOTHER],
      ['the declared version already', { name: 'tree', version: '3' }, '1', '3', undefined],
      ['any version already', { name: 'tree' }, '', '2', undefined],
      ['none to remove any more', { name: 'tree', state: 'absent' }, '1', '', undefined],
      ['the replaced version', { name: 'tree', version: '3' }, '1', '1', undefined],
    ])('finds %s', (_, options, before, now, expected) => {
      const host = hostWith(now)
      const refusal = apply(host, options, before)
      if (expected === undefined) expect(refusal?.why ?? '').not.toContain('observed')
      else {
        const words = JSON.parse(JSON.stringify(expected).replaceAll('package tree', `package ${options.name}`))
        expect(refusal).toMatchObject(words)
        expect(host.calls()).toEqual([])
      }
    })

    it.each([
      ['2', 'var/lib/dpkg/info/tree.list'],
      ['2', 'var/lib/dpkg/info/tree:amd64.list'],
      ['', 'var/lib/dpkg/info/other.list'],
    ])('accepts version %j, which a step of this run has left: %s', (now, list) => {
      const host = hostWith(now)
      host.write('t/step.1.from')
      host.write(list)
      expect(apply(host, { name: 'tree', version: '3' }, '1')?.why ?? '').not.toContain('observed')
      const again = hostWith(now)
      again.write('t/step.1.from')
      again.write('t/step.1.to')
      again.write(list)
      again.run('touch -d "1 minute ago" "$ROOT"/t/step.1.*')
      expect(apply(again, { name: 'tree', version: '3' }, '1')?.why).toContain('package tree is not as it was observed')
    })

    it('accepts what an earlier installation of this run has left, and not what others install while it waits for dpkg', () => {
      const left = (...marks: readonly string[]) => {
        const host = hostWith('2')
        host.write('var/lib/dpkg/info/tree.list')
        for (const mark of marks) host.write(`t/install.${mark}`)
        host.run('touch -d "5 minutes ago" "$ROOT"/t/*.from; touch -d "4 minutes ago" "$ROOT"/var/lib/dpkg/info/tree.list')
        return apply(host, { name: 'tree', version: '3' }, '1')?.why ?? ''
      }
      expect(left('1.from', '1.to')).not.toContain('observed')
      expect(left('1.from')).toContain('package tree is not as it was observed')
    })

    it('finishes an interrupted change by dpkg, of any version', () => {
      const host = packageHost(['tree amd64 2 install ok installed'])
      host.apt(INSTALL)
      const { id, spec } = pkg({ name: 'tree', state: 'absent' })
      const work = { id, spec, state: { status: 'half-configured', version: '1', held: false }, change }
      expect(host.run(String(transactionScript([work], 1)))).toMatchObject({ status: 0, stderr: '' })
    })
  })

  it("keeps an administrator's policy for services, and restores it", () => {
    const host = packageHost([])
    host.write('usr/sbin/policy-rc.d', '#!/bin/sh\nexit 0\n')
    host.apt(INSTALL)
    expect(transact(host, { name: 'curl' })).toMatchObject({ status: 0 })
    expect(readFileSync(join(host.root, 'usr/sbin/policy-rc.d'), 'utf8')).toBe('#!/bin/sh\nexit 0\n')
    expect(existsSync(join(host.root, 'usr/sbin/policy-rc.d.provision-kept'))).toBe(false)
  })
})
