import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LabSpec, leaderOf } from '../../src/lab/index.ts'
import { installCommand } from './support/install-command.ts'
import { inside } from './support/interrupt.ts'
import { down, up } from './support/lab.ts'
import { processesBelow, traced } from './support/processes/strace.ts'
import { changes, type Line, referenceProject } from './support/project.ts'

// examples/internal-pages: the same server in YAML and in TypeScript.
const SUBNET = '10.79.48'
const project = referenceProject('t-pages', SUBNET)
const spec: LabSpec = { name: project.lab, root: project.root, hosts: [{ name: 'pages-01', user: 'ops', addresses: [`${SUBNET}.11`] }] }
const onHost = async (script: string): Promise<string> => (await inside(spec, 'pages-01', script)).trim()
const example = join(import.meta.dirname, '../../examples/internal-pages')
const run = (...words: readonly string[]) => project.json('run', ...words)
/** Copies a playbook of the example to the same path: a host records which playbooks declare its resources. */
const play = (name: 'yaml' | 'typescript'): void =>
  cpSync(join(example, `playbooks/${name}.yaml`), join(project.root, 'playbooks/site.yaml'))

/** The planned or applied changes of a run, in order, with their reasons and diffs. */
const changesIn = (lines: readonly Line[], phase: 'planned' | 'applied'): readonly unknown[] =>
  lines.filter((line) => line.type === 'change' && line.phase === phase)

beforeAll(async () => {
  for (const part of ['inventory', 'playbooks']) rmSync(join(project.root, part), { recursive: true })
  for (const part of ['inventory', 'roles']) cpSync(join(example, part), join(project.root, part), { recursive: true })
  const login = `user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new`
  project.write('inventory/hosts.yaml', `vars: { ${login} }\nhosts: { pages-01: { address: ${SUBNET}.11 } }\n`)
  play('yaml')
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a workload of everyday resources', () => {
  it('has the same plan in YAML and in TypeScript, which the run applies', async () => {
    const planned = run('--dry-run')
    expect(planned.stderr).toBe('')
    const all = changes(planned.lines, 'planned')
    const count = (kind: string): number => all.filter((one) => one.split(' ')[2]?.startsWith(`${kind}:`)).length
    const kinds = ['user', 'authorized-keys', 'directory', 'file', 'unit', 'service', 'sysctl', 'line', 'cron', 'command']
    expect(kinds.map(count)).toEqual([10, 10, 10, 90, 10, 10, 10, 10, 5, 0])
    // The image of the host has some of the twenty packages.
    expect(count('package')).toBeGreaterThan(12)
    play('typescript')
    expect(changesIn(run('--dry-run').lines, 'planned')).toEqual(changesIn(planned.lines, 'planned'))
    play('yaml')

    const made = run()
    expect({ status: made.status, stderr: made.stderr }).toEqual({ status: 0, stderr: '' })
    expect(changes(made.lines, 'applied')).toEqual(all)
    expect(await onHost('wget -qO - http://127.0.0.1:8010/index.html; sudo -u nobody wget -qO - http://127.0.0.1:8001/health.txt')).toBe(
      '<h1>wiki</h1>\n<p>on pages-01\nbilling is well',
    )
  })

  it.each(['typescript', 'yaml'] as const)('has nothing to do in a second run in %s', (name) => {
    play(name)
    expect(run('--dry-run').status).toBe(0)
    expect(run().lines.at(-1)).toMatchObject({ result: 'converged' })
  })

  it('costs two frames, and at most fifteen processes more than an empty run', async () => {
    const script = join(import.meta.dirname, 'support/count-frames.ts')
    const frames = spawnSync(process.execPath, [script], { cwd: project.root, env: project.env, encoding: 'utf8' })
    expect(frames.stdout).toBe('pages-01 2\n')

    installCommand('strace')
    const leader = await leaderOf(spec, 'pages-01')
    const sshd = spawnSync('pgrep', ['-P', String(leader), '-x', 'sshd'], { encoding: 'utf8' }).stdout.trim()
    const processesOf = async (...words: readonly string[]): Promise<number> => {
      const trace = await traced(['-e', 'trace=execve,clone,clone3,fork,vfork', '-p', sshd], () => {
        expect(project.provision(...words).status).toBe(0)
      })
      return processesBelow('sudo', trace)
    }
    const [empty, full] = [await processesOf('apply', 'all', 'directory', 'path=/etc'), await processesOf('run')]
    expect(empty).toBeGreaterThan(1)
    expect(full - empty).toBeGreaterThan(0)
    expect(full - empty).toBeLessThanOrEqual(15)
  })

  it('deletes with --prune the resources that its options no longer list', async () => {
    const server = readFileSync(join(project.root, 'inventory/server.yaml'), 'utf8')
    project.write('inventory/server.yaml', server.replace(/ {6}- \{ name: wiki.*\n/, ''))
    const planned = run('--prune', '--dry-run')
    const applied = run('--prune')
    expect(changes(applied.lines, 'applied')).toEqual(changes(planned.lines, 'planned'))
    const deleted = changes(applied.lines, 'applied').map((one) => one.replace('pages-01 ', '').replace(/:.*/, ''))
    expect(deleted).toEqual(['delete directory', ...Array(9).fill('delete file'), 'delete unit', 'update service'])
    expect(await onHost('ls /srv | wc -l; systemctl is-active page-wiki.service page-shop.service || :')).toBe('9\ninactive\nactive')
    expect(run('--prune').lines.at(-1)).toMatchObject({ result: 'converged' })
  })
})
