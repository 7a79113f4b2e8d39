import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { installPackages, transactionScript } from '../../../../src/resource/package/apply.ts'
import type { PackageState } from '../../../../src/resource/package/observe.ts'
import { pkg } from '../../../../src/resource/package/package.ts'
import type { Simulated } from '../../../../src/resource/package/simulate.ts'
import { type PackageHost, packageHost } from './host.ts'

type Options = Parameters<typeof pkg>[0]
/** The plan has simulated the transaction. */
const simulated: Simulated = { isPossible: true, installs: [], removes: [], words: [], isFinal: true }
const MISSING: PackageState = { status: 'not-installed', version: '', held: false, simulated }
const CHANGE = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const

const workOf = (options: readonly Options[], state?: PackageState) =>
  options.map((one) => {
    const { id, spec } = pkg(one)
    return {
      id,
      spec,
      state: state ?? (spec.state === 'absent' ? { ...MISSING, status: 'installed', version: '1' } : MISSING),
      change: CHANGE,
    }
  })
/** Runs a transaction that was planned for packages that were missing, but for the version that it replaces or removes. */
const transact = (host: PackageHost, ...options: readonly Options[]) => {
  const work = workOf(options).map((one) => {
    const { name, version, state } = one.spec
    const [, installed] = new RegExp(`^${name.replace(':', ' ')} (?:\\S+ )??(\\S+) install`, 'm').exec(read(host, 'dpkg')) ?? []
    const isReplaced = installed !== undefined && installed !== version && (state === 'absent' || version !== undefined)
    return isReplaced ? { ...one, state: { ...MISSING, status: 'installed', version: installed } } : one
  })
  return host.run(String(transactionScript(work, 1)))
}
/** Calls of apt and dpkg without the options that all of them have. */
const calls = (host: PackageHost): readonly string[] => host.calls().map((line) => line.replace(/^-y .*--force-confold /, ''))
/** A stand-in of apt that puts a line into dpkg's list. */
const installs = (line: string): string => `echo '${line} install ok installed' >>"$ROOT/dpkg"`
const NGINX = 'nginx amd64 1.22 install ok installed'
const read = (host: PackageHost, path: string): string => readFileSync(join(host.root, path), 'utf8')

