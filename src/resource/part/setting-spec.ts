import { z } from 'zod'
import { contentOption } from '../file/spec.ts'
import { asContent, type Content, hasSecret, isKnown, shownText } from '../kind/content.ts'
import { deleted, type EditResult, inserted, replaced, unchanged } from './edit.ts'
import { common, isOneLine, revealed } from './options.ts'
import { asIn, splice, type TextFile } from './text.ts'

/** How a file writes its settings. */
interface Format {
  /** The text between key and value. */
  readonly separator: string
  /** The separators that it reads: a class of characters. Blanks around it are part of the separator. */
  readonly reads: string
  readonly comments: string
  readonly ignoresCase?: true
  /** A line that begins a section. */
  readonly header: RegExp | undefined
}

const INI_HEADER = /^\s*\[(.*)\]\s*$/

const FORMATS: Readonly<Record<'ini' | 'sshd' | 'shell' | 'colon', Format>> = {
  ini: { separator: ' = ', reads: '=', comments: '#;', header: INI_HEADER },
  // sshd_config(5): keywords ignore case. What follows Match or Host is valid for some connections only.
  sshd: { separator: ' ', reads: '=', comments: '#', ignoresCase: true, header: /^\s*((?:match|host)\s.*)$/i },
  shell: { separator: '=', reads: '=', comments: '#', header: undefined },
  colon: { separator: ': ', reads: ':', comments: '#', header: undefined },
}

const oneLine = z.string().refine(isOneLine, 'must be one line')

const options = z.strictObject({
  ...common,
  key: oneLine
    .refine((key) => key.trim() === key && key !== '', 'must not begin or end with a space')
    .meta({ description: 'the name of the setting', examples: ['vm.swappiness', 'PermitRootLogin', 'innodb_buffer_pool_size'] }),
  value: z
    .union([z.number(), z.boolean(), contentOption])
    .optional()
    .transform((value) => (value === undefined ? undefined : asContent(typeof value === 'object' ? value : String(value))))
    .refine(
      (content) => content === undefined || (content.type === 'text' && isKnown(content)),
      'must be text that is known before the run',
    )
    .refine(
      (content) => content === undefined || !isKnown(content) || isOneLine(revealed(content)),
      'must be one line without control characters',
    )
    .meta({
      description: 'the value, as the file has it: with the quotes that its reader needs',
      examples: ['10', 'no', '"quiet splash"'],
    }),
  section: oneLine.optional().meta({
    description: 'the section of the setting; it is created if the file does not have it. Default: before the first section',
    examples: ['mysqld'],
  }),
  format: z.enum(['ini', 'sshd', 'shell', 'colon']).default('ini').meta({
    description:
      'how the file writes settings. ini: `key = value` in `[section]`, comments with # and ; (also sysctl.conf and my.cnf). sshd: `Key value`, without regard to case, sections begin with Match or Host. shell: `KEY=value` (/etc/default). colon: `key: value`',
  }),
  separator: oneLine
    .refine((text) => /^\s*([=:]\s*)?$/.test(text) && text !== '', 'must be blanks, with at most one = or :')
    .optional()
    .meta({ description: 'text between key and value of a new line; a line that exists keeps its own', examples: ['='] }),
  state: z
    .enum(['present', 'absent'])
    .default('present')
    .meta({ description: '`absent` deletes the setting; a commented-out default stays' }),
})

export const schema = options
  .refine(({ state, value }) => state === 'absent' || value !== undefined, {
    message: 'must be given, unless state is absent',
    path: ['value'],
  })
  .refine(({ section, format }) => section === undefined || FORMATS[format].header !== undefined, {
    message: 'must not be given for this format, which has no sections',
    path: ['section'],
  })
  .refine(({ key, format }) => !FORMATS[format].comments.includes(key[0] ?? ''), {
    message: 'must not begin with a comment',
    path: ['key'],
  })
  .transform((spec) => ({ ...spec, part: 'setting' as const, secret: spec.value !== undefined && hasSecret(spec.value) }))

export type SettingSpec = z.output<typeof schema>

/** Returns the identity: the path with section and key. */
export const settingId = ({ path, section, key, format }: SettingSpec): string => {
  const name = FORMATS[format].ignoresCase === true ? key.toLowerCase() : key
  return `${path}#${section === undefined ? '' : `[${section}] `}${name}`
}

const separatorOf = ({ separator, format }: SettingSpec): string => separator ?? FORMATS[format].separator
const textOf = (content: Content | undefined): string => (content === undefined ? '' : revealed(content))

/** Returns the setting for a plan, with secrets masked. */
export const shownSetting = (spec: SettingSpec): string | undefined =>
  spec.value === undefined ? undefined : `${spec.key}${separatorOf(spec)}${shownText(spec.value)}`

