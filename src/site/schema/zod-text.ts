import type { z } from 'zod'
import { isSecret, MASK } from '../../secret/secret.ts'
import { shownText } from '../../shown-name.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** Fix for a secret in an option that accepts no secret. */
export const NO_SECRET = `use \${env:NAME:plain} for a value that is not secret, or write the value itself`

/** Returns the fix for a value of the wrong type, or undefined if the value does not suggest one. `written` is its text in the file. */
export const typeFix = (expected: string, value: unknown, written?: string): string | undefined => {
  if (isSecret(value)) return NO_SECRET
  if (value === null) return nullFix(value)
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return `put it in quotes: '${written ?? value}'`
  if (expected === 'boolean' && typeof value === 'string' && /^(y|yes|on|no|n|off)$/i.test(value))
    return `write ${/^(y|yes|on)$/i.test(value) ? 'true' : 'false'}`
  if ((expected === 'number' || expected === 'int') && typeof value === 'string' && /^(0|-?[1-9][0-9]{0,14})$/.test(value))
    return `write ${value} without quotes`
  if (expected === 'object' || expected === 'record') return 'write indented `key: value` lines below it'
  return undefined
}

/** Returns the fix for a key without a value. */
export const nullFix = (value: unknown): string | undefined => (value === null ? 'add a value, or remove the line' : undefined)

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'empty',
}

/** Returns the name of a type in messages. */
export const typeName = (expected: string): string => TYPES[expected] ?? expected

/** Formats a value for a message, a number as it is written in the file. Masks secrets, truncates long text and escapes control characters. */
export const formatted = (value: unknown, written?: string): string => {
  if (isSecret(value)) return `a secret (${MASK})`
  if (value === null) return 'empty'
  if (typeof value === 'string') return JSON.stringify(shownText(value))
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : (written ?? String(value))
}

/** Whether a message shows the value itself. */
export const isShort = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value) || isSecret(value)

/** Whether the schema's author wrote the message. Messages of zod begin with `Invalid` or `Too`. */
export const isCustomMessage = (issue: Issue): boolean => !/^(Invalid|Too) /.test(issue.message)

/** Returns the constraint that a value violates. */
export const boundsOf = (issue: Issue): string => {
  if (issue.code === 'too_small')
    return `must ${sizeText(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)}`
  if (issue.code === 'too_big') return `must ${sizeText(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)}`
  if (issue.code === 'not_multiple_of') return `must be a multiple of ${issue.divisor}`
  if (issue.code === 'invalid_format')
    return issue.format === 'regex' ? 'has an invalid format' : `is not a valid ${FORMATS[issue.format] ?? issue.format}`
  return 'is not allowed'
}

const FORMATS: Readonly<Record<string, string>> = {
  url: 'URL',
  email: 'e-mail address',
  ipv4: 'IPv4 address',
  ipv6: 'IPv6 address',
  cidrv4: 'IPv4 network',
  cidrv6: 'IPv6 network',
}

const sizeText = (origin: string, relation: string, bound: number | bigint): string => {
  if (origin === 'string') return `be ${relation} ${bound} ${bound === 1 ? 'character' : 'characters'} long`
  return origin === 'array' || origin === 'set'
    ? `have ${relation} ${bound} ${bound === 1 ? 'entry' : 'entries'}`
    : `be ${relation} ${bound}`
}

/** Returns the fix if the schema has none. */
export const boundsFix = (issue: Issue, name: string): string => {
  if (isCustomMessage(issue)) return `correct ${name}`
  if (issue.code === 'too_small') return sizeFix(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
  if (issue.code === 'too_big') return sizeFix(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
  if (issue.code === 'not_multiple_of') return `write a multiple of ${issue.divisor}`
  const format = issue.code === 'invalid_format' ? FORMATS[issue.format] : undefined
  return format === undefined ? `correct ${name}` : `write a valid ${format}`
}

const sizeFix = (origin: string, relation: string, bound: number | bigint): string => {
  if (origin === 'string') return `write ${relation} ${bound} ${bound === 1 ? 'character' : 'characters'}`
  return origin === 'array' || origin === 'set'
    ? `list ${relation} ${bound} ${bound === 1 ? 'entry' : 'entries'}`
    : `write a number of ${relation} ${bound}`
}

/** Whether the option is a secret (`secret()`). Messages must not show its value then. */
export const isAboutSecret = (issue: Issue): boolean => paramsOf(issue)?.secret === true

/** Returns the fix of the schema's author: `refine(…, { error, params: { fix } })`. */
export const fixIn = (issue: Issue): string | undefined => {
  const fix = paramsOf(issue)?.fix
  return typeof fix === 'string' ? fix : undefined
}

const paramsOf = (issue: Issue): Readonly<Record<'fix' | 'secret', unknown>> | undefined =>
  'params' in issue ? (issue.params as Readonly<Record<'fix' | 'secret', unknown>> | undefined) : undefined

/** Returns a path as text: `certificates[0].names`. */
export const nameOf = (path: Path): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${shownText(String(step))}`)).join('')

/** Returns the value at a path. */
export const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
        ? (inner as Readonly<Record<PropertyKey, unknown>>)[step]
        : undefined,
    value,
  )

export const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1)
