import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { installCommand } from './support/install-command.ts'
import { down, up } from './support/lab.ts'
import { bin, referenceProject } from './support/project.ts'

// Two running hosts, and a third that exists only as an address in the inventory.
const SUBNET = '10.79.93'
const project = referenceProject('t-broken', SUBNET)
project.env.SECRET_OF_TEST = 'hidden-4711'
const spec: LabSpec = {
  name: project.lab,
  root: project.root,
  hosts: ['one', 'two'].map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}
const ROLE = `import { command, defineRole, directory, file, pkg, z } from 'provision'
export default defineRole({
  name: 'things', summary: 'a few of everything',
  options: z.strictObject({ path: z.string().default('/srv/thing'), size: z.int().default(10), install: z.boolean().default(false) }),
  resources: ({ options: { path, size, install } }) => [
    file({ path, content: 'x'.repeat(size) }),
    command({ name: 'a program of its own', run: 'printf "#!/bin/sh\\\\nexit 0\\\\n" >"$T/x"; sh "$T/x"; : >/srv/ran', creates: '/srv/ran' }),
    ...(install ? [pkg({ name: 'hello' })] : []),
  ],
})
`
const site = (options: object, hosts = 'one'): void =>
  project.write('playbooks/site.yaml', `- name: things\n  hosts: ${hosts}\n  roles: [${JSON.stringify({ things: options })}]\n`)
const on = (command: string, host = 'one'): string => project.provision('exec', host, '--sudo', '--', 'sh', '-c', command).stdout.trim()

beforeAll(async () => {
  installCommand('faketime')
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: .provision/lab/t-broken/id_ed25519, known_hosts: .provision/lab/t-broken/known_hosts }
hosts: { one: { address: ${SUBNET}.11 }, two: { address: ${SUBNET}.12 }, three: { address: ${SUBNET}.13 } }\n`,
  )
  project.write('roles/things.ts', ROLE)
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a file system', () => {
  afterEach(() => void on('umount /srv'))

  it('that is full is named by its mount, and the previous file is complete', () => {
    on('mount -t tmpfs -o size=64k none /srv; printf before >/srv/thing')
    site({ size: 200_000 })
    const { status, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stderr).toMatch(/^✖ one › role things › file:\/srv\/thing\n {2}what \/srv\/thing not written \(exit \d+\): \/srv is full\n/m)
    expect(stderr).toMatch(
      /\/srv\/thing: No space left on device\n[\s\S]* {7}\/srv has \d+ KB left\n {2}fix {2}free space on \/srv, and run again; the previous content is intact$/m,
    )
    expect(on('cat /srv/thing; ls -A /srv')).toBe('beforething')
    // The record lists what is there, so that the failed write does not seem to be a file that somebody deleted or changed.
    expect(on('cat /var/lib/provision/owned/things')).not.toContain('/srv/thing')
  })

  it('that is read-only is named by its mount', () => {
    on('mount -t tmpfs -o ro none /srv')
    site({})
    const { status, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /what \/srv\/thing not written \(exit \d+\): \/srv is mounted read-only\n[\s\S]*fix {2}check dmesg for disk errors, remount it: mount -o remount,rw \/srv, and run again/,
    )
  })
})

it('an edit by hand between observation and write is not overwritten, and the next run plans it', async () => {
  on('mkdir -p /srv/edited; printf old >/srv/edited/a; rm -f /run/waiting /run/edited')
  project.write(
    'roles/slow.ts',
    `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'slow', summary: 'waits between observation and write', options: z.strictObject({}),
  resources: () => [
    command({ name: 'wait', run: ': >/run/waiting; until [ -e /run/edited ]; do sleep 0.1; done', creates: '/run/edited' }),
    file({ path: '/srv/edited/a', content: 'ours' }),
    file({ path: '/srv/edited/b', content: 'ours' }),
  ],
})
`,
  )
  project.write('playbooks/site.yaml', '- name: slow\n  hosts: one\n  roles: [slow]\n')
  const running = project.provisionBeside('run')
  on(
    'i=0; until [ -e /run/waiting ] || [ $i = 100 ]; do sleep 0.1; i=$((i+1)); done; printf theirs >/srv/edited/b; printf theirs >/srv/edited/a; : >/run/edited',
  )
  const { stderr } = await running
  expect(stderr).toContain(
    '✖ one › role slow › file:/srv/edited/a\n  what /srv/edited/a not written\n  why  /srv/edited/a is not as it was observed',
  )
  expect(stderr).toContain('  fix  run again: the next plan starts from the present state\n')
  expect(on('cat /srv/edited/a /srv/edited/b; ls -A /srv/edited')).toBe('theirstheirsa\nb')
  const { status, lines } = project.json('run')
  expect([status, lines.find(({ resource }) => resource === 'file:/srv/edited/a')?.diff]).toEqual([0, expect.stringContaining('-theirs\n')])
  expect(on('cat /srv/edited/a /srv/edited/b')).toBe('oursours')
})

/** Plays a role of these resources, which see `host` and `options`. */
const declare = (resources: string, { hosts = '[one, two]' } = {}): void => {
  project.write(
    'roles/declared.ts',
    `import { authorizedKeys, defineRole, directory, file, pkg, secret, service, sysctl, text, user, z } from 'provision'
