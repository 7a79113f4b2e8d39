import { z } from 'zod'
import type { LocalFile } from '../kind/content.ts'
import type { InodeState } from '../kind/inode.ts'
import { absolutePath, fileMode, ownership } from '../kind/path.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { matches } from './pattern.ts'

const relativePath = z
  .string()
  .regex(/^[^/\p{Cc}]+(\/[^/\p{Cc}]+)*$/u, 'must be a path within the tree, without control characters')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')

const pattern = z
  .string()
  .regex(/^[^/\p{Cc}]([^\p{Cc}]*[^/\p{Cc}])?$/u, 'must be a path in the tree, without a slash at its ends; * and ** are wildcards')

const permissions = fileMode.refine((mode) => Number.parseInt(mode, 8) < 0o1000, 'must be permissions only, such as 644')

const isLocal = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

/** More files than a run compares one by one in reasonable time. */
const MAX_FILES = 5000

export const treeSchema = z
  .strictObject({
    path: absolutePath
      .refine((path) => path.lastIndexOf('/') > 0, 'must not be a directory at the root')
      .meta({ description: 'the directory on the host; the directory above is a separate resource', examples: ['/etc/shop'] }),
    files: z
      .array(z.object({ path: relativePath, content: z.custom<LocalFile>(isLocal, 'must be a file of the project') }))
      .register(yamlForms, { form: 'files' })
      .default([])
      .meta({ description: 'the files, from `context.files`' }),
    ...ownership,
    mode: permissions
      .default('644')
      .meta({ description: 'mode of the files; an executable file can be executed by those who can read it' }),
    directoryMode: fileMode.default('755').meta({ description: 'mode of the directories' }),
    executable: z
      .array(pattern)
      .optional()
      .meta({ description: 'files that are executable; default: those that are in the project', examples: [['bin/*']] }),
    exclude: z
      .array(pattern)
      .default([])
      .meta({
        description: 'entries to leave alone, with all below them: neither copied nor deleted',
        examples: [['uploads', '**/*.log']],
      }),
    delete: z.boolean().default(false).meta({ description: 'delete what is in the directory and not in the project' }),
  })
  .transform(({ files, exclude, ...rest }) => ({ ...rest, exclude, files: files.filter(({ path }) => !matches(exclude, path)) }))
  .refine(({ files }) => files.length <= MAX_FILES, {
    message: `must not have more than ${MAX_FILES} files: use a release or an archive`,
    path: ['files'],
  })

export type TreeOptions = z.output<typeof treeSchema>

/** What is in a directory beside the declared files and directories. */
export const contentsSchema = z.strictObject({
  path: absolutePath,
  /** Declared files with their digests, by path within the directory. */
  files: z.array(z.object({ path: z.string(), sha256: z.string() })),
  exclude: z.array(pattern),
  delete: z.boolean(),
})

export type ContentsSpec = z.output<typeof contentsSchema>

/** An entry on a host: its path within the directory, and what `describe` of the manifest prints about it: `f 644 0 0 12 1795454103`. */
export interface Entry {
  readonly path: string
  readonly description: string
}

export interface ContentsState {
  readonly inode: InodeState
  /** Entries in their order, without hidden and excluded ones. */
  readonly entries: readonly Entry[]
  /** Entries that are left alone, and so the directories above them: hidden, excluded and special ones. */
  readonly kept: readonly string[]
  /** There are more entries than are listed. */
  readonly isCut: boolean
}