/** A line that has the key: what is before the value, and the value. */
interface Assignment {
  readonly index: number
  readonly before: string
  readonly value: string
  readonly isComment: boolean
}

/**
 * Edits a file as a setting declares it. All lines of the key in the section get the value, so it counts whether the first or the last one
 * wins. A new line follows the commented-out default, or the last line of the section.
 */
export const editSetting = (spec: SettingSpec, file: TextFile): EditResult => {
  const section = sectionIn(spec, file)
  if (section === undefined) return spec.state === 'absent' ? unchanged(file) : withSection(spec, file)
  const found = assignmentsIn(spec, file, section)
  const active = found.filter(({ isComment }) => !isComment)
  if (spec.state === 'absent')
    return deleted(
      file,
      active.map(({ index }) => index),
    )
  if (active.length === 0) return inserted(file, (found[0]?.index ?? lastLine(file, section) - 1) + 1, [newLine(spec, file)])
  const value = asIn(file, textOf(spec.value))
  const others = active.filter((one) => one.value !== value)
  const lines = others.map(
    ({ index, before }) => [index, `${before}${before.endsWith(spec.key) ? separatorOf(spec) : ''}${value}`] as const,
  )
  return replaced(file, new Map(lines))
}

const newLine = (spec: SettingSpec, file: TextFile): string => asIn(file, `${spec.key}${separatorOf(spec)}${textOf(spec.value)}`)

/** The lines of the section: from the first to after the last. Undefined if the file does not have the section. */
const sectionIn = ({ section, format }: SettingSpec, file: TextFile): readonly [number, number] | undefined => {
  const { header } = FORMATS[format]
  const headers = header === undefined ? [] : file.lines.flatMap(({ text }, i) => (header.test(text) ? [i] : []))
  if (section === undefined) return [0, headers[0] ?? file.lines.length]
  const wanted = asIn(file, section)
  const at = headers.find((i) => header?.exec(file.lines[i]?.text ?? '')?.[1]?.trim() === wanted)
  return at === undefined ? undefined : [at + 1, headers.find((i) => i > at) ?? file.lines.length]
}

/** The end of a section without its empty lines. */
const lastLine = ({ lines }: TextFile, [from, to]: readonly [number, number]): number => {
  const last = lines.slice(from, to).findLastIndex(({ text }) => text.trim() !== '')
  return from + last + 1
}

/** The file with the setting in a new section at its end. The header stays if the setting is undone: other settings may be in it. */
const withSection = (spec: SettingSpec, file: TextFile): EditResult => {
  const { section = '', format } = spec
  const header = asIn(file, format === 'sshd' ? section : `[${section}]`)
  const space = file.lines.length === 0 || file.lines.at(-1)?.text.trim() === '' ? [] : ['']
  const line = newLine(spec, file)
  return { file: splice(file, file.lines.length, 0, [...space, header, line]), pieces: [{ wrote: [line] }] }
}

const assignmentsIn = (spec: SettingSpec, file: TextFile, [from, to]: readonly [number, number]): readonly Assignment[] =>
  file.lines.slice(from, to).flatMap(({ text }, i) => {
    const found = assignmentOf(spec, asIn(file, spec.key), text)
    return found === undefined ? [] : [{ ...found, index: from + i }]
  })

/** Reads a line without a regular expression of its text: it can have any length. */
const assignmentOf = ({ format, separator }: SettingSpec, key: string, text: string): Omit<Assignment, 'index'> | undefined => {
  const { comments, ignoresCase, reads } = FORMATS[format]
  let at = blanksFrom(text, 0)
  const isComment = at < text.length && comments.includes(text[at] ?? '')
  while (isComment && at < text.length && (comments.includes(text[at] ?? '') || isBlank(text[at]))) at += 1
  const name = text.slice(at, at + key.length)
  if (ignoresCase === true ? name.toLowerCase() !== key.toLowerCase() : name !== key) return undefined
  const afterKey = at + key.length
  let start = blanksFrom(text, afterKey)
  const signs = `${reads}${separator?.trim() ?? ''}`
  const hasSign = start < text.length && signs.includes(text[start] ?? '')
  if (hasSign) start = blanksFrom(text, start + 1)
  const isEnd = start >= text.length
  const isByBlanks = (separator ?? FORMATS[format].separator).trim() === ''
  if (!hasSign && !isEnd && !(isByBlanks && start > afterKey)) return undefined
  // A comment is a commented-out default only if it has a value.
  if (isComment && isEnd) return undefined
  return { before: text.slice(0, isEnd && !hasSign ? afterKey : start), value: text.slice(start).trimEnd(), isComment }
}

const isBlank = (char: string | undefined): boolean => char === ' ' || char === '\t'
const blanksFrom = (text: string, from: number): number => {
  let at = from
  while (isBlank(text[at])) at += 1
  return at
}
