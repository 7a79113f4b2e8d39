import type { z } from 'zod'
import { isSecret, MASK } from '../../secret/secret.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** What to do where a secret is not taken. */
export const NO_SECRET = `use \${env:NAME:plain} for a value that is no secret, or write it as it is`

/** What to write instead of a value of the wrong type, where that can be told from the value. */
export const typeFix = (expected: string, value: unknown): string | undefined => {
  if (isSecret(value)) return NO_SECRET
  if (value === null) return nullFix(value)
  if (expected === 'string' && (typeof value === 'number' || typeof value === 'boolean')) return `put it in quotes: '${value}'`
  if (expected === 'boolean' && typeof value === 'string' && /^(y|yes|on|no|n|off)$/i.test(value))
    return `write ${/^(y|yes|on)$/i.test(value) ? 'true' : 'false'}`
  if ((expected === 'number' || expected === 'int') && typeof value === 'string' && /^-?[0-9]+$/.test(value))
    return `write ${value} without quotes`
  if (expected === 'object' || expected === 'record') return 'write `key: value` lines below it, indented'
  if (expected === 'array' && !(typeof value === 'object')) return `write a list: [${shown(value)}]`
  return undefined
}

/** What to do about a key with nothing after it. */
export const nullFix = (value: unknown): string | undefined => (value === null ? 'give it a value, or remove the line' : undefined)

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a map',
  record: 'a map',
  null: 'nothing',
}

/** A type as people call it. */
export const typeName = (expected: string): string => TYPES[expected] ?? expected

/** A value in a message. Secrets stay hidden, long texts are cut, control characters are spelt out. */
export const shown = (value: unknown): string => {
  if (isSecret(value)) return `a secret (${MASK})`
  if (value === null) return 'nothing'
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a map' : String(value)
}

/** Whether a value fits into a message. */
export const isShort = (value: unknown): boolean => ['string', 'number', 'boolean'].includes(typeof value) || isSecret(value)

/** Whether an author wrote the message: zod's own English is recognised by its first word. */
export const isOwnWords = (issue: Issue): boolean => !/^(Invalid|Too) /.test(issue.message)

/** What a value must be, by the bound it broke. */
export const boundsOf = (issue: Issue): string => {
  if (issue.code === 'too_small') return `must ${sized(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)}`
  if (issue.code === 'too_big') return `must ${sized(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)}`
  if (issue.code === 'not_multiple_of') return `must be a multiple of ${issue.divisor}`
  if (issue.code === 'invalid_format')
    return issue.format === 'regex' ? 'is not written as it should be' : `is not a valid ${FORMATS[issue.format] ?? issue.format}`
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

const sized = (origin: string, relation: string, bound: number | bigint): string => {
  if (origin === 'string') return `be ${relation} ${bound} characters long`
  return origin === 'array' || origin === 'set'
    ? `have ${relation} ${bound} ${bound === 1 ? 'entry' : 'entries'}`
    : `be ${relation} ${bound}`
}

/** The remedy where the schema gives none. */
export const boundsFix = (issue: Issue, name: string): string =>
  isOwnWords(issue) ? `correct ${name}` : `change ${name}: it ${boundsOf(issue)}`

/** Whether the value shall be a secret (`secret()`): then no message may show what was written instead. */
export const isAboutSecret = (issue: Issue): boolean => paramsOf(issue)?.secret === true

/** The remedy that the schema's author wrote: `refine(…, { error, params: { fix } })`. */
export const fixIn = (issue: Issue): string | undefined => {
  const fix = paramsOf(issue)?.fix
  return typeof fix === 'string' ? fix : undefined
}

const paramsOf = (issue: Issue): Readonly<Record<'fix' | 'secret', unknown>> | undefined =>
  'params' in issue ? (issue.params as Readonly<Record<'fix' | 'secret', unknown>> | undefined) : undefined

/** `certificates[0].names`, as one would say it. */
export const nameOf = (path: Path): string =>
  path.map((step, i) => (typeof step === 'number' ? `[${step}]` : `${i === 0 ? '' : '.'}${String(step)}`)).join('')

/** What was written at a path. */
export const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (inner, step) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
        ? (inner as Readonly<Record<PropertyKey, unknown>>)[step]
        : undefined,
    value,
  )

export const lowerFirst = (text: string): string => text.slice(0, 1).toLowerCase() + text.slice(1)
