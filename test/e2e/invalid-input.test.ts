import { execFile, execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { installCommand } from './support/install-command.ts'

const checkout = fileURLToPath(new URL('../..', import.meta.url))
const bin = join(checkout, 'bin/provision.js')
const FOLDER = join(checkout, 'test/fixtures/wrong')
const cases = readdirSync(FOLDER)
const scratch = mkdtempSync(join(tmpdir(), 'provision-wrong-'))
const env = {
  PATH: process.env.PATH,
  HOME: scratch,
  USER: 'ops',
  SECRET_FOR_TESTS: 'geheim-4711',
  PROVISION_AGE_KEY_FILE: join(scratch, 'age.txt'),
}

interface Told {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
  /** Every attempt to contact a host, by provision or by a program that it started. */
  readonly packets: readonly string[]
}

let traces = 0

/** Runs the real program in a project, and records its network access. */
const provision = (cwd: string, ...words: readonly string[]): Promise<Told> => {
  const trace = join(scratch, `trace-${traces++}`)
  const strace = ['-f', '-qq', '--seccomp-bpf', '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-o', trace, '--']
  return new Promise((resolve) => {
    execFile('strace', [...strace, bin, ...words], { cwd, env }, (error, stdout, stderr) => {
      const packets = readFileSync(trace, 'utf8')
        .split('\n')
        .filter((line) => line.includes('AF_INET'))
      rmSync(trace)
      resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr, packets })
    })
  })
}

/** A project of a few files in its own directory. */
const project = (files: Readonly<Record<string, string>>): string => {
  const root = mkdtempSync(join(scratch, 'project-'))
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode: 0o600 })
  }
  return root
}

/** A project with one host, valid except for its connection. */
const reaching = (connection: Readonly<Record<string, unknown>>, files: Readonly<Record<string, string>> = {}): string =>
  project({
    'inventory/hosts.yaml': `hosts:\n  one: ${JSON.stringify(connection)}\n`,
    'playbooks/site.yaml': '- hosts: all\n  roles: [operator]\n',
    'roles/operator.ts': QUIET,
    ...files,
  })

const QUIET = `import { defineRole, file, z } from 'provision'
export default defineRole({ name: 'operator', summary: 'one file', options: z.strictObject({}), resources: () => [file({ path: '/etc/motd', content: '' })] })
`

/** The error cards, in the format of expected.txt of the fixtures. */
const cardsIn = (stderr: string): string =>
  stderr
    .replaceAll(/^✖ (\S+(?: › \S+)*)(?: {2}\S.*)?\n {2}what /gm, '$1  ')
    .replaceAll(/^ {2}(why|fix) {2}/gm, '  $1  ')
    .replaceAll(/\n\n/g, '\n')

beforeAll(() => installCommand('strace'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('an invalid input', () => {
  const told = new Map<string, Told>()

  beforeAll(async () => {
    const waiting = [...cases]
    const worker = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift())
        told.set(name, await provision(join(FOLDER, name), 'run', '--dry-run'))
    }
    await Promise.all([worker(), worker()])
  })

  it.each(cases)('%s: exit 3 with position and fix, and no packet to any host', (name) => {
    const { status, stdout, stderr, packets } = told.get(name) ?? expect.fail('was not run')
    expect(cardsIn(stderr)).toBe(readFileSync(join(FOLDER, name, 'expected.txt'), 'utf8'))
    expect({ status, stdout, packets }).toEqual({ status: 3, stdout: '', packets: [] })
  })

  it.each(['five-faults', 'role-misspelt', 'option-misspelt', 'key-of-another-home', 'host-name-hostile', 'secrets-missing'])(
    '%s stops a run as it stops a dry run, also with JSON output',
    async (name) => {
      const { status, stdout, stderr, packets } = await provision(join(FOLDER, name), 'run', '--json')
      expect({ status, stderr, packets }).toEqual({ status: 3, stderr: told.get(name)?.stderr, packets: [] })
      const lines = stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line))
      expect(lines.at(-1)).toMatchObject({ type: 'summary', result: 'failed', hosts: {} })
      const expected = readFileSync(join(FOLDER, name, 'expected.txt'), 'utf8')
      for (const { type, place, what, fix } of lines.slice(0, -1)) {
        expect(type).toBe('problem')
        expect(expected).toContain(`${place}  ${what}\n`)
        expect(expected).toContain(`  fix  ${fix}\n`)
      }
    },
  )
})

