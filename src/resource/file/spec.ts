import { z } from 'zod'
import { asContent, type Content } from '../kind/content.ts'
import type { InodeState } from '../kind/inode.ts'
import { absolutePath, fileMode, ownership } from '../kind/path.ts'

/** A set of files that the checker of the service validates together before any of them goes live. */
export const configurationSet = z.strictObject({
  /** Name of the set. The service that loads it uses the same name, to restore it. */
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** The directory that holds all files of the set. */
  root: absolutePath,
  /** The checker and its arguments. It reads the new files at the paths of the live ones. */
  check: z.array(z.string()).min(1),
})

export const schema = z
  .strictObject({
    path: absolutePath,
    content: z.custom<string | Content>((value) => typeof value === 'string' || isContent(value), 'must be text').default(''),
    state: z.enum(['present', 'absent']).default('present'),
    mode: fileMode.default('644'),
    ...ownership,
    set: configurationSet.optional(),
  })
  .transform(({ content, ...rest }) => ({ ...rest, content: asContent(content) }))
  .refine(({ path, set }) => set === undefined || path.startsWith(`${set.root}/`), 'must be below the root of its set')

const isContent = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value

export type FileSpec = z.output<typeof schema>

/** A file on a host. Only regular files have a digest. */
export type FileState = InodeState & { readonly sha256?: string }
