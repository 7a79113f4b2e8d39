import { execFile, type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
/** The command of this checkout. */
export const bin = join(checkout, 'bin/provision.js')

/** A line of `--json`. */
export interface Line {
  readonly type: string
  readonly phase?: string
  readonly host?: string
  readonly resource?: string
  readonly action?: string
  readonly certainty?: string
  readonly diff?: string
  readonly result?: string
  readonly hosts?: Record<string, { resources: number; changed: number; failed: number; unreachable: boolean }>
}

export interface Result {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A project in its own directory, with its own lab beside the lab of the demo. */
export interface Project {
  readonly root: string
  readonly lab: string
  readonly env: NodeJS.ProcessEnv
  provision(...words: readonly string[]): Result
  /** Like `provision`, asynchronously: for tests that serve requests meanwhile. */
  provisionBeside(...words: readonly string[]): Promise<Result>
  /** Starts `provision` and does not wait. */
  start(...words: readonly string[]): ReturnType<typeof spawn>
  /** `provision … --json`, its lines parsed. */
  json(...words: readonly string[]): { status: number | null; lines: readonly Line[]; stderr: string }
  write(path: string, text: string): void
  remove(): void
}

/** The reference site of the checkout, its addresses moved to another subnet: `10.79.10` in place of `10.78.0`. */
export const referenceProject = (lab: string, subnet: string): Project => {
  const root = mkdtempSync(join(tmpdir(), `provision-${lab}-`))
  const inventory = sed(spawnSync('cat', [join(checkout, 'inventory/lab.yaml')], { encoding: 'utf8' }), lab, subnet)
  mkdirSync(join(root, 'inventory'))
  writeFileSync(join(root, 'inventory/site.yaml'), inventory)
  cpSync(join(checkout, 'playbooks'), join(root, 'playbooks'), { recursive: true })
  // The databases have separate tests, which saves the others a minute each.
  const playbook = join(root, 'playbooks/site.yaml')
  writeFileSync(playbook, readFileSync(playbook, 'utf8').replace(/- name: databases\n[\s\S]*?\n\n/, ''))
  const env = { ...process.env, HOME: root, PROVISION_AGE_KEY_FILE: join(root, 'age.txt'), NO_COLOR: '1' }
  const provision = (...words: readonly string[]): Result => spawnSync(bin, words, { cwd: root, env, encoding: 'utf8', maxBuffer: 1e9 })
  return {
    root,
    lab,
    env,
    provision,
    provisionBeside: (...words) =>
      new Promise((resolve) => {
        const child = execFile(bin, words, { cwd: root, env: { ...env }, maxBuffer: 1e9 }, (_, stdout, stderr) =>
          resolve({ status: child.exitCode, stdout, stderr }),
        )
      }),
    start: (...words) => spawn(bin, words, { cwd: root, env, stdio: 'ignore' }),
    json: (...words) => {
      const { status, stdout, stderr } = provision(...words, '--json')
      const lines = stdout
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line) as Line)
      return { status, lines, stderr }
    },
    write: (path, text) => {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  }
}

const sed = ({ stdout }: SpawnSyncReturns<string>, lab: string, subnet: string): string =>
  stdout
    .replaceAll('10.78.0.', `${subnet}.`)
    .replaceAll('fd78::', `fd${subnet.split('.').at(-1)}::`)
    .replaceAll('.provision/lab/lab/', `.provision/lab/${lab}/`)

/** Returns the planned or applied changes, one sorted line each. */
export const changes = (lines: readonly Line[], phase: 'planned' | 'applied' | 'failed'): readonly string[] =>
  lines
    .filter((line) => line.type === 'change' && line.phase === phase)
    .map(({ host, resource, action }) => `${host} ${action} ${resource}`)
    .sort()
