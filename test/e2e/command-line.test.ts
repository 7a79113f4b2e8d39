import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// Runs the real program with invalid arguments and in a broken environment.
const bin = fileURLToPath(new URL('../../bin/provision.js', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'provision-line-'))
const project = join(scratch, 'project')

const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(project, path)), { recursive: true })
  writeFileSync(join(project, path), text)
}

const role = (name: string): string => `import { defineRole, file, z } from 'provision'
export default defineRole({
  name: '${name}', summary: 'one file', options: z.strictObject({}),
  resources: () => [file({ path: '/etc/${name}', content: '' })],
})
`

beforeAll(() => {
  write(
    'inventory/hosts.yaml',
    'vars: { key: key }\nhosts:\n  a: { address: 127.0.0.9, port: 9 }\n  b: { address: 127.0.0.10, port: 9 }\n  c: {}\n',
  )
  write('playbooks/site.yaml', '- hosts: [a, b]\n  roles: [one]\n- hosts: b\n  roles: [two]\n')
  write('roles/one.ts', role('one'))
  write('roles/two.ts', role('two'))
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(project, 'key')])
})
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

const env = { PATH: process.env.PATH, HOME: scratch, USER: 'ops', PROVISION_AGE_KEY_FILE: join(scratch, 'age.txt') }

const provision = (words: readonly string[], more: Parameters<typeof spawnSync>[2] = {}) => {
  const { status, stdout, stderr } = spawnSync(bin, words, { cwd: project, env, ...more, encoding: 'utf8' })
  expect(stderr ?? '').not.toMatch(/^\s+at .*:\d+:\d+\)?$|node:internal|bug in provision|undefined/m)
  return { status, stdout, stderr }
}

const sh = (script: string, ...words: readonly string[]) => {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', bin, ...words], { cwd: project, env, encoding: 'utf8' })
  expect(stderr).not.toMatch(/^\s+at .*:\d+:\d+\)?$|node:internal|bug in provision|undefined/m)
  return { status, stdout, stderr }
}

describe('an invalid command line', () => {
  it.each<[readonly string[], RegExp]>([
    [['run', '--limit', 'c'], /--limit c\n {2}what no host of the playbook is selected/],
    [['run', '--limit', 'a', '--role', 'two'], /--limit a\n {2}what no host with role two is selected/],
    [['verify', '--limit', 'c'], /--limit c\n {2}what no host of the playbook is selected/],
    [['run', ''], /what an argument is empty/],
    [['run', '--', 'nowhere.yaml'], /nowhere\.yaml\n {2}what file does not exist/],
    [['run', '-i', 'inventory', '-i', 'inventory/hosts.yaml'], /what -i is given twice/],
    [['run', '--json', '--output', 'plain'], /what --json conflicts with --output plain/],
    [['exec', '', '--', 'ls'], /what an argument is empty/],
    [['trust', 'a', 'b'], /what unexpected argument b/],
    [['lab', 'up', 'a'], /what unexpected argument a/],
    [['lab', 'up'], /a: 127\.0\.0\.9 is not the address of a single host|c: "c" is not an IP address/],
    [['inventory', 'host', 'a', '--graph'], /what --graph and --flows do not apply to one host/],
  ])('provision %s: exit 3, and nothing is done', (words, card) => {
    const { status, stderr } = provision(words)
    expect(stderr).toMatch(card)
    expect(stderr).toMatch(/^ {2}fix {2}\S/m)
    expect(status).toBe(3)
  })

  it('is reported as JSON too, with a summary in the last line', () => {
    const { status, stdout } = provision(['run', '--json', '--limit'])
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    expect(lines).toMatchObject([
      { type: 'problem', what: '--limit needs a value' },
      { type: 'summary', result: 'failed' },
    ])
    expect(status).toBe(3)
  })
})

describe('a broken environment', () => {
  it.each(['stdin', 'stdout', 'stderr'])('%s closed', (stream) => {
    const closed = { stdin: '<&-', stdout: '>&-', stderr: '2>&-' }[stream]
    expect(sh(`"$@" ${closed}`, 'run', '--dry-run').status).toBe(4)
  })

  it('a reader that closes the pipe', () => {
    expect(sh('{ "$@"; echo $? >&2; } | head -c 1', 'inventory', '--json')).toEqual({ status: 0, stdout: '{', stderr: '0\n' })
  })

  it('a full disk for the output is a failure, and not reported as a bug', () => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = provision(['inventory'], { stdio: ['ignore', full, 'pipe'] })
    expect(stderr).toMatch(/standard output\n {2}what output could not be written completely \(ENOSPC\)\n {2}fix/)
    expect(status).toBe(1)
  })

  it('a deleted working directory', () => {
    mkdirSync(join(scratch, 'gone'))
    const { status, stderr } = sh(`cd ${scratch}/gone && rmdir ../gone && "$@"`, 'run')
    expect(stderr).toMatch(/what working directory was deleted/)
    expect(status).toBe(3)
  })

  it.each(['HOME', 'USER'])('an account without a name, and no %s', (missing) => {
    chmodSync(scratch, 0o755)
    const { [missing as 'HOME']: _, ...others } = env
    const { status, stderr } = provision(['inventory'], { env: others, uid: 54321, gid: 54321 })
    expect(stderr).toContain(`export ${missing}=`)
    expect(status).toBe(3)
  })

  it.each(['await new Promise(() => {})', 'process.exit(0)'])('a role that ends the process (%s) is not a success', (end) => {
    write('ending/inventory.yaml', 'hosts:\n  a: { address: 127.0.0.9 }\n')
    write('ending/play.yaml', '- hosts: all\n  roles: [ending]\n')
    write('ending/roles/ending.ts', end)
    const { status, stderr } = spawnSync(bin, ['run', '-i', 'inventory.yaml', 'play.yaml'], {
      cwd: join(project, 'ending'),
      env,
      encoding: 'utf8',
    })
    expect(stderr).toContain('provision ended before the command was finished')
    expect(status).toBe(1)
  })

  it('an unreadable directory of roles', () => {
    chmodSync(scratch, 0o755)
    chmodSync(join(project, 'roles'), 0)
    const { status, stderr } = provision(['inventory'], { uid: 54321, gid: 54321 })
    chmodSync(join(project, 'roles'), 0o755)
    expect(stderr).toMatch(/^✖ roles\n {2}what directory of roles cannot be read\n {2}why {2}EACCES/m)
    expect(status).toBe(3)
  })
})