export default defineRole({
  name: 'declared', summary: 'what a test declares', options: z.strictObject({ password: secret() }),
  resources: ({ host, options }) => [${resources}],
})
`,
  )
  project.write('playbooks/site.yaml', `- hosts: ${hosts}\n  roles: [{ declared: { password: '\${env:SECRET_OF_TEST}' } }]\n`)
}

/** Paths below these directories that were changed since `mark`. */
const mark = (host = 'one'): string => on('sleep 0.01; touch /run/mark', host)
const changed = (host = 'one'): string => on('find /etc /srv /home /usr/local /var/lib/provision -newercm /run/mark', host)

it('neither the mask of a secret nor the word undefined reaches a host', () => {
  mark()
  mark('two')
  const texts: readonly (readonly [string, string])[] = [
    ["content: 'password=' + options.password", 'a secret was inserted into an ordinary text'],
    ['content: JSON.stringify(options)', 'a secret was masked, as in JSON'],
    [`content: text\`password=\${options.password}\``, 'must not let every account read the file, because its content includes a secret'],
    [`mode: '600', content: \`user=\${host.name === 'two' ? options.nobody : 'nobody'}\``, 'a value was undefined in a template'],
  ]
  for (const [options, why] of texts) {
    declare(`file({ path: '/etc/password', ${options} })`)
    const { status, stdout, stderr } = project.provision('run')
    expect({ status, stdout }).toEqual({ status: 3, stdout: '' })
    expect(stderr).toMatch(/^✖ roles\/declared\.ts:\d+:\d+$/m)
    expect(stderr).toContain(why)
    expect(stderr).not.toContain('hidden-4711')
  }
  expect([changed(), changed('two')]).toEqual(['', ''])
  declare(`file({ path: '/etc/password', mode: '600', content: text\`password=\${options.password}\` })`)
  expect(project.provision('run').status).toBe(0)
  expect(on('cat /etc/password')).toBe('password=hidden-4711')
})

