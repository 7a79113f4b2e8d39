import { z } from 'zod'
import type { InodeState } from '../kind/inode.ts'
import { absolutePath, fileMode, ownership } from '../kind/path.ts'
import { checkSource, sourceOptions, withSource } from './source.ts'

export const schema = z
  .strictObject({
    path: absolutePath.meta({
      description: 'path of the file on the host; its directory is a separate resource',
      examples: ['/usr/local/bin/tool'],
    }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent` deletes the file' }),
    mode: fileMode.default('644').meta({ description: 'octal mode' }),
    owner: ownership.owner.meta({ description: 'user that owns the file' }),
    group: ownership.group.meta({ description: 'group of the file' }),
    ...sourceOptions,
  })
  .superRefine(checkSource)
  .transform(withSource)

export type DownloadSpec = z.output<typeof schema>

/** The state of a file that is downloaded. Only regular files have a digest. */
export type DownloadState = InodeState & { readonly sha256?: string }