const keygen = (path: string, ...options: readonly string[]): string => {
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', ...(options.length === 0 ? ['-N', ''] : options), '-f', path])
  return path
}

/** The output, and whether it contains a stack trace. */
const saidBy = ({ stdout, stderr }: Told): string => {
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$|node:internal|bug in provision|undefined|\[object/m)
  for (const line of stderr.split('\n')) if (line.startsWith('  fix')) expect(line).toMatch(/^ {2}fix {2}\S/)
  return cardsIn(`${stderr}${stdout}`)
}

describe('unusable keys and files', () => {
  const good = keygen(join(scratch, 'good'))
  const encrypted = keygen(join(scratch, 'encrypted'), '-N', 'open sesame')
  const open = keygen(join(scratch, 'open'))
  chmodSync(open, 0o644)
  writeFileSync(join(scratch, 'text'), 'no key\n', { mode: 0o600 })

  it.each([
    ['a key that is not there', { key: 'nowhere/key' }, /nowhere\/key {2}key file does not exist/],
    ['a directory for a key', { key: 'inventory' }, /inventory {2}key file is a directory/],
    ['a public key', { key: `${good}.pub` }, /good\.pub {2}key file contains a public key|good\.pub {2}private key is readable/],
    ['a key that is none', { key: join(scratch, 'text') }, /text {2}key file contains no private key/],
    ['a key that others can read', { key: open }, /open {2}private key is readable by other accounts/],
    ['an encrypted key without its passphrase', { key: encrypted }, /encrypted {2}key is encrypted, and no passphrase is set/],
    ['no key at all', {}, /one {2}no SSH key is available for login/],
    ['a directory for known_hosts', { key: good, known_hosts: 'inventory' }, /inventory {2}known_hosts cannot be read/],
  ])('%s: exit 3, and no packet to any host', async (_, connection, place) => {
    const told = await provision(reaching({ address: '127.0.0.9', port: 9, ...connection }), 'run', '--dry-run')
    expect(saidBy(told)).toMatch(place)
    expect({ status: told.status, packets: told.packets }).toEqual({ status: 3, packets: [] })
  })

  it('a valid input sends packets to its host: the check would see them', async () => {
    const told = await provision(reaching({ address: '127.0.0.9', port: 9, key: good }), 'run', '--dry-run')
    expect(told.packets.join('\n')).toMatch(/connect\(.*AF_INET.*htons\(9\).*127\.0\.0\.9/)
    expect(saidBy(told)).toMatch(/^one {2}127\.0\.0\.9, port 9 refused the connection\n(?: {2}why .*\n)? {2}fix {2}\S/m)
    expect(told.status).toBe(4)
  })
})

describe('an input that only a role can check', () => {
  const play = (hosts: string, role: string, options: Record<string, unknown>): string =>
    `- hosts: ${hosts}\n  roles: [firewall, ${JSON.stringify({ [role]: options })}]\n`
  const balancer = { certificates: [{ names: ['www.example.org'] }], acme: { directory: 'letsencrypt-staging' } }
  const site = (...plays: readonly string[]): string =>
    project({
      'inventory/hosts.yaml': `vars: { key: key, firewall: { administrators: [127.0.0.1] } }
hosts:
  web-01: { address: 127.0.0.9, port: 9 }
  lb-01: { address: 127.0.0.10, port: 9 }
groups:
  web: { hosts: [web-01] }
  load_balancers: { hosts: [lb-01] }
`,
      'playbooks/site.yaml': plays.join(''),
      'page/index.html': 'hello\n',
      key: readFileSync(keygen(join(scratch, `site-${traces}`)), 'utf8'),
    })

  it.each<[string, readonly string[], RegExp]>([
    ['a directory that is not there', [play('web-01', 'nginx', { content: 'pgae' })], /site\.yaml:2:\d+ {2}pgae: directory does not exist/],
    ['a balancer without servers', [play('lb-01', 'haproxy-tls', balancer)], /lb-01 › haproxy-tls {2}no host of group web serves a site/],
    [
      'an authority that is not there',
      [
        play('web-01', 'nginx', { content: 'page' }),
        play('lb-01', 'haproxy-tls', { ...balancer, acme: { directory: 'https://127.0.0.1/dir', ca_file: 'ca.pem' } }),
      ],
      /site\.yaml:4:\d+ {2}ca\.pem: file of acme\.ca_file cannot be read/,
    ],
  ])('%s: exit 3, and no packet to any host', async (_, plays, card) => {
    const told = await provision(site(...plays), 'run', '--dry-run')
    expect(saidBy(told)).toMatch(card)
    expect({ status: told.status, packets: told.packets }).toEqual({ status: 3, packets: [] })
  })

  it('a valid site sends packets to its hosts', async () => {
    const right = site(play('web-01', 'nginx', { content: 'page' }), play('lb-01', 'haproxy-tls', balancer))
    const told = await provision(right, 'run', '--dry-run')
    expect(told.status).toBe(4)
    expect(told.packets.length).toBeGreaterThan(0)
  })
})

const root = checkout.replace(/\/$/, '')
const spec: LabSpec = { name: 't-wrong', root, hosts: [{ name: 'one', user: 'ops', addresses: ['10.79.12.11', 'fd12::11'] }] }
const labFile = (name: string): string => join(root, '.provision/lab/t-wrong', name)

describe('a host that refuses the account of the run', () => {
  beforeAll(async () => {
    await labReset(spec)
    const people = `
      for user in asked forbidden; do useradd -m $user; cp -r /home/ops/.ssh /home/$user/; chown -R $user /home/$user; done
      echo 'asked:pass word' | chpasswd; echo 'asked ALL=(ALL) ALL' >/etc/sudoers.d/asked`
    const told = await provision(reaching(ours), 'exec', 'one', '--sudo', '--', people)
    expect(told).toMatchObject({ status: 0, stderr: '' })
  })
  afterAll(() => labDown(spec))

  const ours = { address: '10.79.12.11', user: 'ops', key: labFile('id_ed25519'), known_hosts: labFile('known_hosts') }
  const stranger = keygen(join(scratch, 'stranger'))
  const [type, body] = readFileSync(`${stranger}.pub`, 'utf8').split(' ')

  it('is observed after the login', async () => {
    const told = await provision(reaching(ours), 'run', '--dry-run')
    expect({ status: told.status, stderr: told.stderr }).toEqual({ status: 2, stderr: '' })
  })

  it.each<[string, Record<string, unknown>, Record<string, string>, RegExp]>([
    ['with an unknown key', { known_hosts: 'known' }, {}, /^one {2}host key of one is not known\n.* {2}fix {2}.*provision trust one/ms],
    [
      'with a changed key',
      { known_hosts: 'known' },
      { known: `# ours\n10.79.12.11 ${type} ${body}\n` },
      /^one {2}.*\/known:2.*\n {2}why {2}.*SHA256:.*\n.*known:2 has .*SHA256:.*\n {2}fix {2}\S/m,
    ],
    ['whose port is refused', { port: 9 }, {}, /^one {2}10\.79\.12\.11, port 9 refused the connection\n/m],
    ['whose name does not exist', { address: 'no-such-host.invalid' }, {}, /^one {2}.*no-such-host\.invalid.*\n/m],
    ['that refuses the key', { key: stranger }, {}, /^one {2}login as ops was refused\n {2}why {2}tried .*stranger \(ssh-ed25519 SHA256:/m],
    ['that refuses sudo', { user: 'forbidden' }, {}, /^one {2}forbidden cannot become root by sudo.*\n {2}why {2}.*password is required/m],
    [
      'that refuses the password for sudo',
      { user: 'asked', sudo_password: `\${env:SECRET_FOR_TESTS}` },
      {},
      /^one {2}sudo refused the password of asked\n/m,
    ],
    [
      'behind a jump host that is not there',
      { jump: 'ops@10.79.12.11:9' },
      {},
      /^one {2}jump host ops@10\.79\.12\.11:9 cannot be used.*\n/m,
    ],
  ])('%s: exit 4, with its place and a remedy', async (_, connection, files, card) => {
    const told = await provision(reaching({ ...ours, ...connection }, files), 'run', '--dry-run')
    const said = saidBy(told)
    expect(said).toMatch(card)
    expect(said).toMatch(/^ {2}fix {2}\S/m)
    expect(`${told.stdout}${told.stderr}`).not.toContain('geheim')
    expect(told.status).toBe(4)
  })

  it('has its host keys fetched and shown by trust, which refuses changed ones', async () => {
    const known = { known: `10.79.12.11 ${type} ${body}\n` }
    const told = await provision(reaching({ ...ours, known_hosts: 'known' }, known), 'trust', '--yes')
    expect(saidBy(told)).toMatch(/\/known:1 {2}ssh-ed25519 key of one changed/)
    expect(told.status).toBe(3)
  })
})