describe('one of two hosts', () => {
  const KEYS = ['C', 'O'].map((one) => `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${one.repeat(42)}I ${one}`)
  const BOTH = `user({ name: 'eve', comment: 'Eve' }), authorizedKeys({ user: 'eve', keys: ['${KEYS[0]}'], exclusive: true }),
    user({ name: 'mallory', state: 'absent', endSessions: true }), file({ path: '/srv/both', content: 'both' })`

  it('has accounts that write every byte wherever they can: both hosts converge', () => {
    on(String.raw`useradd -m -s /bin/bash eve; useradd -m mallory; cat >/srv/bytes.pl <<'END'
my $all = join '', map { chr } 0 .. 255;
mkdir "$ENV{HOME}/.ssh", 0700;
for my $name ('authorized_keys', 'authorized_keys2') {
  open my $h, '>', "$ENV{HOME}/.ssh/$name"; print $h "$all\n$all $ARGV[0]\nx\0y $ARGV[0]\n$ARGV[0] $all\n", "z" x 70000, "\n\0";
}
for (1 .. 46, 48 .. 255) { open my $h, '>', "$ENV{HOME}/" . chr . "name" }
if (!fork) { open STDOUT, '>', '/dev/null'; open STDERR, '>&STDOUT'; $0 = "sh\n\xff) \0\e[2J"; sleep 600 }
END
for name in eve mallory; do setpriv --reuid $name --regid $name --clear-groups env HOME=/home/$name perl /srv/bytes.pl '${KEYS[1]}'; done`)
    declare(BOTH)
    const { status, lines, stderr } = project.json('run')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(lines.at(-1)?.hosts).toMatchObject({ one: { failed: 0 }, two: { failed: 0 } })
    expect(on('cat /home/eve/.ssh/*; getent passwd mallory')).toBe(KEYS[0])
    expect(on('cat /srv/both', 'two')).toBe('both')
  })

  it('has a program that prints anything: it fails with a reason, and the other continues', () => {
    on('rm /srv/both', 'two')
    const program = String.raw`#!/usr/bin/perl
print join('', map { chr } 0 .. 255), "\n\0\n", 'x' x 5000, "\ndone\0x\0\n"`
    on(`cat >/usr/local/sbin/find <<'END'\n${program}\nEND\nchmod 755 /usr/local/sbin/find`)
    const { lines, stderr } = project.json('run')
    on('rm /usr/local/sbin/find')
    expect(lines.at(-1)?.hosts).toMatchObject({ one: { changed: 0 }, two: { changed: 1, failed: 0 } })
    expect(stderr).toMatch(/^✖ one\n {2}what host did not report the state of all resources\n {2}why {2}\S/m)
    expect(stderr).not.toMatch(/bug in provision|TypeError|^ {4}at /m)
    expect(on('cat /srv/both', 'two')).toBe('both')
  })
})

it('an account that makes its own paths unsafe stops only changes that need them', () => {
  on(`useradd -m -s /bin/bash ann; su ann -c 'ln -s /etc ~/.ssh'; install -d -o ann /srv/anns; su ann -c 'mkdir /srv/anns/conf'`)
  const key = `ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'C'.repeat(42)}I x`
  const files = ['/srv/before', '/srv/anns/conf', '/srv/after'].map((path) => `file({ path: '${path}', content: 'x' })`)
  const reader = "file({ path: '/etc/reader', content: 'reads /srv/anns/conf' })"
  declare(`authorizedKeys({ user: 'ann', keys: ['${key}'] }), ${files}, ${reader}, directory({ path: '/srv/later' })`, { hosts: 'one' })
  const { status, stdout, stderr } = project.provision('run')
  expect(status).toBe(1)
  expect(stderr).toContain('✖ one › role declared › authorized-keys:ann\n  what authorized keys of ann not written\n')
  expect(stderr).toContain('✖ one › role declared › file:/srv/anns/conf\n  what /srv/anns/conf not written (exit 1)\n')
  expect(stderr.match(/^✖ one › /gm)).toHaveLength(2)
  expect(stdout).toMatch(/^! file \/etc\/reader was skipped, because file \/srv\/anns\/conf failed {2}one$/m)
  expect(on('ls -d /srv/before /srv/after /srv/later /etc/reader')).toBe('/srv/after\n/srv/before\n/srv/later')
  on('userdel -r ann; rm -r /srv/anns /srv/before /srv/after /srv/later')
})

