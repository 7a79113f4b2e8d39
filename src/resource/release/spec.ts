import { z } from 'zod'
import { type LocalFile, sha256Hex } from '../kind/content.ts'
import { absolutePath } from '../kind/path.ts'
import { yamlForms } from '../option/yaml-form.ts'

const relativePath = z
  .string()
  .regex(/^[^/\p{Cc}]+(\/[^/\p{Cc}]+)*$/u, 'must be a path within the release, without control characters')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')

export const schema = z
  .strictObject({
    root: absolutePath.meta({ description: 'the directory of `releases` and of the link `current`; declare it before' }),
    files: z
      .array(z.object({ path: relativePath, content: z.custom<LocalFile>((value) => isLocal(value), 'must be a file of the project') }))
      .register(yamlForms, { form: 'files' })
      .default([])
      .meta({ description: 'the files, from `context.files`' }),
    keep: z.int().min(2).max(100).default(5).meta({ description: 'number of releases to keep' }),
    which: z
      .enum(['latest', 'previous'])
      .default('latest')
      .meta({ description: '`previous`: roll back to the release before the newest deployment' }),
  })
  .transform((options) => {
    // In the format of `sha256sum -c`, so the host can verify a release on its own.
    const sums = options.files.map(({ path, content }) => `${content.sha256}  ${path}\n`).join('')
    return { ...options, sums, digest: sha256Hex(sums) }
  })

const isLocal = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value && value.type === 'local'

export type ReleaseSpec = z.output<typeof schema>
