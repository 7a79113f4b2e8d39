import { z } from 'zod'
import { contentOption } from '../file/spec.ts'
import { asContent, hasSecret, isKnown, sha256Hex, shownText } from '../kind/content.ts'
import { deleted, type Edited, type EditResult, inserted, replaced, unchanged } from './edit.ts'
import { common, hasOnePlace, isOneLine, ONE_PLACE, place, regexp, revealed } from './options.ts'
import { positionIn } from './place.ts'
import { type Match, regexpOf } from './regexp/regexp.ts'
import { asIn, type TextFile } from './text.ts'

/** A text of a role for one line: text, a secret, or a text with secrets. */
const lineText = contentOption
  .transform(asContent)
  .refine((content) => content.type === 'text' && isKnown(content), 'must be text that is known before the run')
  .refine(
    (content) => content.type !== 'text' || !isKnown(content) || isOneLine(revealed(content)),
    'must be one line without control characters',
  )

const options = z.strictObject({
  ...common,
  line: lineText.optional().meta({
    description: 'the whole line, without its end; with `backreferences`, \\1 and \\g<name> are groups of `regexp`',
    examples: ['127.0.1.1 web-01'],
  }),
  regexp: regexp.optional().meta({
    description:
      'the line to replace or to delete: a regular expression, searched in each line. Syntax of JavaScript and of Python, without lookarounds and backreferences',
    examples: ['^#?PermitRootLogin\\b'],
  }),
  contains: z
    .string()
    .min(1)
    .refine(isOneLine, 'must be a part of one line')
    .optional()
    .meta({ description: 'the line to replace or to delete: any line with this text', examples: ['pam_motd.so'] }),
  state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent` deletes every line that matches' }),
  occurrences: z
    .enum(['first', 'all'])
    .optional()
    .meta({ description: 'replace the first line that matches, or all; default: the first. `absent` deletes all, or the first' }),
  backreferences: z.boolean().default(false).meta({
    description: 'replace \\1 and \\g<name> in `line` by what groups of `regexp` matched; a line that does not match is not inserted',
  }),
  name: z
    .string()
    .regex(/^[^\p{Cc}]+$/u)
    .optional()
    .meta({ description: 'name of the resource, if neither `regexp` nor `line` can name it: a line with a secret' }),
  ...place,
})

type Options = z.output<typeof options>

/** A line with the groups of its expression. */
const withGroups = (line: string, match: Match): string =>
  line.replace(REFERENCE, (_, number: string | undefined, name: string | undefined) =>
    name === undefined
      ? (match.groups[Number(number)] ?? '')
      : /^\d+$/.test(name)
        ? (match.groups[Number(name)] ?? '')
        : (match.named.get(name) ?? ''),
  )

const REFERENCE = /\\(\d)|\\g<(\w+)>/g

/** A reference to a group that the expression does not have. */
const unknownGroup = ({ line, regexp: source, backreferences }: Options): string | undefined => {
  if (!backreferences || line === undefined || source === undefined) return undefined
  const { groups, names } = regexpOf(source)
  return [...revealed(line).matchAll(REFERENCE)].find(([, number, name = '']) => {
    const index = number ?? (/^\d+$/.test(name) ? name : undefined)
    return index === undefined ? !names.has(name) : Number(index) >= groups
  })?.[0]
}

const finds = ({ regexp: source, contains }: Pick<Options, 'regexp' | 'contains'>, text: string): boolean =>
  source === undefined ? contains !== undefined && text.includes(contains) : regexpOf(source).match(text) !== undefined

const isSearched = ({ regexp: source, contains }: Pick<Options, 'regexp' | 'contains'>): boolean =>
  source !== undefined || contains !== undefined

export const schema = options
  .refine(hasOnePlace, { message: ONE_PLACE, path: ['at'] })
  .refine(({ regexp: source, contains }) => source === undefined || contains === undefined, {
    message: 'must not be given with regexp',
    path: ['contains'],
  })
  .refine(({ state, line }) => state === 'absent' || line !== undefined, {
    message: 'must be given, unless state is absent',
    path: ['line'],
  })
  .refine((one) => one.state === 'present' || one.line !== undefined || isSearched(one), {
    message: 'must be given, or regexp or contains',
    path: ['line'],
  })
  .refine(({ backreferences, regexp: source, state }) => !backreferences || (source !== undefined && state === 'present'), {
    message: 'need regexp, and the state present',
    path: ['backreferences'],
  })
  .refine(
    (one) => one.state === 'absent' || one.backreferences || !isSearched(one) || one.line === undefined || finds(one, revealed(one.line)),
    {
      message: 'must match the new line too: otherwise every run would insert the line again',
      path: ['regexp'],
    },
  )
  .superRefine((one, context) => {
    const group = unknownGroup(one)
    if (group !== undefined)
      context.addIssue({ code: 'custom', path: ['line'], message: `must not refer to ${group}, a group that regexp does not have` })
  })
  .refine(
    ({ line, regexp: source, contains, name }) => line === undefined || !hasSecret(line) || (source ?? contains ?? name) !== undefined,
    {
      message: 'must be given for a line with a secret, which cannot name the resource',
      path: ['name'],
    },
  )
  .transform((spec) => ({ ...spec, part: 'line' as const, secret: spec.line !== undefined && hasSecret(spec.line) }))

export type LineSpec = z.output<typeof schema>

/** Returns the identity: the path with the name, or with what finds the line. */
export const lineId = ({ path, name, regexp: source, contains, line }: LineSpec): string =>
  `${path}#${shortened(name ?? source ?? contains ?? (line === undefined ? '' : revealed(line)))}`

const shortened = (text: string): string => (text.length <= MAX_NAME ? text : `${text.slice(0, MAX_NAME)}…${sha256Hex(text).slice(0, 8)}`)
const MAX_NAME = 80

/** Returns the line for a plan, with secrets masked. */
export const shownLine = ({ line }: LineSpec): string | undefined => (line === undefined ? undefined : shownText(line))

/** Edits a file as a line declares it. */
export const editLine = (spec: LineSpec, file: TextFile): EditResult =>
  spec.state === 'absent' ? deleteLines(spec, file) : putLine(spec, file)

const deleteLines = (spec: LineSpec, file: TextFile): Edited => {
  const whole = spec.line === undefined ? undefined : asIn(file, revealed(spec.line))
  const searched = searchIn(spec, file)
  const doomed = file.lines.flatMap(({ text }, i) => ((isSearched(spec) ? searched(text) : text === whole) ? [i] : []))
  return deleted(file, spec.occurrences === 'first' ? doomed.slice(0, 1) : doomed)
}

const searchIn = ({ regexp: source, contains }: LineSpec, file: TextFile): ((text: string) => boolean) => {
  const [pattern, part] = [source && asIn(file, source), contains && asIn(file, contains)]
  return (text) => finds({ regexp: pattern, contains: part }, text)
}

const putLine = (spec: LineSpec, file: TextFile): EditResult => {
  const line = asIn(file, spec.line === undefined ? '' : revealed(spec.line))
  const searched = searchIn(spec, file)
  const found = isSearched(spec) ? file.lines.flatMap(({ text }, i) => (searched(text) ? [[i, text] as const] : [])) : []
  const targets = spec.occurrences === 'all' ? found : found.slice(0, 1)
  if (targets.length > 0) return replaced(file, new Map(targets.map(([i, text]) => [i, replacementOf(spec, { file, line }, text)])))
  if (spec.backreferences || (!isSearched(spec) && file.lines.some(({ text }) => text === line))) return unchanged(file)
  const at = positionIn(file, spec)
  return typeof at === 'number' ? inserted(file, at, [line]) : at
}

/** The line in place of a text. With `backreferences`, it has the groups of its match. */
const replacementOf = (spec: LineSpec, { file, line }: { readonly file: TextFile; readonly line: string }, text: string): string => {
  const match = spec.backreferences && spec.regexp !== undefined ? regexpOf(asIn(file, spec.regexp)).match(text) : undefined
  return match === undefined ? line : withGroups(line, match)
}