describe('a change by hand between observation and write', () => {
  const ROLE_THINGS = `import { command, defineRole, file, pkg, placeholder, service, z } from 'provision'
const conf = file({ path: '/srv/by-hand.conf', content: 'ours' })
const resources = {
  service: () => [conf, service({ unit: 'by-hand.service', loads: [conf], reload: 'restart' })],
  package: () => [pkg({ name: 'by-hand', state: 'absent' })],
  certificate: () => [placeholder({ path: '/srv/certificates/a.pem', names: ['a.example.test'] })],
}
export default defineRole({
  name: 'by-hand', summary: 'waits between observation and write', options: z.strictObject({ what: z.enum(['service', 'package', 'certificate']) }),
  resources: ({ options: { what } }) => [
    command({ name: 'wait', run: ': >/run/waiting; until [ -e /run/go ]; do sleep 0.1; done', creates: '/run/go' }),
    ...resources[what](),
  ],
})
`
  /** Runs a role on each host. While no step runs, somebody changes the hosts. Returns the errors of the run. */
  const changedBetween = async (hosts: Readonly<Record<string, { readonly what: string; readonly byHand: string }>>): Promise<string> => {
    const names = Object.keys(hosts)
    for (const name of names) on('rm -f /run/waiting /run/go', name)
    const plays = names.map((name) => `- name: ${name}\n  hosts: ${name}\n  roles: [{ by-hand: { what: ${hosts[name]?.what} } }]\n`)
    project.write('playbooks/site.yaml', plays.join(''))
    const run = spawn(bin, ['run'], { cwd: project.root, env: project.env, stdio: ['ignore', 'ignore', 'pipe'] })
    let stderr = ''
    run.stderr.on('data', (text) => (stderr += text))
    const ended = once(run, 'close')
    for (const name of names) {
      on('i=0; until [ -e /run/waiting ] || [ $i = 200 ]; do sleep 0.1; i=$((i+1)); done', name)
      run.kill('SIGSTOP')
      // What changes within a second after a step can be its work.
      on(`: >/run/go; sleep 2; ${hosts[name]?.byHand}`, name)
      run.kill('SIGCONT')
    }
    await ended
    return stderr
  }
  const debOf = (version: number): string =>
    `rm -rf /srv/deb; mkdir -p /srv/deb/DEBIAN; printf 'Package: by-hand\\nVersion: ${version}\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: x\\n' >/srv/deb/DEBIAN/control; dpkg-deb -b /srv/deb /srv/by-hand.deb >/dev/null; dpkg -i /srv/by-hand.deb >/dev/null`

  it('of a service or a package is kept, and the next run plans it', async () => {
    project.write('roles/by-hand.ts', ROLE_THINGS)
    on(
      `printf '[Service]\\nExecStart=sleep infinity\\n[Install]\\nWantedBy=multi-user.target\\n' >/etc/systemd/system/by-hand.service; systemctl daemon-reload; systemctl enable -q --now by-hand.service`,
    )
    on(debOf(1), 'two')
    const stderr = await changedBetween({
      one: { what: 'service', byHand: 'systemctl stop by-hand.service' },
      two: { what: 'package', byHand: debOf(2) },
    })
    expect(stderr).toContain(
      '✖ one › role by-hand › service:by-hand.service\n  what service by-hand.service not changed\n  why  by-hand.service is not as it was observed: it was stopped meanwhile\n  fix  run again: the next plan starts from the present state\n',
    )
    expect(stderr).toContain(
      '✖ two › role by-hand › package:by-hand\n  what package by-hand not changed\n  why  package by-hand is not as it was observed: it has another version\n  fix  run again: the next plan starts from the present state\n',
    )
    const seen = () => [on('systemctl is-active by-hand.service || :'), on('dpkg -s by-hand 2>/dev/null | sed -n "s/^Version: //p"', 'two')]
    expect(seen()).toEqual(['inactive', '2'])
    expect(project.provision('run')).toMatchObject({ status: 0, stderr: '' })
    expect(seen()).toEqual(['active', ''])
  })

  it('of a certificate is kept, and the next run plans it', async () => {
    on('mkdir -p /srv/certificates; echo nothing >/srv/certificates/a.pem')
    const stderr = await changedBetween({ one: { what: 'certificate', byHand: 'echo theirs >/srv/certificates/a.pem' } })
    expect(stderr).toContain('why  /srv/certificates/a.pem is not as it was observed (owner: root)\n  fix  run again: the next plan starts')
    expect(on('cat /srv/certificates/a.pem; ls /srv/certificates')).toContain('theirs\na.pem')
    expect(project.provision('run', '--dry-run').stdout).toMatch(/\/srv\/certificates\/a\.pem#placeholder .*not a certificate/)
  })
})

it('a host with noexec /tmp and /run converges', () => {
  on('mount -t tmpfs -o noexec none /tmp; mount -o remount,noexec /run')
  site({ install: true })
  const { status, stdout, stderr } = project.provision('run')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/✔ \d+ changes applied and confirmed/)
  expect(on('hello; umount /tmp')).toBe('Hello, world!')
})

