import { z } from 'zod'
import type { LocalFile } from '../kind/content.ts'
import { sha256Hex } from '../kind/content.ts'
import type { InodeState } from '../kind/inode.ts'
import { absolutePath, ownership } from '../kind/path.ts'
import { yamlForms } from '../option/yaml-form.ts'
import type { TreeState } from './manifest.ts'
import { checkSource, sourceOptions, withSource } from './source.ts'

/** Formats by the end of the name, and the end by which apt knows the compression. */
const FORMATS: readonly (readonly [pattern: RegExp, format: Format])[] = [
  [/\.tar$/, 'tar'],
  [/\.(tar\.gz|tgz)$/, 'tar.gz'],
  [/\.(tar\.xz|txz)$/, 'tar.xz'],
  [/\.(tar\.zst|tzst)$/, 'tar.zst'],
  [/\.(tar\.bz2|tbz2?)$/, 'tar.bz2'],
  [/\.zip$/, 'zip'],
]

const formats = ['tar', 'tar.gz', 'tar.xz', 'tar.zst', 'tar.bz2', 'zip'] as const
export type Format = (typeof formats)[number]

const pattern = z
  .string()
  .regex(/^[^/\0](?:[^\0]*[^/\0])?$/, 'must be a path in the tree, without a slash at its ends; * and ** are wildcards')

const isLocal = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

export const schema = z
  .strictObject({
    path: absolutePath
      .refine((path) => path.lastIndexOf('/') > 0, 'must not be a directory at the root')
      .meta({ description: 'the directory for the content; the directory above is a separate resource of root', examples: ['/opt/node'] }),
    state: z
      .enum(['present', 'absent'])
      .default('present')
      .meta({ description: '`absent` deletes the directory if it is as it was unpacked, and others have nothing in it' }),
    content: z
      .custom<LocalFile>((value) => isLocal(value), 'must be a file of the project')
      .optional()
      .meta({ description: 'the archive as a file of the project, in place of url and sha256' })
      .register(yamlForms, { form: 'local' }),
    ...sourceOptions,
    format: z.enum(formats).optional().meta({ description: 'format of the archive; default: by the end of its name' }),
    strip: z.int().min(0).max(20).default(0).meta({ description: 'number of leading directories to remove from each name' }),
    include: z
      .array(pattern)
      .default([])
      .meta({ description: 'entries to unpack, with all below them; default: all', examples: [['bin/*', 'share/doc']] }),
    exclude: z
      .array(pattern)
      .default([])
      .meta({ description: 'entries to leave out, with all below them', examples: [['**/*.md']] }),
    ...ownership,
    umask: z
      .string()
      .regex(/^0?[0-7]{3}$/, 'must be an octal umask such as 022')
      .default('022')
      .transform((mask) => mask.padStart(4, '0').slice(1))
      .refine((mask) => /^0[0-7]{2}$/.test(mask), 'must not take rights from the owner')
      .meta({ description: 'permissions that no entry gets: 022 gives files 644, or 755 if the archive has them executable' }),
    delete: z
      .boolean()
      .default(false)
      .meta({ description: 'delete what is in the directory and not in the archive; by default it stays, also with a new version' }),
    maxUnpackedBytes: z
      .int()
      .positive()
      .default(4 * 2 ** 30)
      .meta({ description: 'limit of the unpacked content in bytes, default 4 GiB' }),
  })
  .superRefine((spec, context) => {
    const issue = (path: string, message: string): void => context.addIssue({ code: 'custom', path: [path], message })
    if (spec.content !== undefined && (spec.url !== undefined || spec.sha256 !== undefined))
      issue('content', 'must be left out beside url and sha256')
    if (spec.content === undefined) checkSource(spec, context)
    const isNamed = formatOf(spec) !== undefined
    if (spec.state === 'present' && !isNamed && (spec.content !== undefined || spec.url !== undefined))
      issue('format', `must be set, because the name of the archive ends in none of .${formats.join(', .')}`)
  })
  .transform((spec) => {
    const sha256 = spec.content?.sha256 ?? spec.sha256
    const { strip, include, exclude, owner, group, umask } = spec
    const format = formatOf(spec) ?? 'tar'
    // Another digest replaces the tree, so what decides its content is part of it.
    const head = sha256Hex(JSON.stringify([1, sha256, format, strip, include, exclude, owner, group, umask]))
    return { ...withSource({ ...spec, sha256 }), format, head }
  })

const formatOf = ({
  format,
  url,
  content,
}: {
  readonly format?: Format | undefined
  readonly url?: string | undefined
  readonly content?: LocalFile | undefined
}): Format | undefined => {
  const name = content?.path ?? (url !== undefined && URL.canParse(url) ? new URL(url).pathname : '')
  return format ?? FORMATS.find(([pattern]) => pattern.test(name.toLowerCase()))?.[1]
}

export type ArchiveSpec = z.output<typeof schema>

/** Whether entries of others stay in the directory, so they are not observed. */
export const keepsOthers = (spec: ArchiveSpec): boolean => spec.state === 'present' && !spec.delete

export interface ArchiveState {
  readonly inode: InodeState
  readonly tree: TreeState
  /** Whether an earlier run was interrupted while it unpacked or deleted. */
  readonly staged: boolean
}