describe('apt in a transaction', { timeout: 30_000 }, () => {
  it('asks no questions, keeps changed configuration files, and waits for locks and mirrors for a limited time', () => {
    const host = packageHost([])
    host.apt(`env >"$ROOT/env"; umask >"$ROOT/umask"; cat >"$ROOT/stdin"; ${installs('curl amd64 1')}`)
    expect(transact(host, { name: 'curl' })).toMatchObject({ status: 0, stderr: '' })
    expect(read(host, 'env').split('\n')).toEqual(
      expect.arrayContaining(['DEBIAN_FRONTEND=noninteractive', 'APT_LISTCHANGES_FRONTEND=none', 'NEEDRESTART_SUSPEND=1', 'LC_ALL=C']),
    )
    expect([read(host, 'umask'), read(host, 'stdin')]).toEqual(['0022\n', ''])
    const words = host.calls()[0]?.split(' ') ?? []
    const options = words.flatMap((word, i) => (words[i - 1] === '-o' ? [word] : []))
    expect(options.toSorted()).toEqual([
      ...['APT::Cmd::Pattern-Only=true', 'APT::Status-Fd=5', 'Acquire::Retries=2', 'Acquire::http::Timeout=20'],
      ...['Acquire::https::Timeout=20', 'DPkg::Lock::Timeout=60', 'Dpkg::Options::=--force-confdef', 'Dpkg::Options::=--force-confold'],
    ])
    expect(words.filter((word, i) => word.startsWith('-') && word !== '-o' && words[i - 1] !== '-o')).toEqual([
      ...['-y', '-q', '--no-install-recommends', '--allow-downgrades', '--no-remove'],
    ])
    expect(readdirSync(join(host.root, 't'))).toEqual([])
  })

  it('shows its progress, each step once', () => {
    const host = packageHost([])
    host.apt(`echo noise; echo noise >&2
printf '%s\\n' 'dlstatus:1:0.0:Retrieving file 1' 'dlstatus:1:9.0:Retrieving file 1' 'pmstatus:curl:10:Preparing curl:amd64 a\\b' 'pmerror:curl:1:x' >&5
${installs('curl amd64 1')}`)
    expect(transact(host, { name: 'curl' })).toEqual({
      ...{ status: 0, stderr: '' },
      stdout: 'provision-doing: Retrieving file 1\nprovision-doing: Preparing curl:amd64 a\\b\n',
    })
  })

  it('that fails is reported by its last lines, with mounts that are full', () => {
    const host = packageHost([])
    host.apt('case "$*" in *update*) ;; *) seq 20; echo end >&2; exit 100 ;; esac')
    host.program(
      'df',
      `echo "Filesystem 1024-blocks Used Available Capacity Mounted on"
case "$*" in *-kP*archives) echo x 1 1 20480 1% /var/cache ;; *-kP*/boot) echo x 1 1 0 1% /boot ;; *) echo x 1 1 20481 1% / ;; esac`,
    )
    const { status, stdout, stderr } = transact(host, { name: 'curl' })
    expect(status).toBe(1)
    expect(stdout.split('\n').filter((line) => line.startsWith('provision-cause'))).toEqual([
      'provision-cause: full /var/cache',
      'provision-cause: full /boot',
    ])
    expect(stderr.split('\n')).toEqual([...Array.from({ length: 14 }, (_, i) => `${i + 7}`), 'end', ''])
    expect(existsSync(join(host.root, 'usr/sbin/policy-rc.d'))).toBe(false)
  })

  it('that installed another package for a name is reported by its last lines', () => {
    const host = packageHost([])
    host.apt(`seq 20; ${installs('exim4 amd64 1')}`)
    expect(transact(host, { name: 'default-mta' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('provision-cause: virtual default-mta\n'),
      stderr: Array.from({ length: 15 }, (_, i) => `${i + 6}\n`).join(''),
    })
  })

  it('does not begin without a place for its files', () => {
    const host = packageHost([])
    expect(host.run(`T=/nowhere; ${transactionScript(workOf([{ name: 'curl' }]), 1)}`).status).toBe(1)
    expect(host.calls()).toEqual([])
  })
})

describe('what a transaction changes', { timeout: 30_000 }, () => {
  it('finds packages by name, architecture and version', () => {
    const host = packageHost([NGINX, 'libc6 i386 2.31 install ok installed', 'old all 1 deinstall ok config-files'])
    host.apt("echo 'E: no'; exit 100")
    transact(
      host,
      { name: 'nginx:amd64' },
      { name: 'nginx', version: '1.22' },
      { name: 'nginx:amd64', version: '1.22' },
      { name: 'libc6:i386' },
    )
    expect(host.calls()).toEqual([])
    transact(host, { name: 'nginx', version: '1.24' }, { name: 'nginx:arm64' }, { name: 'libc6:amd64' }, { name: 'old' }, { name: 'ngin' })
    expect(calls(host)[0]).toBe('install --no-remove nginx=1.24 nginx:arm64 libc6:amd64 old ngin')
  })

  it('removes what is installed, also by architecture, in the same transaction as it installs', () => {
    const host = packageHost([
      NGINX,
      'tree amd64 1 install ok half-configured',
      'old all 1 deinstall ok config-files',
      'none all 1 purge ok not-installed',
    ])
    host.apt(
      `case "$*" in *-s*) echo 'Inst curl (1)'; echo 'Remv nginx [1]'; echo 'Remv tree [1]' ;; *install\\ curl*) : >"$ROOT/dpkg"; ${installs('curl amd64 1')} ;; esac`,
    )
    const absent = ['nginx:amd64', 'tree', 'old', 'none', 'never'].map((name) => ({ name, state: 'absent' as const }))
    expect(transact(host, { name: 'curl' }, ...absent)).toMatchObject({ status: 0 })
    expect(calls(host).slice(-2)).toEqual(['install -s curl nginx:amd64- tree-', 'install curl nginx:amd64- tree-'])
  })

  it('removes nothing if that is impossible', () => {
    const host = packageHost([NGINX])
    host.apt('case "$*" in *update*) ;; *) echo "E: pkgProblemResolver"; exit 100 ;; esac')
    expect(transact(host, { name: 'nginx', state: 'absent' })).toMatchObject({ status: 1, stderr: 'E: pkgProblemResolver\n' })
    expect(calls(host).filter((call) => call.startsWith('install') && !call.startsWith('install -s'))).toEqual([])
  })

  it('ends with a failure of an unfinished package, although nothing is missing', () => {
    const host = packageHost([NGINX, 'other amd64 1 install ok half-configured'])
    expect(transact(host, { name: 'nginx' })).toMatchObject({ status: 1 })
    expect(calls(host)).toEqual(['install -f'])
  })

  it('repairs what dpkg could not configure, and then installs', () => {
    const host = packageHost(['tree amd64 1 install ok unpacked'])
    host.program('dpkg', 'echo "dpkg $*" >>"$ROOT/calls"; cat >>"$ROOT/calls"')
    host.apt(`case "$*" in *install\\ -f) sed -i s/unpacked/installed/ "$ROOT/dpkg" ;; *) ${installs('curl amd64 1')} ;; esac`)
    expect(transact(host, { name: 'curl' }).status).toBe(0)
    expect(calls(host)).toEqual(['dpkg --configure -a --force-confdef --force-confold', 'install -f', 'install --no-remove curl'])
  })

  it('finds nothing unfinished in packages that were removed', () => {
    const host = packageHost(['old all 1 deinstall ok config-files', 'none all 1 purge ok not-installed', NGINX])
    host.program('dpkg', 'echo "dpkg $*" >>"$ROOT/calls"')
    host.apt(installs('curl amd64 1'))
    expect(transact(host, { name: 'curl' }).status).toBe(0)
    expect(calls(host)).toEqual(['install --no-remove curl'])
  })

  it('settles the journal of dpkg first', () => {
    const host = packageHost([NGINX])
    host.write('var/lib/dpkg/updates/0001')
    host.program('dpkg', 'echo "dpkg $*" >>"$ROOT/calls"; rm "$ROOT"/var/lib/dpkg/updates/*')
    expect(transact(host, { name: 'nginx' })).toMatchObject({
      status: 0,
      stdout: 'provision-doing: finishing an interrupted installation\n',
    })
    expect(calls(host)).toEqual(['dpkg --configure -a --force-confdef --force-confold'])
  })
})

describe('the package lists of a transaction', { timeout: 30_000 }, () => {
  const unread = (): PackageHost => {
    const host = packageHost([])
    const past = new Date(Date.now() - 60_000)
    utimesSync(join(host.root, 'var/lib/apt/lists'), past, past)
    return host
  }

  it('are read once, and the time is noted', () => {
    const host = unread()
    host.apt('case "$*" in *update*) ;; *) echo \'E: no\'; exit 100 ;; esac')
    expect(transact(host, { name: 'curl' }).stdout).toContain('provision-doing: fetching package lists\n')
    expect(calls(host)).toEqual(['update -o APT::Update::Error-Mode=any', 'install --no-remove curl'])
    expect(statSync(join(host.root, 'var/lib/provision')).mode & 0o777).toBe(0o700)
    expect(existsSync(join(host.root, 'var/lib/provision/apt-updated'))).toBe(true)
  })

  it('are read again after a failure, and the second attempt counts', () => {
    const host = packageHost([])
    host.apt(`case "$*" in *update*) : >"$ROOT/read" ;; *) [ -e "$ROOT/read" ] || exit 100; ${installs('curl amd64 1')} ;; esac`)
    expect(transact(host, { name: 'curl' })).toMatchObject({ status: 0, stderr: '' })
    expect(calls(host)).toHaveLength(3)
  })

  it('are not read after a failure that left a package unfinished', () => {
    const host = packageHost([])
    host.apt('echo "curl amd64 1 install ok half-configured" >>"$ROOT/dpkg"; exit 100')
    expect(transact(host, { name: 'curl' })).toMatchObject({ status: 1 })
    expect(calls(host)).toEqual(['install --no-remove curl'])
  })

  it('that cannot be read are a cause, with the last five errors and warnings', () => {
    const host = unread()
    host.apt(
      `case "$*" in *update*) seq -f 'W: %g' 6; echo 'Hit: 1'; echo 'E: no route' >&2; exit 100 ;; *) echo 'E: no candidate'; exit 100 ;; esac`,
    )
    const { stdout, stderr } = transact(host, { name: 'curl' })
    expect(stdout).toContain('provision-cause: unfetched\n')
    expect(stderr).toBe('While it fetched package lists, apt reported:\n  W: 3\n  W: 4\n  W: 5\n  W: 6\n  E: no route\nE: no candidate\n')
    expect(existsSync(join(host.root, 'var/lib/provision/apt-updated'))).toBe(false)
  })
})

describe('another program that uses dpkg', { timeout: 30_000 }, () => {
  /** `locks` are lines of /proc/locks: `POSIX WRITE 100`; `files` are the open files of process 100. */
  const busy = (locks: readonly string[], ...files: readonly string[]): PackageHost => {
    const host = packageHost([])
    host.apt(installs('curl amd64 1'))
    const lines = locks.map((line, i) => `${i}: ${line.replace(' ', '  ADVISORY  ')} 08:01:1234 0 EOF\n`)
    host.write('proc/locks', lines.join(''))
    for (const pid of ['100', '200', '0']) {
      host.write(`proc/${pid}/comm`, 'apt tool\n')
      host.write(`proc/${pid}/stat`, `${pid} (a (b) c) S ${Array.from({ length: 18 }, (_, i) => i).join(' ')} 91000 7 8\n`)
      mkdirSync(join(host.root, 'proc', pid, 'fd'))
    }
    for (const [i, file] of files.entries()) symlinkSync(join(host.root, file), join(host.root, `proc/100/fd/${i}`))
    host.program(
      'sleep',
      'IFS=. read -r up _ <"$ROOT/proc/uptime"; echo "$(( up + $1 )).50 1" >"$ROOT/proc/uptime"; echo "$1" >>"$ROOT/slept"; [ ! -e "$ROOT/frees" ] || : >"$ROOT/proc/locks"',
    )
    return host
  }

  it.each(['var/lib/dpkg/lock-frontend', 'var/lib/dpkg/lock', 'var/lib/apt/lists/lock', 'var/cache/apt/archives/lock'])(
    'holds %s: it is named, and nothing is changed',
    (file) => {
      const host = busy(['FLOCK WRITE 300', 'POSIX WRITE 100'], 'var/log/x', file)
      expect(transact(host, { name: 'curl' })).toEqual({
        ...{ status: 75, stderr: 'apt tool (pid 100), for 92 s\n' },
        stdout: 'provision-doing: waiting for dpkg: apt tool (pid 100), for 90 s\n',
      })
      expect([host.calls(), read(host, 'slept')]).toEqual([[], '2\n'])
    },
  )

  it('is named by the lock of the whole transaction, even if another program holds a second lock', () => {
    const host = busy(['POSIX WRITE 200', 'POSIX WRITE 100'], 'var/lib/dpkg/lock-frontend')
    symlinkSync(join(host.root, 'var/lib/dpkg/lock'), join(host.root, 'proc/200/fd/3'))
    expect(transact(host, { name: 'curl' }).stderr).toContain('(pid 100)')
  })

  it.each<[string, readonly string[], string]>([
    ['another file', ['POSIX WRITE 100'], 'var/lib/dpkg/status'],
    ['a lock of another type', ['FLOCK WRITE 100'], 'var/lib/dpkg/lock'],
    ['a lock for reading', ['POSIX READ 100'], 'var/lib/dpkg/lock'],
    ['no process of this host', ['POSIX WRITE 0', 'POSIX WRITE -1'], 'var/lib/dpkg/lock'],
    ['a process that has ended', ['POSIX WRITE 999'], 'var/lib/dpkg/lock'],
  ])('is none that holds %s', (_, locks, file) => {
    const host = busy(locks, file)
    symlinkSync(join(host.root, file), join(host.root, 'proc/0/fd/0'))
    expect([transact(host, { name: 'curl' }).status, calls(host)]).toEqual([0, ['install --no-remove curl']])
  })

  it('is waited for until it ends', () => {
    const host = busy(['POSIX WRITE 100'], 'var/lib/dpkg/lock')
    host.write('frees')
    expect(host.run(String(transactionScript(workOf([{ name: 'curl' }]), 3)))).toMatchObject({ status: 0 })
    expect([calls(host), read(host, 'slept')]).toEqual([['install --no-remove curl'], '2\n'])
  })

  it('is not a part of the installation, which the step marks once dpkg is free', () => {
    const work = workOf([{ name: 'curl' }])
    expect(installPackages(work).next().value).toMatchObject({ installs: true })
    const script = `installing=$T/install.7\n${transactionScript(work, 1)}`
    const [free, waits] = [busy([]), busy(['POSIX WRITE 100'], 'var/lib/dpkg/lock')]
    expect([free.run(script).status, existsSync(join(free.root, 't/install.7.from'))]).toEqual([0, true])
    expect([waits.run(script).status, existsSync(join(waits.root, 't/install.7.from'))]).toEqual([75, false])
  })

  it('is waited for ten minutes in all', () => {
    const steps = installPackages(workOf([{ name: 'curl' }]))
    let requests = 0
    const refused = (): HostRefusal | undefined => {
      try {
        for (; requests < 20; requests += 1) steps.next({ code: 75, stdout: Buffer.alloc(0), stderr: 'apt (pid 7), for 9 s\n' })
        return undefined
      } catch (error) {
        if (error instanceof HostRefusal) return error
        throw error
      }
    }
    expect([refused()?.why, requests]).toEqual(['waited 600 s for apt (pid 7), for 9 s', 10])
  })
})

it.each<[readonly Options[], PackageState | undefined, string]>([
  [[{ name: 'a1' }], undefined, 'installing a1'],
  [[{ name: 'a1' }, { name: 'b1' }, { name: 'c1' }], undefined, 'installing a1, b1, c1'],
  [['a1', 'b1', 'c1', 'd1', 'e1'].map((name) => ({ name })), undefined, 'installing a1, b1, c1 and 2 more'],
  [[{ name: 'a1', state: 'absent' }], undefined, 'changing packages'],
  [[{ name: 'a1', state: 'absent' }], MISSING, 'changing packages'],
  [[{ name: 'a1', version: '2' }], { status: 'installed', version: '1', held: false }, 'changing packages'],
])('says what it does: %j', (options, state, doing) => {
  const step = installPackages(workOf(options, state)).next().value
  expect(step?.do === 'shell' && step.doing).toBe(doing)
})
