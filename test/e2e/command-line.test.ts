import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

// The real program as a process: what it makes of its arguments, and of surroundings that are not as they should be.
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

describe('a command line that is wrong', () => {
  it.each<[readonly string[], RegExp]>([
    [['run', '--limit', 'c'], /--limit c\n {2}what no host of the playbook is within it/],
    [['run', '--limit', 'a', '--role', 'two'], /--limit a\n {2}what no host with role two is within it/],
    [['verify', '--limit', 'c'], /--limit c\n {2}what no host of the playbook is within it/],
    [['run', ''], /what one of its words is empty/],
    [['run', '--', 'nowhere.yaml'], /nowhere\.yaml\n {2}what there is no such file/],
    [['run', '-i', 'inventory', '-i', 'inventory/hosts.yaml'], /what -i is given twice/],
    [['run', '--json', '--output', 'plain'], /what --json and --output plain are two ways of telling it/],
    [['exec', '', '--', 'ls'], /what one of its words is empty/],
    [['trust', 'a', 'b'], /what it takes no b/],
    [['lab', 'up', 'a'], /what it takes no a/],
    [['lab', 'up'], /a: 127\.0\.0\.9 means no single host|c: "c" is no IP address/],
    [['inventory', 'host', 'a', '--graph'], /what it shows one host, not groups or flows/],
  ])('provision %s: exit 3 before anything is done', (words, card) => {
    const { status, stderr } = provision(words)
    expect(stderr).toMatch(card)
    expect(stderr).toMatch(/^ {2}fix {2}\S/m)
    expect(status).toBe(3)
  })

  it('is told to a program too: the last line of its output is the summary', () => {
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

describe('surroundings that are not as they should be', () => {
  it.each(['stdin', 'stdout', 'stderr'])('%s closed', (stream) => {
    const closed = { stdin: '<&-', stdout: '>&-', stderr: '2>&-' }[stream]
    expect(sh(`"$@" ${closed}`, 'run', '--dry-run').status).toBe(4)
  })

  it('a reader who stops reading', () => {
    expect(sh('{ "$@"; echo $? >&2; } | head -c 1', 'inventory', '--json')).toEqual({ status: 0, stdout: '{', stderr: '0\n' })
  })

  it('a full disk behind the output is no defect, and no success either', () => {
    const full = openSync('/dev/full', 'w')
    const { status, stderr } = provision(['inventory'], { stdio: ['ignore', full, 'pipe'] })
    expect(stderr).toMatch(/standard output\n {2}what not all that was to be said could be written \(ENOSPC\)\n {2}fix/)
    expect(status).toBe(1)
  })

  it('a working directory that is gone', () => {
    mkdirSync(join(scratch, 'gone'))
    const { status, stderr } = sh(`cd ${scratch}/gone && rmdir ../gone && "$@"`, 'run')
    expect(stderr).toMatch(/what the working directory is gone/)
    expect(status).toBe(3)
  })

  it.each(['HOME', 'USER'])('an account without a name, and no %s', (missing) => {
    chmodSync(scratch, 0o755)
    const { [missing as 'HOME']: _, ...others } = env
    const { status, stderr } = provision(['inventory'], { env: others, uid: 54321, gid: 54321 })
    expect(stderr).toContain(`set ${missing} before you start`)
    expect(status).toBe(3)
  })

  it.each(['await new Promise(() => {})', 'process.exit(0)'])('a role that ends us (%s) is not taken for success', (end) => {
    write('ending/inventory.yaml', 'hosts:\n  a: { address: 127.0.0.9 }\n')
    write('ending/play.yaml', '- hosts: all\n  roles: [ending]\n')
    write('ending/roles/ending.ts', end)
    const { status, stderr } = spawnSync(bin, ['run', '-i', 'inventory.yaml', 'play.yaml'], {
      cwd: join(project, 'ending'),
      env,
      encoding: 'utf8',
    })
    expect(stderr).toContain('it ended before its work was done')
    expect(status).toBe(1)
  })

  it('a folder of roles that we may not read', () => {
    chmodSync(scratch, 0o755)
    chmodSync(join(project, 'roles'), 0)
    const { status, stderr } = provision(['inventory'], { uid: 54321, gid: 54321 })
    chmodSync(join(project, 'roles'), 0o755)
    expect(stderr).toMatch(/^✖ roles\n {2}what no role can be looked for here\n {2}why {2}EACCES/m)
    expect(status).toBe(3)
  })
})
