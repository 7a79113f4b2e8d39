import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect } from 'vitest'
import { queryHost } from '../../../../src/engine/observe/host-query.ts'
import { diffsOf } from '../../../../src/engine/plan/diff.ts'
import { ownedBy } from '../../../../src/engine/plan/owned.ts'
import { forbiddenOn, type PendingChange, planHost } from '../../../../src/engine/plan/plan-host.ts'
import { type AnyKind, keyOf, type Resource, type Work } from '../../../../src/resource/kind/kind.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { orphan } from '../../../../src/resource/ownership/orphan.ts'
import { recordHead, recordLine } from '../../../../src/resource/ownership/record.ts'
import { isFault } from '../../../../src/resource/part/edit.ts'
import { editPart, type PartSpec } from '../../../../src/resource/part/edits.ts'
import { bytesOfText, EMPTY, readTextFile } from '../../../../src/resource/part/text.ts'
import { type Here, here } from '../run-here.ts'

/** A directory of this machine whose files have parts. */
export interface Editing extends Here {
  write(name: string, content: string | Uint8Array): string
  read(name: string): string
  /** The pending changes by the engine, in the order of declaration. */
  pending(...resources: readonly Resource[]): readonly PendingChange[]
  /** The problems that keep the run from changing the host: what and why. */
  refusals(...resources: readonly Resource[]): readonly string[]
  diffs(...resources: readonly Resource[]): Promise<readonly (string | undefined)[]>
  /** Plans and applies all, in one batch. Returns the number of requests, or the refusal. */
  converge(...resources: readonly Resource[]): number | HostRefusal
  /** Writes the ownership record of a role. */
  record(role: string, resources: readonly Resource[]): void
  /** The changes of a run with --prune, if the role declares none of these any more. */
  orphans(role: string, resources: readonly Resource[]): readonly (Work<unknown, unknown> & { readonly kind: AnyKind })[]
}

export const editing = (): Editing => {
  const host = here()
  const declared = (resources: readonly Resource[]) => resources.map((resource) => ({ play: 0, role: 'role', resource }))
  const observed = (resources: readonly Resource[]) => {
    const query = queryHost('host', declared(resources))
    const { stdout, code } = host.run(query.script)
    return query.read(stdout, code)
  }
  const selected = (): boolean => true
  const pending = (...resources: readonly Resource[]): readonly PendingChange[] =>
    planHost({ resources: declared(resources), observation: observed(resources), observations: new Map(), selected, now: new Date(0) })
  return {
    ...host,
    pending,
    write: (name, content) => {
      mkdirSync(dirname(host.at(name)), { recursive: true })
      writeFileSync(host.at(name), content, { mode: 0o644 })
      return host.at(name)
    },
    read: (name) => readFileSync(host.at(name), 'latin1'),
    refusals: (...resources) =>
      forbiddenOn({ host: 'host', resources: declared(resources), observation: observed(resources) }, selected, {}).map(
        ({ what, why, fix }) => `${what}: ${why}: ${fix}`,
      ),
    diffs: async (...resources) => {
      const all = pending(...resources)
      const diffs = await diffsOf(undefined as never, all)
      return all.map(({ resource }) => diffs.get(keyOf(resource))?.diff)
    },
    record: (role, resources) => {
      const { lines } = ownedBy(role, ['site.yaml'], resources).spec as { lines: readonly { parts: readonly string[] }[] }
      host.sh(`mkdir -p state/owned`)
      writeFileSync(
        host.at(`state/owned/${role}`),
        `${recordHead(['site.yaml'])}${lines.map(({ parts }) => `${parts.join('')}\n`).join('')}`,
      )
    },
    orphans: (role, resources) => {
      const all = resources.map((one) =>
        orphan({
          role,
          owned: {
            key: keyOf(one),
            path: one.kind.files?.(one.spec)[0]?.path ?? '',
            text: recordLine(keyOf(one), one.kind.files?.(one.spec)[0]?.path ?? '', 'disk'),
          },
          prune: true,
        }),
      )
      return pending(...all).map(({ resource, state, change }) => ({
        id: resource.id,
        spec: resource.spec,
        state,
        change,
        kind: resource.kind,
      }))
    },
    converge: (...resources) => {
      const work = pending(...resources).map(
        ({ resource, state, change }): Work<unknown, unknown> => ({ id: resource.id, spec: resource.spec, state, change }),
      )
      const [first] = resources
      if (first === undefined || work.length === 0) return 0
      let steps = 0
      const counted = {
        ...first.kind,
        *apply(some: readonly Work<unknown, unknown>[]) {
          const inner = first.kind.apply(some)
          for (let next = inner.next(); next.done !== true; ) {
            steps += 1
            next = inner.next(yield next.value)
          }
        },
      }
      return host.apply(work, counted) ?? steps
    },
  }
}

/** The content after the edit of one part, which the same edit leaves as it is. Throws if the edit is impossible. */
export const editedBy = ({ spec }: Resource, content: string | Uint8Array): string => {
  const once = (bytes: Uint8Array): Buffer => {
    const result = editPart(spec as PartSpec, readTextFile(bytes) ?? EMPTY)
    if (isFault(result)) throw new Error(result.what)
    return bytesOfText(result.file)
  }
  const first = once(Buffer.from(content))
  expect(once(first).toString('latin1')).toBe(first.toString('latin1'))
  return first.toString('latin1')
}
