import { execFileSync, spawn, spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

// The controller with real file systems: full ones, read-only ones, directories shared with other accounts.
const bin = fileURLToPath(new URL('../../bin/provision.js', import.meta.url))
const NOBODY = 65_534

let scratch = ''
let project = ''
beforeEach(() => {
  scratch = realpathSync(mkdtempSync(join(tmpdir(), 'provision-t-controller-')))
  project = join(scratch, 'project')
  mkdirSync(join(project, 'inventory'), { recursive: true })
  write('inventory/hosts.yaml', 'hosts: { a: { address: 127.0.0.9 } }\n')
})
afterEach(() => {
  for (const mount of mounts.splice(0).toReversed()) execFileSync('umount', ['--lazy', mount])
  rmSync(scratch, { recursive: true, force: true })
})

const write = (path: string, text: string): void => writeFileSync(join(project, path), text)
const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8)

const mounts: string[] = []
const mount = (...words: readonly string[]): void => {
  execFileSync('mount', words)
  if (!words.includes('-o') || !words.join(' ').includes('remount')) mounts.push(words.at(-1) ?? '')
}
/** Mounts a file system of this size over a directory of the project, and copies its files. */
const small = (size: string, path: string): void => {
  const files = readdirSync(join(project, path)).map((name) => [name, readFileSync(join(project, path, name))] as const)
  mount('-t', 'tmpfs', '-o', `size=${size},mode=755`, 'tmpfs', join(project, path))
  for (const [name, bytes] of files) writeFileSync(join(project, path, name), bytes)
}
const readOnly = (path: string): void => {
  mount('--bind', join(project, path), join(project, path))
  mount('-o', 'remount,bind,ro', join(project, path))
}
const fill = (path: string, size: string): void => {
  small(size, path)
  spawnSync('dd', ['if=/dev/zero', `of=${join(project, path, 'filler')}`, 'bs=1024'])
}

const environment = (): Record<string, string | undefined> => ({
  PATH: process.env.PATH,
  HOME: scratch,
  USER: 'ann',
  PROVISION_AGE_KEY_FILE: join(scratch, 'keys/age.txt'),
})
const provision = (words: readonly string[], env: Record<string, string> = {}, before = '') => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', `${before} exec "$@"`, 'sh', bin, ...words], {
    cwd: project,
    env: { ...environment(), ...env },
    encoding: 'utf8',
  })
  expect(`${stdout}${stderr}`).not.toMatch(/bug in provision|^\s+at .*:\d+:\d+\)?$|node:internal/m)
  return { status, stdout, stderr }
}

/** An editor that types a text, then runs `more` with the project's directory in `$P`. */
const typing = (text: string, more = ''): { EDITOR: string; TEXT: string; P: string } => ({
  EDITOR: `f() { printf '%s\\n' "$TEXT" >"$1"; ${more === '' ? ':' : more}; }; f`,
  TEXT: text,
  P: project,
})
const secrets = (): string => provision(['secrets', 'view']).stdout

/** The typed text, by the command in the message. */
const kept = (stderr: string): string => {
  const [, command = ''] = /^Show it: provision (secrets view .*)$/m.exec(stderr) ?? []
  expect(command, stderr).not.toBe('')
  const file = command.split(' ').at(-1) ?? ''
  expect(modeOf(file)).toBe('600')
  expect(readFileSync(file, 'latin1')).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
  return provision(command.split(' ')).stdout
}

