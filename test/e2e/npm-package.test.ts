import { execFileSync, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type LabSpec, labDown, labReset } from '../../src/lab/index.ts'
import { changes, type Line } from './support/project.ts'

const root = join(import.meta.dirname, '../..')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
const scratch = mkdtempSync(join(tmpdir(), 'provision-package-'))
const project = join(scratch, 'project')
let packed = ''

// Packed from a copy: the checkout's own build may be in use.
const pack = (): string => {
  const copy = join(scratch, 'checkout')
  const entries = readdirSync(root).filter((name) => !['node_modules', 'dist', '.git', '.provision'].includes(name))
  for (const name of entries) cpSync(join(root, name), join(copy, name), { recursive: true })
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'))
  const said = execFileSync('npm', ['pack', '--json', '--pack-destination', scratch], {
    cwd: copy,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [packed] = JSON.parse(said.slice(said.search(/^\[$/m))) as [{ filename: string }]
  return join(scratch, packed.filename)
}

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(project, path)), { recursive: true })
  writeFileSync(join(project, path), text)
}

const provision = (...words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync(join(project, 'node_modules/.bin/provision'), words, { cwd: project, encoding: 'utf8' })
  return { status, stdout, stderr }
}

const inventory = (option: string): string =>
  `hosts:\n  one:\n    address: 192.0.2.1\n    vars:\n      key: key\n      hello: { ${option}: hi }\n`

const role = `import { defineRole, file, z } from 'provision'
import { defineKind, sh } from 'provision/kind'

export const greeting = defineKind({
  name: 'greeting',
  schema: z.strictObject({ path: z.string() }),
  id: ({ path }) => path,
  observe: (specs) => ({ script: sh\`\`, parse: () => new Map(specs.map(({ path }) => [path, typeof file])) }),
  plan: () => undefined,
  *apply() {},
})

export default defineRole({
  name: 'hello',
  summary: 'greets whoever logs in',
  options: z.strictObject({ greeting: z.string() }),
  listens: () => [{ service: 'hello', port: 4711, protocol: 'tcp', from: ['anyone'] }],
  resources: ({ options }) => [file({ path: '/etc/motd', content: options.greeting })],
})
`

beforeAll(() => {
  mkdirSync(project)
  write('package.json', '{ "name": "elsewhere", "private": true, "type": "module" }')
  packed = pack()
  execFileSync('npm', ['install', '--no-audit', '--no-fund', packed], { cwd: project, stdio: ['ignore', 'ignore', 'inherit'] })
  write('roles/hello/role.ts', role)
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(project, 'key')])
  write('inventory/hosts.yaml', inventory('greeting'))
  write('playbooks/site.yaml', '- name: greetings\n  hosts: all\n  roles: [hello, firewall]\n')
})

afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe('the package, installed into an empty project elsewhere', () => {
  test('starts, and prints its version', () => {
    expect(provision('--version')).toEqual({ status: 0, stdout: `${version}\n`, stderr: '' })
    expect(provision('--help').stdout).toContain('provision COMMAND [OPTIONS]')
  })

  test('contains no native code, no install script and no sources', () => {
    const installed = join(project, 'node_modules/provision')
    expect(existsSync(join(installed, 'src'))).toBe(false)
    expect(readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))).toEqual(['provision', 'zod'])
  })

  test("reads the project's inventory", () => {
    const { status, stdout } = provision('inventory', '--json')
    expect(status).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ hosts: { one: { address: '192.0.2.1', port: 22, vars: { hello: { greeting: 'hi' } } } } })
  })

  test("loads the project's own role as it is, and what it imports from 'provision' and 'provision/kind' is what runs", () => {
    const { status, stdout, stderr } = provision('inventory', '--flows')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^anyone +one +4711\/tcp +hello +hello +no$/m)
  })

  // `npm install` in an empty directory writes no type, `npm init` writes commonjs.
  test.each([{}, { type: 'commonjs' }])('loads it without a warning with any type in package.json: %j', (type) => {
    const before = readFileSync(join(project, 'package.json'), 'utf8')
    write('package.json', JSON.stringify({ ...JSON.parse(before), type: undefined, ...type }))
    const { status, stderr } = provision('inventory', '--flows')
    write('package.json', before)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test("a mistake in the role is reported with the role's file and line", () => {
    write('roles/hello/role.ts', role.replace("['anyone']", 'nonsense'))
    const { status, stderr } = provision('inventory', '--flows')
    write('roles/hello/role.ts', role)
    expect(status).toBe(3)
    expect(stderr).toContain('roles/hello/role.ts:17:74')
    expect(stderr).toContain('nonsense is not defined')
  })

  test("the role's options are checked at their place", () => {
    write('inventory/hosts.yaml', inventory('greting'))
    const { status, stderr } = provision('run', '--dry-run')
    expect(status).toBe(3)
    expect(stderr).toContain('inventory/hosts.yaml:6:16')
    expect(stderr).toContain('greting')
  })

  test("a user's role type-checks against the package, and a wrong one does not", () => {
    const config = {
      compilerOptions: {
        module: 'nodenext',
        target: 'es2024',
        lib: ['es2024'],
        strict: true,
        noEmit: true,
        skipLibCheck: false,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      include: ['roles'],
    }
    write('tsconfig.json', JSON.stringify(config))
    const check = () => spawnSync(join(root, 'node_modules/.bin/tsc'), ['-p', project], { encoding: 'utf8' }).stdout
    expect(check()).toBe('')
    write('roles/hello/role.ts', role.replace('content: options.greeting', 'content: 42'))
    expect(check()).toMatch(/role\.ts.*number/s)
  })
})

const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]

/** Packs a package with a role, built as its author does. Its dependencies are those of the project. */
const packRole = (directory: string): string => {
  symlinkSync(join(project, 'node_modules'), join(directory, 'node_modules'))
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', directory, ...types], { stdio: ['ignore', 'inherit', 'inherit'] })
  const tested = spawnSync(process.execPath, ['--test', '--test-reporter', 'tap'], {
    cwd: directory,
    encoding: 'utf8',
    env: { PATH: process.env.PATH },
  })
  expect(tested.stdout).toMatch(/^# pass 2$/m)
  expect(tested.status).toBe(0)
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', scratch], { cwd: directory, encoding: 'utf8' }),
  ) as [{ filename: string }]
  return join(scratch, filename)
}

describe('a package with a role, installed into the project', () => {
  const spec: LabSpec = { name: 'redis-role', root: project, hosts: [{ name: 'one', user: 'ops', addresses: ['10.79.232.11'] }] }
  const lab = '.provision/lab/redis-role'
  const play = (what: string): void => write('playbooks/cache.yaml', `- name: cache\n  hosts: all\n${what}\n`)
  const run = (...words: readonly string[]) => {
    const { status, stdout, stderr } = provision('run', '-i', 'lab.yaml', 'playbooks/cache.yaml', ...words, '--json')
    const lines = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]))
    return { status, stderr, planned: changes(lines, 'planned'), applied: changes(lines, 'applied'), result: lines.at(-1)?.result }
  }
  const onHost = (script: string): string =>
    execFileSync('ssh', ['-F', 'ssh_config', 'one', 'sudo', 'sh'], { cwd: join(project, lab), input: script, encoding: 'utf8' })

  beforeAll(async () => {
    const copy = join(scratch, 'redis-role')
    cpSync(join(root, 'examples/redis-role'), copy, { recursive: true })
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--offline', packRole(copy)], {
      cwd: project,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    await labReset(spec)
    write(
      'lab.yaml',
      `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts, '@example/redis': { memory: 32mb } }\nhosts: { one: { address: 10.79.232.11 } }\n`,
    )
  })
  afterAll(() => labDown(spec))

  test('has its version and digest in the lock file, and brings no second provision', () => {
    const { packages } = JSON.parse(readFileSync(join(project, 'package-lock.json'), 'utf8')) as { packages: Record<string, object> }
    expect(packages['node_modules/@example/redis']).toMatchObject({ version: '1.0.0', integrity: expect.stringMatching(/^sha512-/) })
    expect(Object.keys(packages).filter((path) => path.endsWith('/provision'))).toEqual(['node_modules/provision'])
  })

  test('is applied as its dry run says, and then has nothing to do', () => {
    play("  roles: ['@example/redis']")
    const dry = run('--dry-run')
    expect(dry).toMatchObject({ status: 2, result: 'changed' })
    const first = run()
    expect(first).toMatchObject({ status: 0, result: 'changed', applied: dry.planned })
    expect(onHost('redis-cli -p 6380 config get maxmemory; cat /etc/redis/base.conf; ls /var/lib/provision/owned')).toMatch(
      /^maxmemory\n33554432\n# Only programs of this host.*\n%40example%2Fredis\n$/s,
    )
    expect(run()).toMatchObject({ status: 0, result: 'converged', applied: [] })
    expect(provision('verify', '-i', 'lab.yaml', 'playbooks/cache.yaml').stdout).toContain('the cache on port 6380 answers')
  })

  test('is deleted when no play binds it any more', () => {
    play('  resources: [package: { name: redis-server }]')
    const { status, applied } = run('--prune')
    expect(status).toBe(0)
    expect(applied).toEqual(
      expect.arrayContaining([
        'one delete file:/etc/redis/base.conf',
        'one delete file:/etc/redis/cache.conf',
        'one delete unit:redis-cache.service',
      ]),
    )
    expect(onHost('systemctl is-active redis-cache; ls /etc/redis/base.conf /etc/redis/cache.conf 2>/dev/null; :')).toBe('inactive\n')
    expect(onHost('cat /var/lib/provision/owned/*')).not.toMatch(/redis-cache|base\.conf|cache\.conf/)
    expect(run('--prune')).toMatchObject({ status: 0, result: 'converged', applied: [] })
  })

  test('of a new author is built and tested as it was written', () => {
    provision('init', 'role', 'greeter')
    packRole(join(project, 'provision-greeter'))
  })
})

