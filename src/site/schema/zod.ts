import { z } from 'zod'
import type { Problem, Where } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import { shownName } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'
import type { LocatedValue } from '../source/source-map.ts'
import { list, nearest, suggestion } from '../source/suggest.ts'
import { punycodeOf } from './punycode.ts'
import { accepts, hintAt, keysAt } from './schema-at.ts'
import {
  boundsFix,
  boundsOf,
  fixIn,
  formatted,
  isAboutSecret,
  isCustomMessage,
  isShort,
  lowerFirst,
  NO_SECRET,
  nameOf,
  nullFix,
  typeFix,
  typeName,
  valueAt,
} from './zod-text.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** The value to check, the schema for suggestions, and the name in messages (`role nginx`). */
interface Subject {
  readonly located: LocatedValue
  readonly schema: z.core.$ZodType | undefined
  readonly label: string
}

/** A valid value, or its problems. */
export type Checked<T> = { readonly value: T; readonly problems?: undefined } | { readonly problems: readonly Problem[] }

/** Checks a value against a schema. */
export const checkOptions = <T>(schema: z.ZodType<T>, located: LocatedValue, label: string): Checked<T> => {
  const result = schema.safeParse(located.value)
  return result.success ? { value: result.data } : { problems: zodProblems(result.error, located, label, schema) }
}

/** Returns zod's issues as problems with source positions. With a schema, misspelt options get a suggestion. */
export const zodProblems = (
  error: Pick<z.core.$ZodError, 'issues'>,
  located: LocatedValue,
  label: string,
  schema?: z.core.$ZodType,
): readonly Problem[] =>
  error.issues.flatMap((issue) => problemsOf(issue, [], { located, schema, label })).toSorted((a, b) => lineOf(a) - lineOf(b))

const lineOf = ({ where }: Problem): number => ('file' in where ? (where.line ?? 0) : 0)

const problemsOf = (issue: Issue, above: Path, subject: Subject): readonly Problem[] => {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, path, subject))
  if (issue.code === 'invalid_union') return unionProblems(issue, path, subject)
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element')
    return issue.issues.flatMap((inner) => keyProblems(inner, path, subject))
  const { what, fix } = explain(issue, path, subject)
  return [inputProblem(subject.located.whereOf(path), what, fix)]
}

const unknownKey = (key: string, path: Path, { located, schema, label }: Subject): Problem => {
  const known = keysAt(schema, path)
  const inside = path.length === 0 ? label : `\`${nameOf(path)}\` of ${label}`
  return inputProblem(
    located.whereOf([...path, key], 'key'),
    `unknown option \`${shownName(key)}\` in ${inside}`,
    suggestion(key, known, 'remove it'),
  )
}

const keyProblems = (issue: Issue, path: Path, { located }: Subject): readonly Problem[] => [
  inputProblem(
    located.whereOf(path, 'key'),
    `key \`${nameOf(path.slice(-1))}\` ${lowerFirst(issue.message)}`,
    fixIn(issue) ?? 'use another key',
  ),
]

/** Returns the author's message for the union, else the problems of the closest alternative, else the list of expected types. */
const unionProblems = (issue: Extract<Issue, { code: 'invalid_union' }>, path: Path, subject: Subject): readonly Problem[] => {
  if (isCustomMessage(issue) && typeof valueAt(subject.located.value, path) === 'string') {
    const { what, fix } = explain(issue, path, subject)
    return [inputProblem(subject.located.whereOf(path), what, fix)]
  }
  const types = optionsOf(issue)
  if (types.length > 0) {
    const { what, fix } = constantExplanation(types, path, subject)
    return [inputProblem(subject.located.whereOf(path), what, fix)]
  }
  const branches = issue.errors.filter((errors) => !errors.some((inner) => inner.path.length === 0 && inner.code === 'invalid_type'))
  const [closest] = branches.toSorted((a, b) => a.length - b.length || depth(b) - depth(a))
  const value = valueAt(subject.located.value, path)
  // A constant beside other types, such as `false` or a map: text may be a misspelt constant, another value is listed with the types.
  const isConstant = typeof value !== 'string' && branches.length < issue.errors.length && closest?.every(isOtherConstant)
  if (closest !== undefined && isConstant !== true) return closest.flatMap((inner) => problemsOf(inner, path, subject))
  const expected = issue.errors.flatMap((errors) =>
    errors.flatMap((inner) => {
      if (inner.code === 'invalid_value') return inner.values.map((one) => `\`${String(one)}\``)
      return inner.code === 'invalid_type' ? [typeName(inner.expected)] : []
    }),
  )
  const where = subject.located.whereOf(path)
  if (value === undefined) return [missing(where, path, subject)]
  const allowed = expected.length === 0 ? 'another value' : [...new Set(expected)].join(' or ')
  const fix = isSecret(value) ? NO_SECRET : (nullFix(value) ?? `write ${allowed}`)
  return [inputProblem(where, `\`${nameOf(path)}\` must be ${allowed}, not ${formatted(value, subject.located.writtenAt?.(path))}`, fix)]
}