describe('secrets edit', () => {
  it.each(['000', '022', '077'])('creates files with the right modes under the umask %s', (umask) => {
    expect(provision(['secrets', 'edit'], typing('a: 1'), `umask ${umask};`).status).toBe(0)
    expect(secrets()).toBe('a: 1\n')
    expect(modeOf(join(scratch, 'keys'))).toBe('700')
    expect(modeOf(join(scratch, 'keys/age.txt'))).toBe('600')
    expect(modeOf(join(project, 'inventory/secrets.yaml'))).toBe('600')
    expect(statSync(join(project, 'identities')).mode & 0o002).toBe(0)
    expect(readdirSync(join(project, 'inventory')).toSorted()).toEqual(['hosts.yaml', 'secrets.yaml'])
  })

  it('writes through no link of another account at a predictable name', () => {
    chmodSync(join(project, 'inventory'), 0o777)
    writeFileSync(join(scratch, 'victim'), 'mine')
    for (const name of ['secrets.yaml.new', 'secrets.yaml.tmp', '.secrets.yaml.lock']) {
      symlinkSync(join(scratch, 'victim'), join(project, 'inventory', name))
      execFileSync('chown', ['-h', 'nobody', join(project, 'inventory', name)])
    }
    const locked = provision(['secrets', 'edit'], typing('a: 1'))
    expect(locked.status).toBe(3)
    expect(locked.stderr).toMatch(/symbolic link of nobody/)
    rmSync(join(project, 'inventory/.secrets.yaml.lock'))
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    expect([readFileSync(join(scratch, 'victim'), 'utf8'), secrets()]).toEqual(['mine', 'a: 1\n'])
    expect(provision(['secrets', 'rotate']).status).toBe(0)
    expect(readFileSync(join(scratch, 'victim'), 'utf8')).toBe('mine')
  })

  it('refuses a secrets.yaml that is a link of another account, and follows its own link', () => {
    mkdirSync(join(project, 'shared'))
    symlinkSync('../shared/all.yaml', join(project, 'inventory/secrets.yaml'))
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    expect(readFileSync(join(project, 'shared/all.yaml'), 'latin1')).toMatch(/^-----BEGIN AGE/)
    execFileSync('chown', ['-h', 'nobody', join(project, 'inventory/secrets.yaml')])
    const { status, stderr } = provision(['secrets', 'edit'], typing('a: 2', 'touch "$P/opened"'))
    expect([status, existsSync(join(project, 'opened'))]).toEqual([3, false])
    expect(stderr).toMatch(/symbolic link of nobody/)
  })

  it('reports a full disk and saves the typed text', () => {
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    small('32k', 'inventory')
    const { status, stderr } = provision(
      ['secrets', 'edit'],
      typing('a: typed', 'dd if=/dev/zero of="$P/inventory/filler" bs=1024 2>/dev/null || :'),
    )
    expect(stderr).toMatch(
      /inventory\/secrets\.yaml\n {2}what secrets\.yaml cannot be written \(ENOSPC\)\n {2}why {2}its file system is full/,
    )
    expect(stderr).toMatch(/^ {2}fix {2}free some space \(df -h inventory\)/m)
    expect(status).toBe(1)
    expect(kept(stderr)).toBe('a: typed\n')
    expect(secrets()).toBe('a: 1\n')
    expect(readdirSync(join(project, 'inventory')).toSorted()).toEqual(['filler', 'hosts.yaml', 'secrets.yaml'])
  })

  it.each<[string, () => void, RegExp]>([
    ['full', () => fill('inventory', '16k'), /ENOSPC/],
    ['read-only', () => readOnly('inventory'), /EROFS/],
    ['missing', () => rmSync(join(project, 'inventory'), { recursive: true }), /ENOENT/],
  ])('opens no editor if the directory is %s', (_, make, code) => {
    make()
    const { status, stderr } = provision(['secrets', 'edit'], typing('a: typed', 'touch "$P/opened"'))
    expect(stderr).toMatch(code)
    expect(stderr).toMatch(/^ {2}fix {2}\S/m)
    expect([status, existsSync(join(project, 'opened'))]).toEqual([1, false])
  })

  it.each([
    ['becomes read-only', 'mount -o remount,bind,ro "$P/inventory"', /EROFS/],
    ['is removed', 'rm -r "$P/inventory"', /ENOENT/],
  ])('saves the typed text if the directory %s meanwhile', (_, act, code) => {
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    if (act.startsWith('mount')) mount('--bind', join(project, 'inventory'), join(project, 'inventory'))
    const { status, stderr } = provision(['secrets', 'edit'], typing('a: typed', act))
    expect(stderr).toMatch(code)
    expect(status).toBe(1)
    expect(kept(stderr)).toBe('a: typed\n')
  })

  it('saves the typed text if the editor fails or the text is no YAML', () => {
    const scratches = () => readdirSync('/dev/shm').filter((name) => name.startsWith('provision-'))
    const before = scratches()
    const failed = provision(['secrets', 'edit'], typing('a: typed', 'return 1'))
    expect([failed.status, kept(failed.stderr)]).toEqual([3, 'a: typed\n'])
    const wrong = provision(['secrets', 'edit'], typing('a: [typed'))
    expect([wrong.status, kept(wrong.stderr)]).toEqual([3, 'a: [typed\n'])
    expect(scratches().filter((name) => !before.includes(name))).toEqual([])
  })

  it('leaves the typed text in its scratch directory if no other directory takes it', () => {
    const places = ['/dev/shm', '/tmp', '$HOME']
    const readOnly = places.map((place) => `mount --bind "${place}" "${place}"; mount -o remount,bind,ro "${place}"`).join('; ')
    // In a private mount namespace: other tests use these directories, too.
    const { status, stderr } = spawnSync('unshare', ['--mount', bin, 'secrets', 'edit'], {
      cwd: project,
      env: { ...environment(), ...typing('a: typed', readOnly) },
      encoding: 'utf8',
    })
    const [, left = ''] = /It is in (\S+), unencrypted/.exec(stderr) ?? []
    expect(left, stderr).toMatch(/^\/dev\/shm\/provision-/)
    expect([status, readFileSync(join(left, 'secrets.yaml'), 'utf8'), modeOf(left)]).toEqual([1, 'a: typed\n', '700'])
    rmSync(left, { recursive: true })
  })

  it('does not overwrite a change that git made meanwhile', () => {
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    const other = join(scratch, 'pulled')
    writeFileSync(other, readFileSync(join(project, 'inventory/secrets.yaml')))
    expect(provision(['secrets', 'edit'], typing('a: 2')).status).toBe(0)
    const { status, stderr } = provision(['secrets', 'edit'], typing('a: typed', `cp ${other} "$P/inventory/secrets.yaml"`))
    expect(stderr).toMatch(/what inventory\/secrets\.yaml changed since it was opened/)
    expect([status, kept(stderr), secrets()]).toEqual([3, 'a: typed\n', 'a: 1\n'])
  })

  it('is refused while another command holds the lock, and takes over the lock of a killed one', async () => {
    const first = spawn(bin, ['secrets', 'edit'], {
      cwd: project,
      env: { ...environment(), ...typing('a: first', 'touch "$P/opened"; sleep 600') },
      detached: true,
      stdio: 'ignore',
    })
    while (!existsSync(join(project, 'opened'))) await sleep(50)
    for (const word of ['edit', 'rotate']) {
      if (word === 'rotate') write('inventory/secrets.yaml', '')
      const { status, stderr } = provision(['secrets', word], typing('a: second'))
      expect(stderr).toMatch(/why {2}ann on \S+ has held the lock since \d{4}-\d\d-\d\dT\S+ \(process \d+\)/)
      expect(stderr).toMatch(/fix {2}wait until that command ends; if it no longer runs: rm \S+\/inventory\/\.secrets\.yaml\.lock/)
      expect(status).toBe(3)
    }
    rmSync(join(project, 'inventory/secrets.yaml'))
    process.kill(-(first.pid ?? 0), 'SIGKILL')
    await new Promise((resolve) => first.once('close', resolve))
    const { status, stderr } = provision(['secrets', 'edit'], typing('a: third'))
    const [, left = ''] = /Its text may be in (\S+), unencrypted/.exec(stderr) ?? []
    expect(readFileSync(join(left, 'secrets.yaml'), 'utf8')).toBe('a: first\n')
    rmSync(left, { recursive: true })
    expect([status, secrets()]).toEqual([0, 'a: third\n'])
    expect(readdirSync(join(project, 'inventory')).toSorted()).toEqual(['hosts.yaml', 'secrets.yaml'])
  })
})

