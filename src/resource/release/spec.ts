import { z } from 'zod'
import { type LocalFile, sha256Hex } from '../kind/content.ts'
import { absolutePath } from '../kind/path.ts'

const relativePath = z
  .string()
  .regex(/^[^/\p{Cc}]+(\/[^/\p{Cc}]+)*$/u, 'must be a path within the release, without control characters')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')

export const schema = z
  .strictObject({
    root: absolutePath.meta({ description: 'holds `releases`, and `current`, which points to the live one; a directory declared before' }),
    files: z
      .array(z.object({ path: relativePath, content: z.custom<LocalFile>((value) => isLocal(value), 'must be a file of the project') }))
      .default([])
      .meta({ description: 'what `files` of the context gives' }),
    keep: z.int().min(2).max(100).default(5).meta({ description: 'how many releases are kept' }),
    which: z.enum(['latest', 'previous']).default('latest').meta({ description: '`previous`: the one before the newest deployment' }),
  })
  .transform((options) => {
    // As `sha256sum -c` reads it: the host can prove a release that lies there without us.
    const sums = options.files.map(({ path, content }) => `${content.sha256}  ${path}\n`).join('')
    return { ...options, sums, digest: sha256Hex(sums) }
  })

const isLocal = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

export type ReleaseSpec = z.output<typeof schema>
