import type { TextPart } from '../resource/content.ts'
import { file } from '../resource/file.ts'
import { type Kind, keyOf, type Resource } from '../resource/kind.ts'

/** Where a host keeps the record of what we own; one file a role, readable by root alone. */
export const OWNED = '/var/lib/provision/owned'

/**
 * The record of what a role owns on a host: a line a resource, `kind:identity`, and its digest where it has one. It is a resource
 * like any other, and comes before those it speaks of, so that a run that is cut leaves nothing unrecorded.
 */
export const ownedBy = (role: string, resources: readonly Resource[]): Resource =>
  file({ path: `${OWNED}/${role}`, mode: '600', content: { type: 'text', parts: resources.flatMap(lineOf) } })

const lineOf = (resource: Resource): readonly TextPart[] => {
  const kind = resource.kind as unknown as Kind<unknown, unknown, unknown>
  const key = keyOf(resource)
  const files = kind.files?.(resource.spec) ?? []
  if (files.length === 0) return [`${key}\n`]
  return files.flatMap(({ path, sha256 }, i): readonly TextPart[] => [
    `${key} ${path} `,
    sha256 === 'later' ? { later: `the digest of ${path}`, get: () => known(kind.files?.(resource.spec)[i]?.sha256) } : sha256,
    '\n',
  ])
}

const known = (sha256: string | undefined): string | undefined => (sha256 === 'later' ? undefined : sha256)
