import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LabSpec } from '../../src/lab/index.ts'
import { installCommand } from './support/install-command.ts'
import { down, up } from './support/lab.ts'
import { referenceProject } from './support/project.ts'

// Two running hosts, and a third that exists only as an address in the inventory.
const SUBNET = '10.79.93'
const project = referenceProject('t-broken', SUBNET)
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

it('a host with noexec /tmp and /run converges', () => {
  on('mount -t tmpfs -o noexec none /tmp; mount -o remount,noexec /run')
  site({ install: true })
  const { status, stdout, stderr } = project.provision('run')
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  expect(stdout).toMatch(/✔ \d+ changes applied and confirmed/)
  expect(on('hello; umount /tmp')).toBe('Hello, world!')
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
