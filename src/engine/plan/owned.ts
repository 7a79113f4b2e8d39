import type { TextPart } from '../../resource/kind/content.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import { type OwnedLine, owned } from '../../resource/ownership/owned.ts'
import { escaped, recordLine } from '../../resource/ownership/record.ts'

/** The record of the resources that a role owns on a host, as a resource. It comes before the resources that it lists. */
export const ownedBy = (role: string, playbooks: readonly string[], resources: readonly Resource[]): Resource =>
  owned({ role, playbooks: [...playbooks], lines: resources.flatMap(linesOf) })

const linesOf = (resource: Resource): readonly OwnedLine[] => {
  const kind = resource.kind
  const key = keyOf(resource)
  const { state } = resource.spec as { state?: unknown }
  // A part that is declared absent leaves nothing in its file.
  if (kind.family !== undefined && state === 'absent') return []
  const files = kind.files?.(resource.spec) ?? []
  const line = (...parts: readonly TextPart[]): OwnedLine => ({ key, parts })
  if (files.length > 0)
    return files.map(({ path, sha256 }, i) =>
      sha256 === 'later'
        ? line(`${recordLine(key, path)} `, { later: `the digest of ${path}`, get: () => known(kind.files?.(resource.spec)[i]?.sha256) })
        : line(recordLine(key, path, sha256)),
    )
  // An absent resource cannot become an orphan.
  if (state === 'absent') return []
  const more = kind.recorded?.(resource.spec)
  return [line(more === undefined ? escaped(key) : recordLine(key, ...more))]
}

const known = (sha256: string | undefined): string | undefined => (sha256 === 'later' ? undefined : sha256)
