import { z } from 'zod'
import type { Problem, Where } from '../../problem.ts'
import { isSecret } from '../../secret/secret.ts'
import { complaint } from '../source/complaint.ts'
import type { WrittenOptions } from '../source/source-map.ts'
import { nearest, suggestion } from '../source/suggest.ts'
import { hintAt, keysAt } from './schema-at.ts'
import {
  boundsFix,
  boundsOf,
  fixIn,
  isAboutSecret,
  isOwnWords,
  isShort,
  lowerFirst,
  NO_SECRET,
  nameOf,
  nullFix,
  shown,
  typeFix,
  typeName,
  valueAt,
} from './zod-words.ts'

type Issue = z.core.$ZodIssue
type Path = readonly PropertyKey[]

/** What is being checked: the written value, the schema where suggestions come from, and what a person would call it (`role nginx`). */
interface Subject {
  readonly written: WrittenOptions
  readonly schema: z.core.$ZodType | undefined
  readonly whatFor: string
}

/** A checked value, or everything that is wrong with it. */
export type Checked<T> = { readonly value: T; readonly problems?: undefined } | { readonly problems: readonly Problem[] }

/** Checks a written value against a schema. */
export const checkOptions = <T>(schema: z.ZodType<T>, written: WrittenOptions, whatFor: string): Checked<T> => {
  const result = schema.safeParse(written.value)
  return result.success ? { value: result.data } : { problems: zodProblems(result.error, written, whatFor, schema) }
}

/** zod's issues as problems at the lines that caused them. With the schema, misspelt options get a suggestion. */
export const zodProblems = (
  error: z.core.$ZodError,
  written: WrittenOptions,
  whatFor: string,
  schema?: z.core.$ZodType,
): readonly Problem[] =>
  error.issues.flatMap((issue) => problemsOf(issue, [], { written, schema, whatFor })).toSorted((a, b) => lineOf(a) - lineOf(b))

const lineOf = ({ where }: Problem): number => ('file' in where ? (where.line ?? 0) : 0)

const problemsOf = (issue: Issue, above: Path, subject: Subject): readonly Problem[] => {
  const path = [...above, ...issue.path]
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey(key, path, subject))
  if (issue.code === 'invalid_union') return unionProblems(issue, path, subject)
  if (issue.code === 'invalid_key' || issue.code === 'invalid_element')
    return issue.issues.flatMap((inner) => keyProblems(inner, path, subject))
  const { what, fix } = explain(issue, path, subject)
  return [complaint(subject.written.whereOf(path), what, fix)]
}

const unknownKey = (key: string, path: Path, { written, schema, whatFor }: Subject): Problem => {
  const known = keysAt(schema, path)
  const inside = path.length === 0 ? whatFor : `\`${nameOf(path)}\` of ${whatFor}`
  return complaint(written.whereOf([...path, key], 'key'), `unknown option \`${key}\` in ${inside}`, suggestion(key, known, 'remove it'))
}

const keyProblems = (issue: Issue, path: Path, { written }: Subject): readonly Problem[] => [
  complaint(
    written.whereOf(path, 'key'),
    `the key \`${nameOf(path.slice(-1))}\` ${lowerFirst(issue.message)}`,
    fixIn(issue) ?? 'choose another key',
  ),
]

/** What the author says of all alternatives; else of these, what is wrong with the one that was most likely meant; where none came near, what there could be. */
const unionProblems = (issue: Extract<Issue, { code: 'invalid_union' }>, path: Path, subject: Subject): readonly Problem[] => {
  if (isOwnWords(issue) && typeof valueAt(subject.written.value, path) === 'string') {
    const { what, fix } = explain(issue, path, subject)
    return [complaint(subject.written.whereOf(path), what, fix)]
  }
  const branches = issue.errors.filter((errors) => !errors.some((inner) => inner.path.length === 0 && inner.code === 'invalid_type'))
  const [closest] = branches.toSorted((a, b) => a.length - b.length || depth(b) - depth(a))
  if (closest !== undefined) return closest.flatMap((inner) => problemsOf(inner, path, subject))
  const expected = issue.errors.flatMap((errors) =>
    errors.flatMap((inner) => (inner.code === 'invalid_type' ? [typeName(inner.expected)] : [])),
  )
  const where = subject.written.whereOf(path)
  const value = valueAt(subject.written.value, path)
  if (value === undefined) return [missing(where, path, subject)]
  const wanted = expected.length === 0 ? 'another value' : [...new Set(expected)].join(' or ')
  const fix = isSecret(value) ? NO_SECRET : (nullFix(value) ?? `write ${wanted}`)
  return [complaint(where, `\`${nameOf(path)}\` must be ${wanted}, not ${shown(value)}`, fix)]
}

const depth = (issues: readonly Issue[]): number => Math.max(0, ...issues.map((issue) => issue.path.length))

interface Words {
  readonly what: string
  readonly fix: string
}

const explain = (issue: Issue, path: Path, subject: Subject): Words => {
  const name = path.length === 0 ? subject.whatFor : `\`${nameOf(path)}\``
  const value = valueAt(subject.written.value, path)
  if (issue.code === 'invalid_type') {
    if (value === undefined) return missingWords(path, subject)
    return {
      what: `${name} must be ${typeName(issue.expected)}, not ${shown(value)}`,
      fix: typeFix(issue.expected, value) ?? hintFix(path, subject) ?? `write ${typeName(issue.expected)}`,
    }
  }
  if (issue.code === 'invalid_value') {
    if (value === undefined) return missingWords(path, subject)
    const values = issue.values.map(String)
    const near = typeof value === 'string' ? nearest(value, values) : undefined
    return {
      what: `${name} must be ${values.map((each) => `\`${each}\``).join(' or ')}, not ${shown(value)}`,
      fix: near === undefined ? `write ${values.length === 1 ? `\`${values[0]}\`` : 'one of these'}` : `did you mean \`${near}\`?`,
    }
  }
  const complain = isOwnWords(issue) ? issue.message : boundsOf(issue)
  return {
    what: isShort(value) && !isAboutSecret(issue) ? `${name}: ${shown(value)} ${complain}` : `${name} ${complain}`,
    fix: fixIn(issue) ?? hintFix(path, subject) ?? boundsFix(issue, name),
  }
}

const missing = (where: Where, path: Path, subject: Subject): Problem => {
  const { what, fix } = missingWords(path, subject)
  return complaint(where, what, fix)
}

const missingWords = (path: Path, subject: Subject): Words => {
  const { description } = hintAt(subject.schema, path, z.globalRegistry)
  const key = String(path.at(-1) ?? '')
  return {
    what: `\`${nameOf(path)}\` is missing in ${subject.whatFor}`,
    fix: `add \`${key}: ${exampleAt(path, subject) ?? '…'}\`${description === undefined ? '' : ` (${description})`}`,
  }
}

const hintFix = (path: Path, subject: Subject): string | undefined => {
  const { description } = hintAt(subject.schema, path, z.globalRegistry)
  const example = exampleAt(path, subject)
  if (description === undefined && example === undefined) return undefined
  if (description === undefined) return `write for instance ${example}`
  return `write ${description}${example === undefined ? '' : `, for instance ${example}`}`
}

const exampleAt = (path: Path, { schema }: Subject): string | undefined => {
  const { example } = hintAt(schema, path, z.globalRegistry)
  return example === undefined ? undefined : typeof example === 'string' ? example : JSON.stringify(example)
}
