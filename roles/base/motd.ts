import { file, z } from 'provision'
import type { Part } from './part.ts'

export const motdOption = z
  .string()
  .regex(/^[^\p{Cc}]*(\n[^\p{Cc}]*)*$/u, 'must be text without control characters')
  .optional()
  .meta({
    description: 'text that people see after they logged in, in addition to that of the distribution',
    examples: ['Production. Changes are made by provision only.\n'],
  })

const PATH = '/etc/motd'

/** The message of the day. It replaces Debian's legal notice, which only a new installation restores. */
export const motd = (text: string | undefined): Part =>
  text === undefined ? {} : { files: [file({ path: PATH, content: text.endsWith('\n') ? text : `${text}\n` })] }
