import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AnyKind, Change, PlanContext, Resource, Work } from '../../../src/resource/kind/kind.ts'
import { pathQueries } from '../../../src/resource/kind/path-queries.ts'
import { mergeQueries } from '../../../src/resource/kind/queries.ts'
import { HostRefusal, type Steps } from '../../../src/resource/kind/step.ts'
import { isSecret } from '../../../src/secret/secret.ts'

const nameOf = (flag: string): string => spawnSync('id', [flag], { encoding: 'utf8' }).stdout.trim()
/** The account and group of this process, as owner of what the tests write. */
export const mine = { owner: nameOf('-un'), group: nameOf('-gn') }

/** A directory of this machine as a host. The scripts of kinds run in `sh`; `/var/lib/provision` and other `moved` directories are below it. */
export interface Here {
  readonly root: string
  /** The notices of all applied changes. */
  readonly notices: readonly string[]
  at(path: string): string
  sh(script: string): string
  /** Replaces a program. */
  program(name: string, script: string): void
  run(script: string, input?: Uint8Array): { readonly code: number; readonly stdout: Buffer; readonly stderr: string }
  /** The changes that the present state needs. */
  plan(...resources: readonly Resource[]): readonly Work<unknown, unknown>[]
  /** Applies changes of one kind, each step after `prologue`. Returns the refusal. */
  apply(work: readonly Work<unknown, unknown>[], kind: AnyKind, prologue?: string): HostRefusal | undefined
  remove(): void
}

const context: PlanContext = { now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() }

export const here = (...moved: readonly string[]): Here => {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'host-')))
  chmodSync(root, 0o755)
  for (const name of ['T', 'bin']) mkdirSync(join(root, name))
  const places = ['/var/lib/provision', ...moved].map((path) => [path, join(root, path === '/var/lib/provision' ? 'state' : path)] as const)
  const below = (text: string): string => places.reduce((all, [path, place]) => all.replaceAll(path, place), text)
  const back = (text: string): string => places.reduce((all, [path, place]) => all.replaceAll(place, path), text)
  const run = (script: string, input: Uint8Array = Buffer.alloc(0)) => {
    const answer = spawnSync('sh', ['-c', `cat >"$T/i"; ( ${below(script)}\n) <"$T/i"`], {
      input: Buffer.from(below(Buffer.from(input).toString('latin1')), 'latin1'),
      env: { PATH: `${join(root, 'bin')}:${process.env.PATH}`, LC_ALL: 'C', T: join(root, 'T') },
    })
    const stdout = Buffer.from(back(answer.stdout.toString('latin1')), 'latin1')
    return { code: answer.status ?? 255, stdout, stderr: back(answer.stderr.toString()) }
  }
  const notices: string[] = []
  return {
    root,
    notices,
    at: (path) => join(root, path),
    program: (name, script) => writeFileSync(join(root, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 }),
    run,
    sh: (script) => run(`cd ${root}; ${script}`).stdout.toString(),
    plan: (...resources) => {
      const [first] = resources
      if (first === undefined) return []
      const { kind } = first
      const query = kind.observe(resources.map(({ spec }) => spec))
      const asked = mergeQueries([query.shared])
      const { inodes, digests, texts } = pathQueries(asked)
      const mark = '<<part>>'
      const parts = run(
        [inodes, digests, texts, query].map((part) => `{ printf '%s' '${mark}'\n${part.script}\n} 2>/dev/null </dev/null`).join('\n'),
      )
        .stdout.toString('latin1')
        .split(mark)
        .slice(1)
        .map((part) => Buffer.from(part, 'latin1'))
      const [inode = Buffer.alloc(0), digest = Buffer.alloc(0), text = Buffer.alloc(0), own = Buffer.alloc(0)] = parts
      const answers = { ...inodes.read(inode), digests: digests.read(digest), texts: texts.read(text), units: new Map() }
      const states = query.parse(own, answers)
      return resources.flatMap(({ id, spec }) => {
        const state = states.get(id)
        const change: Change | undefined = kind.plan(spec, state, context)
        return change === undefined ? [] : [{ id, spec, state, change }]
      })
    },
    apply: (work, kind, prologue = ':') => {
      const steps: Steps = kind.apply(work)
      try {
        for (let next = steps.next(); next.done !== true; ) {
          if (next.value.do === 'notice') {
            notices.push(next.value.what)
            next = steps.next({ code: 0, stdout: Buffer.alloc(0), stderr: '' })
            continue
          }
          if (next.value.do !== 'shell') throw new Error('not a step of a shell')
          const { script, input } = next.value
          const bytes = isSecret(input) ? Buffer.from(input.reveal()) : input
          next = steps.next(run(`${prologue}\n${script}`, bytes))
        }
        return undefined
      } catch (error) {
        if (error instanceof HostRefusal) return error
        throw error
      }
    },
    remove: () => rmSync(root, { recursive: true }),
  }
}