describe('a directory that cannot be written', () => {
  it('is reported by every command that writes: keys, identities, secrets', () => {
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    readOnly('.')
    for (const words of [
      ['secrets', 'rotate'],
      ['secrets', 'edit'],
      ['secrets', 'encrypt'],
    ]) {
      const { status, stderr } = provision(words, typing('a: 2'))
      expect(stderr).toMatch(/cannot be written \(EROFS\)\n {2}why {2}its file system is mounted read-only/)
      expect(status).toBe(1)
    }
    const { status, stderr } = provision(['secrets', 'edit'], { ...typing('a: 2'), PROVISION_AGE_KEY_FILE: join(project, 'keys/age.txt') })
    expect(stderr).toMatch(/age\.txt cannot be written \(EROFS\)/)
    expect(status).toBe(1)
  })

  it('is reported for the age key on a full disk', () => {
    mkdirSync(join(project, 'keys'))
    fill('keys', '8k')
    const { status, stderr } = provision(['secrets', 'edit'], { ...typing('a: 2'), PROVISION_AGE_KEY_FILE: join(project, 'keys/age.txt') })
    expect(stderr).toMatch(/keys\/age\.txt\n {2}what age\.txt cannot be written \(ENOSPC\)/)
    expect([status, readdirSync(join(project, 'keys'))]).toEqual([1, ['filler']])
  })

  it('is reported to an account without permission', () => {
    expect(provision(['secrets', 'edit'], typing('a: 1')).status).toBe(0)
    chmodSync(scratch, 0o755)
    chmodSync(join(project, 'inventory/secrets.yaml'), 0o644)
    mkdirSync(join(scratch, 'nobody'))
    writeFileSync(join(scratch, 'nobody/age.txt'), readFileSync(join(scratch, 'keys/age.txt')), { mode: 0o600 })
    for (const path of ['nobody', 'nobody/age.txt']) chownSync(join(scratch, path), NOBODY, NOBODY)
    const { status, stderr } = spawnSync('setpriv', ['--reuid', 'nobody', '--clear-groups', bin, 'secrets', 'edit'], {
      cwd: project,
      env: { ...environment(), ...typing('a: 2'), PROVISION_AGE_KEY_FILE: join(scratch, 'nobody/age.txt') },
      encoding: 'utf8',
    })
    expect(stderr).toMatch(/cannot be written \(EACCES\)\n {2}why {2}this account has no permission/)
    expect(status).toBe(1)
  })
})