/** Returns the allowed values of the option by which a map chooses one of several shapes, such as `type`. */
const optionsOf = (issue: Issue): readonly unknown[] => ('options' in issue && Array.isArray(issue.options) ? issue.options : [])

const isOtherConstant = ({ path, code }: Issue): boolean => path.length === 0 && code === 'invalid_value'

const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length))

interface Explanation {
  readonly what: string
  readonly fix: string
}

const explain = (issue: Issue, path: Path, subject: Subject): Explanation => {
  const name = path.length === 0 ? subject.label : `\`${nameOf(path)}\``
  const value = valueAt(subject.located.value, path)
  const written = subject.located.writtenAt?.(path)
  const shown = formatted(value, written)
  if (issue.code === 'invalid_type') {
    if (value === undefined) return missingExplanation(path, subject)
    return {
      what: `${name} must be ${typeName(issue.expected)}, not ${shown}`,
      fix:
        typeFix(issue.expected, value, written) ??
        listFix(issue.expected, path, subject) ??
        hintFix(path, subject, `write ${typeName(issue.expected)}`),
    }
  }
  if (issue.code === 'invalid_value') return constantExplanation(issue.values, path, subject)
  if (value === undefined && isAboutSecret(issue)) return missingSecret(path, subject)
  const constraint = isCustomMessage(issue) ? issue.message : boundsOf(issue)
  return {
    what: isShort(value) && !isAboutSecret(issue) ? `${name}: ${shown} ${constraint}` : `${name} ${constraint}`,
    fix: punycodeFix(issue, value, path, subject) ?? fixIn(issue) ?? hintFix(path, subject, boundsFix(issue, name)),
  }
}

/** Returns the fix for a value in place of a list: the list that contains it, if it is a valid entry, else the options of an entry. */
const listFix = (expected: string, path: Path, { located, schema }: Subject): string | undefined => {
  const value = valueAt(located.value, path)
  if (expected !== 'array' || isSecret(value)) return undefined
  const entry = [...path, 0]
  if (accepts(schema, entry, value))
    return typeof value === 'object'
      ? 'write a list: begin the entry with a dash and a space'
      : `write a list: [${formatted(value, located.writtenAt?.(path))}]`
  const options = keysAt(schema, entry)
  return options.length === 0 ? undefined : `write a list; options of an entry are ${list(options)}`
}

const constantExplanation = (constants: readonly unknown[], path: Path, subject: Subject): Explanation => {
  const value = valueAt(subject.located.value, path)
  const values = constants.map(String)
  const allowed = values.map((each) => `\`${each}\``).join(' or ')
  if (value === undefined) {
    const { what, fix } = missingExplanation(path, subject)
    return { what, fix: exampleAt(path, subject) === undefined ? `add \`${String(path.at(-1))}: …\`, one of ${allowed}` : fix }
  }
  const near = typeof value === 'string' ? nearest(value, values) : undefined
  const fix = isSecret(value) ? NO_SECRET : (nullFix(value) ?? `write ${values.length === 1 ? `\`${values[0]}\`` : 'one of these values'}`)
  return {
    what: `\`${nameOf(path)}\` must be ${allowed}, not ${formatted(value, subject.located.writtenAt?.(path))}`,
    fix: near === undefined ? fix : `did you mean \`${near}\`?`,
  }
}

/** Returns the fix for an internationalized host name, if the option accepts it in ASCII. */
const punycodeFix = (issue: Issue, value: unknown, path: Path, { schema }: Subject): string | undefined => {
  const ascii = typeof value === 'string' && !isAboutSecret(issue) ? punycodeOf(value) : undefined
  return ascii !== undefined && accepts(schema, path, ascii) ? `write the name in punycode: ${ascii}` : undefined
}

const missing = (where: Where, path: Path, subject: Subject): Problem => {
  const { what, fix } = missingExplanation(path, subject)
  return inputProblem(where, what, fix)
}

const missingExplanation = (path: Path, subject: Subject): Explanation => {
  const { description } = hintAt(subject.schema, path, z.globalRegistry)
  const key = String(path.at(-1) ?? '')
  return {
    what: `\`${nameOf(path)}\` is missing in ${subject.label}`,
    fix: `add \`${key}: ${exampleAt(path, subject) ?? '…'}\`${description === undefined ? '' : ` (${description})`}`,
  }
}

const missingSecret = (path: Path, subject: Subject): Explanation => {
  const { what, fix } = missingExplanation(path, subject)
  return { what, fix: exampleAt(path, subject) === undefined ? fix.replace('…', `\${secret:NAME}`) : fix }
}

/** Returns the example of an option, or else the general fix, with the description of the option. */
const hintFix = (path: Path, subject: Subject, general: string): string => {
  const { description } = hintAt(subject.schema, path, z.globalRegistry)
  const example = exampleAt(path, subject)
  const fix = example === undefined ? general : `write, for example, ${example}`
  return description === undefined ? fix : `${fix} (${description})`
}

const exampleAt = (path: Path, { schema }: Subject): string | undefined => {
  const { example } = hintAt(schema, path, z.globalRegistry)
  return example === undefined ? undefined : typeof example === 'string' ? example : JSON.stringify(example)
}
