import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** A temporary directory with programs that stand in for those that a script calls. They find it in `$PLACE`. */
export interface Place {
  readonly path: string
  /** Puts a program into it. */
  program(name: string, script: string): void
  write(name: string, text: string): void
  /** Content of a file; empty if it does not exist. */
  read(name: string): string
  has(name: string): boolean
  /** Runs a script by sh in it, for at most ten seconds. */
  run(script: string, options?: { readonly env?: Record<string, string>; readonly input?: string | Uint8Array }): Outcome
  readonly env: Readonly<Record<string, string>>
}

export interface Outcome {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export const place = (): Place => {
  const path = mkdtempSync(join(tmpdir(), 'mysql-role-'))
  onTestFinished(() => rmSync(path, { recursive: true }))
  const env = { PATH: `${path}:${process.env.PATH}`, PLACE: path }
  return {
    path,
    env,
    program: (name, script) => writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 }),
    write: (name, text) => writeFileSync(join(path, name), text),
    read: (name) => (existsSync(join(path, name)) ? readFileSync(join(path, name), 'utf8') : ''),
    has: (name) => existsSync(join(path, name)),
    run: (script, { env: more = {}, input = '' } = {}) => {
      const { status, stdout, stderr } = spawnSync('sh', ['-c', script], {
        cwd: path,
        env: { ...env, ...more },
        input,
        encoding: 'utf8',
        timeout: 10_000,
      })
      return { status, stdout, stderr }
    },
  }
}
