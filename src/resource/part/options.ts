import { z } from 'zod'
import { checkCommand, configurationSet } from '../file/spec.ts'
import { bytesOf, type Content } from '../kind/content.ts'
import { absolutePath, fileMode, ownership } from '../kind/path.ts'
import { RegexpError } from './regexp/code.ts'
import { regexpOf } from './regexp/regexp.ts'

const NEVER_ASCII_CONTROL = /^[^\p{Cc}]*$/u

/** One line of text: no control character but the tab. */
export const isOneLine = (text: string): boolean => NEVER_ASCII_CONTROL.test(text.replaceAll('\t', ''))

/** A text with its secrets. */
export const revealed = (content: Content): string => Buffer.from(bytesOf(content)).toString()

/** A regular expression for one line. */
export const regexp = z
  .string()
  .min(1)
  .superRefine((source, context) => {
    const why = faultOf(source)
    // Checks of several options match with it, so none of them runs.
    if (why !== undefined) context.addIssue({ code: 'custom', continue: false, message: `must be a regular expression without ${why}` })
  })

const faultOf = (source: string): string | undefined => {
  if (!isOneLine(source)) return 'line ends: it is compared with one line at a time'
  try {
    regexpOf(source)
    return undefined
  } catch (error) {
    if (error instanceof RegexpError) return error.message
    throw error
  }
}

/** Options of every part of a file. */
export const common = {
  path: absolutePath.meta({ description: 'the file', examples: ['/etc/ssh/sshd_config'] }),
  create: z.boolean().default(false).meta({ description: 'create the file if it is missing; otherwise a missing file is an error' }),
  mode: fileMode.default('644').meta({ description: 'mode of a file that is created; an existing file keeps its own', examples: ['640'] }),
  owner: ownership.owner.meta({ description: 'owner of a file that is created; an existing file keeps its own' }),
  group: ownership.group.meta({ description: 'group of a file that is created; an existing file keeps its own' }),
  set: configurationSet.optional().meta({
    description: 'the set of files that the checker of a service validates together before any of them goes live, as for `file`',
  }),
  check: checkCommand.optional(),
}

/** Where a part is inserted if the file does not have it. */
export const place = {
  after: regexp
    .optional()
    .meta({ description: 'insert after the last line that matches this regular expression', examples: ['^\\[mysqld\\]'] }),
  before: regexp.optional().meta({ description: 'insert before the first line that matches this regular expression' }),
  at: z.enum(['begin', 'end']).optional().meta({ description: 'insert at the beginning or at the end of the file; default: the end' }),
}

export const ONE_PLACE = 'at most one of after, before and at can be given'

export const hasOnePlace = ({
  after,
  before,
  at,
}: {
  readonly after?: unknown
  readonly before?: unknown
  readonly at?: unknown
}): boolean => [after, before, at].filter((one) => one !== undefined).length <= 1
