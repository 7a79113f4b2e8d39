import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import { asContent, type Content, hasSecret } from '../kind/content.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import { absolutePath, fileMode, ownership } from '../kind/path.ts'
import { yamlForms } from '../option/yaml-form.ts'

/** A set of files that the checker of the service validates together before any of them goes live. */
export const configurationSet = z.strictObject({
  /** Name of the set. The service that loads it uses the same name, to restore it. */
  name: z.string().regex(/^[a-z][a-z0-9-]*$/),
  /** The directory that holds all files of the set. */
  root: absolutePath,
  /** The checker and its arguments. It reads the new files at the paths of the live ones. */
  check: z.array(z.string()).min(1),
})

/** A checker of one file, and its arguments: `%s` becomes the path of a candidate copy. */
export const checkCommand = z
  .array(z.string().min(1))
  .min(1)
  .refine((words) => words.some((word) => word.includes('%s')), 'must have %s, which becomes the path of the candidate')
  .meta({
    description: 'a command that checks a candidate copy before it replaces the file; %s is the path of the copy',
    examples: [['visudo', '-cf', '%s']],
  })

/** The content of a file: text, a secret, or a text with secrets and later values. Undefined is no content. */
export const contentOption = z
  .custom<string | Secret | Content>((value) => typeof value === 'string' || isSecret(value) || isContent(value), 'must be text')
  .register(yamlForms, { form: 'content' })

const UNDEFINED = 'must be text: it is undefined; leave the option out for an empty file'

/** Returns an issue for an option `content` that is there and undefined. */
export const definedContent = (options: { readonly content?: unknown }): boolean => !('content' in options) || options.content !== undefined

export const schema = z
  .strictObject({
    path: absolutePath,
    content: contentOption.optional().meta({ description: 'the whole content; default: an empty file' }),
    state: z.enum(['present', 'absent']).default('present'),
    mode: fileMode.default('644'),
    ...ownership,
    set: configurationSet.optional(),
    check: checkCommand.optional(),
    overwrite: z
      .boolean()
      .default(true)
      .meta({ description: 'false: only create the file; one that exists stays as it is, with its content, mode and owner' }),
    keepMode: z.boolean().default(false).meta({ description: 'an existing file keeps its mode; `mode` is for a new one' }),
    keepOwner: z
      .boolean()
      .default(false)
      .meta({ description: 'an existing file keeps its owner and group; `owner` and `group` are for a new one' }),
    backups: z
      .int()
      .min(0)
      .max(100)
      .default(0)
      .meta({ description: 'number of replaced versions that the host keeps in /var/backups/provision', examples: [3] }),
  })
  .refine(({ overwrite, keepMode, keepOwner }) => overwrite || (!keepMode && !keepOwner), {
    message: 'must not be given with keepMode or keepOwner: it keeps both',
    path: ['overwrite'],
  })
  .refine(definedContent, { message: UNDEFINED, path: ['content'] })
  .transform(({ content, check, overwrite, keepMode, keepOwner, backups, ...rest }) => ({
    ...rest,
    content: asContent(content ?? ''),
    ...(content === undefined && rest.state === 'present' && overwrite && { hasNoContent: true as const }),
    ...(check !== undefined && { checks: [check] }),
    ...(!overwrite && { isOnlyCreated: true as const }),
    ...(keepMode && { keepsMode: true as const }),
    ...(keepOwner && { keepsOwner: true as const }),
    ...(backups > 0 && { backups }),
  }))
  .refine(({ path, set }) => set === undefined || path.startsWith(`${set.root}/`), 'must be below the root of its set')
  .refine(({ content, mode }) => !hasSecret(content) || !isWorldReadable(mode), {
    message: 'must not let every account read the file, because its content includes a secret: write 640 or 600',
    path: ['mode'],
  })
  .transform((spec): FileSpec => spec)

/** Whether every account of the host may read a file of this mode. */
export const isWorldReadable = (mode: string): boolean => (Number.parseInt(mode, 8) & 0o004) !== 0

const isContent = (value: unknown): boolean => typeof value === 'object' && value !== null && 'type' in value

/** The desired values of a file. */
export interface FileSpec {
  readonly path: string
  readonly content: Content
  readonly state: 'present' | 'absent'
  readonly mode: string
  readonly owner: string
  readonly group: string
  readonly set?: z.output<typeof configurationSet> | undefined
  /** Checkers of a candidate copy. */
  readonly checks?: readonly (readonly string[])[] | undefined
  /** The content was derived from the observed one: nothing else is replaced, also not what this run has made of it since. */
  readonly isDerived?: true
  /** A file that exists stays as it is. */
  readonly isOnlyCreated?: true
  /** A file that exists keeps its mode; its owner and group. */
  readonly keepsMode?: true
  readonly keepsOwner?: true
  /** The content is empty because none is declared: a file that has some is not emptied. */
  readonly hasNoContent?: true
  /** Number of replaced versions to keep. */
  readonly backups?: number
}

/** Returns the desired values where a file keeps some of the present ones. */
export const keeping = (spec: FileSpec, state: FileState): FileSpec => {
  if (state === ABSENT || state.type !== 'f') return spec
  const { mode, owner, group } = state
  return { ...spec, ...(spec.keepsMode && { mode }), ...(spec.keepsOwner && { owner, group }) }
}

/** A file on a host. Only regular files have a digest. */
export type FileState = InodeState & { readonly sha256?: string }