it('changes that cannot succeed are refused at planning, and the host stays unchanged', () => {
  on('mkdir -p /srv/data /srv/full; touch /srv/full/theirs; ln -s data /srv/www')
  const KEY = 'net.ipv4.no_such_key'
  const refused = (resources: string): readonly string[] => {
    declare(resources, { hosts: 'one' })
    mark()
    const { status, stdout, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stdout).toMatch(/^ {2}one +not planned\n\n✖ 1 host not planned, 0 changes applied/m)
    expect(changed()).toBe('')
    return [...stderr.matchAll(/^✖ one › declared › (\S+)\n {2}what (.*)$/gm)].map(([, resource, what]) => `${resource}: ${what}`)
  }
  expect(
    refused(`file({ path: '/srv/none/a', content: 'a' }), file({ path: '/srv/a', content: 'a', owner: 'nobody2' }),
    directory({ path: '/srv/d', group: 'nogroup2' }), directory({ path: '/srv/www', mode: '700' }), directory({ path: '/srv/full', state: 'absent' }), sysctl({ key: '${KEY}', value: 1 }),
    service({ unit: 'none.service' }), file({ path: '/srv/fine', content: 'fine' })`),
  ).toEqual([
    'file:/srv/none/a: directory /srv/none does not exist',
    'file:/srv/a: user nobody2 does not exist',
    'directory:/srv/d: group nogroup2 does not exist',
    'directory:/srv/www: /srv/www is a symbolic link to data',
    'directory:/srv/full: directory /srv/full is not empty',
    `sysctl:${KEY}: kernel has no setting ${KEY}`,
    'service:none.service: unit none.service does not exist',
  ])
  expect(refused(`file({ path: '/srv/fine', content: 'fine' }), pkg({ name: 'no-such-package' })`)).toEqual([
    'package:no-such-package: package no-such-package cannot be installed',
  ])
})

it('a wrong clock is reported in every run, with the consequences', () => {
  site({ install: true })
  const late = spawnSync(
    'faketime',
    ['-m', '-f', '-3h', process.execPath, join(import.meta.dirname, '../../bin/provision.js'), 'run', '--dry-run'],
    {
      cwd: project.root,
      env: { ...project.env, FAKETIME_DONT_FAKE_MONOTONIC: '1' },
      encoding: 'utf8',
    },
  )
  expect(late.stdout).toContain(
    '! clock of the host is 3 hours ahead of the clock of this machine: certificates will seem expired, and TLS and ACME fail',
  )
  expect(project.provision('run', '--dry-run').stdout).not.toContain('clock')
})

it('one of three hosts is unreachable: the others finish, and the summary and the exit status report it', () => {
  site({}, 'all')
  const { status, stdout, stderr } = project.provision('run')
  expect(status).toBe(4)
  expect(stdout).toMatch(/^ {2}three +unreachable$/m)
  expect(stdout).toMatch(/^✖ 1 host unreachable, \d+ changes applied {2}predicted (\d+) of \1 changes/m)
  expect(stderr).toMatch(/^✖ three\n {2}what .*10\.79\.93\.13.*\n(?: {2}why .*\n)? {2}fix {2}\S/m)
  expect(on('ls /srv/ran', 'two')).toBe('/srv/ran')
  const json = project.json('run')
  expect(json.status).toBe(4)
  expect(json.lines.at(-1)?.hosts).toMatchObject({ one: { unreachable: false }, two: { unreachable: false }, three: { unreachable: true } })
})

it('a host that was not reached counts for max_failures', () => {
  project.write('playbooks/site.yaml', '- name: things\n  hosts: all\n  serial: 1\n  roles: [{ things: { path: /srv/rolled } }]\n')
  const stopped = project.provision('run')
  expect(stopped.status).toBe(4)
  expect(stopped.stdout).toContain('! play things stopped: three was not reached (max_failures: 0); one, two were not changed')
  expect(on('ls /srv')).not.toContain('rolled')
})
