import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HostRefusal, Steps } from '../../../../src/resource/kind/step.ts'

/** A root on which scripts of kinds run for real: with its own /etc, /home, /srv, /run and /var/lib. It needs root for the mounts. */
export interface Throwaway {
  /** Runs before every script. */
  prelude: string
  /** Runs a script as the shell of a run would, and returns its exit status and output. */
  shell(script: string, input?: Uint8Array): { readonly code: number; readonly stdout: Buffer; readonly stderr: string }
  /** Runs a script in which every command must succeed, and returns its output. */
  run(script: string): string
  /** The answer to the script of an observation, which ends at the first command that fails. */
  ask(script: string): Buffer
  /** Executes the steps of a kind. Returns the refusal, or undefined. */
  drive(steps: Steps): HostRefusal | undefined
  end(): void
}

export const isRoot = process.getuid?.() === 0

const MOUNTED = ['/etc', '/home', '/srv', '/run', '/var/lib']

export const throwaway = (): Throwaway => {
  // Account programs write every file to disk, which takes long on a busy one.
  const at = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'throwaway-'))
  const inner = (path: string): string => join(at, path.replaceAll('/', '_'))
  for (const path of MOUNTED) mkdirSync(inner(path))
  cpSync('/etc', inner('/etc'), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true })
  rmSync(join(inner('/etc'), 'ssh'), { recursive: true, force: true })
  mkdirSync(join(inner('/etc'), 'ssh'))
  const mounts = MOUNTED.map((path) => `mount --bind ${inner(path)} ${path}`).join(' && ')
  // Programs that this machine may lack or that would affect it, found before all others.
  mkdirSync(join(at, 'bin'))
  const shell: Throwaway['shell'] = (script, input = Buffer.alloc(0)) => {
    writeFileSync(join(at, 'input'), input)
    writeFileSync(join(at, 'script'), `${host.prelude}\n${script}`)
    const { status, stdout, stderr } = spawnSync(
      'unshare',
      ['-m', '-p', '-f', '--mount-proc', 'sh', '-c', `${mounts} && cd / && . ${at}/script <${at}/input`],
      {
        env: {
          PATH: `${at}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
          LC_ALL: 'C',
          HOME: '/root',
          T: at,
          BIN: `${at}/bin`,
        },
        maxBuffer: 1 << 28,
      },
    )
    return { code: status ?? 255, stdout, stderr: stderr.toString() }
  }
  const host: Throwaway = {
    prelude: '',
    shell,
    run: (script) => host.ask(script).toString(),
    ask: (script) => {
      const { code, stdout, stderr } = shell(`set -e\n${script}`)
      if (code !== 0) throw new Error(`exit ${code}: ${stderr}${stdout}`)
      return stdout
    },
    drive: (steps) => {
      try {
        for (let next = steps.next(); next.done !== true; ) {
          const step = next.value
          if (step.do !== 'shell') throw new Error(`a step of another kind: ${step.do}`)
          next = steps.next(shell(String(step.script), step.input as Uint8Array | undefined))
        }
        return undefined
      } catch (error) {
        if (error instanceof Error && error.name === 'HostRefusal') return error as HostRefusal
        throw error
      }
    },
    end: () => rmSync(at, { recursive: true }),
  }
  return host
}