describe('the cache of compiled code', () => {
  it('is private under any umask, and never in a directory of another account', () => {
    const cache = join(scratch, '.cache/provision')
    expect(provision(['--version'], {}, 'umask 000;').status).toBe(0)
    expect([modeOf(cache), readdirSync(cache).length > 0]).toEqual(['700', true])
    rmSync(cache, { recursive: true })
    mkdirSync(cache)
    chownSync(cache, NOBODY, NOBODY)
    expect(provision(['--version']).status).toBe(0)
    expect(readdirSync(cache)).toEqual([])
  })

  it('is not in a home of another account, which could replace it or make it a link', () => {
    const [home, victim] = [join(scratch, 'home'), join(scratch, 'victim')]
    mkdirSync(join(home, '.cache'), { recursive: true })
    mkdirSync(victim)
    chmodSync(victim, 0o775)
    symlinkSync(victim, join(home, '.cache/provision'))
    for (const path of [home, join(home, '.cache')]) chownSync(path, NOBODY, NOBODY)
    lchownSync(join(home, '.cache/provision'), NOBODY, NOBODY)
    expect(provision(['--version'], { HOME: home }).status).toBe(0)
    expect([modeOf(victim), readdirSync(victim)]).toEqual(['775', []])
    rmSync(join(home, '.cache/provision'))
    expect(provision(['--version'], { HOME: home }).status).toBe(0)
    expect(readdirSync(join(home, '.cache'))).toEqual([])
  })
})