const old = ['/usr/bin/node', '/usr/local/bin/node'].find(
  (path) => existsSync(path) && /^v(1\d|2[0-3])\./.test(execFileSync(path, ['--version'], { encoding: 'utf8' })),
)

describe('a machine with an older Node', () => {
  test('gets one sentence that names the needed version', () => {
    if (old === undefined) return
    const { status, stderr } = spawnSync(old, [join(project, 'node_modules/provision/bin/provision.js'), 'run'], { encoding: 'utf8' })
    expect(status).toBe(3)
    expect(stderr).toMatch(/^provision needs Node\.js 24 or newer; this is v\d+\.[^\n]*\n$/)
  })

  test('gets a newer one by the line of the README, locked by digest and without install scripts', () => {
    const [line = ''] = /^ *npm install .*provision-.*$/m.exec(readFileSync(join(root, 'README.md'), 'utf8')) ?? []
    const { version: node } = JSON.parse(readFileSync(join(root, 'scripts/node/package.json'), 'utf8')) as { version: string }
    const beside = join(scratch, 'beside')
    mkdirSync(beside)
    const env = { ...process.env, PATH: [...(old === undefined ? [] : [dirname(old)]), '/usr/local/bin:/usr/bin:/bin'].join(':') }
    // The release of the checkout is in npm's cache.
    const script = line.replace('CHECKOUT', dirname(packed)).replace('@24', `@${node}`)
    execFileSync('sh', ['-c', script], { cwd: beside, env, stdio: ['ignore', 'ignore', 'inherit'] })

    const { packages } = JSON.parse(readFileSync(join(beside, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { integrity?: string; hasInstallScript?: true }>
    }
    const installed = Object.entries(packages).filter(([path]) => path !== '')
    expect(installed.map(([path]) => path)).toEqual(
      [`node-linux-${process.arch}`, 'provision', 'zod'].map((name) => `node_modules/${name}`),
    )
    expect(installed.filter(([, { integrity }]) => integrity === undefined)).toEqual([])
    expect(installed.filter(([, { hasInstallScript }]) => hasInstallScript === true)).toEqual([])

    const said = spawnSync('npx', ['provision', '--version'], { cwd: beside, env, encoding: 'utf8' })
    expect(said).toMatchObject({ status: 0, stdout: `${version}\n` })
  })
})
