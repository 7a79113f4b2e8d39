import type { z } from 'zod'
import type { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { zodProblems } from '../../site/schema/zod.ts'
import { inputProblem } from '../../site/source/input-problem.ts'
import { entryOf, locatedValue, type SourceMap, type SourceNode } from '../../site/source/source-map.ts'
import { suggestion } from '../../site/source/suggest.ts'
import { ansibleOption, ansibleValue } from './ansible/options.ts'
import type { Declarable } from './entries.ts'
import { optionNames, projectOptions } from './project-source.ts'

type Path = readonly PropertyKey[]

/** The options of a resource as YAML has them and as the schema gets them, and the paths whose values could not be read. */
interface Given {
  readonly options: SourceMap
  readonly value: unknown
  readonly unread: readonly Path[]
}

/** Returns the issues of a schema as problems, with a fix for what Ansible has in place of an option. */
export const optionProblems = (
  kind: Declarable,
  { options, value, unread }: Given,
  issues: readonly z.core.$ZodIssue[],
): readonly Problem[] => {
  const unknown = issues.flatMap((issue) => (isUnknown(issue) ? issue.keys : []))
  const keys = unknownOptions(kind, options, unknown)
  // An option that is written with the name of a module is not missing too.
  const isMissing = ([key]: Path): boolean => keys.isHinted && key !== undefined && !options.entries.has(String(key))
  const isUnread = (path: Path): boolean => unread.some((above) => above.every((step, i) => step === path[i]))
  const values = new Map<PropertyKey, Problem>()
  const others = issues.filter((issue) => {
    const [key] = issue.path
    if (isUnknown(issue) || isMissing(issue.path) || isUnread(issue.path)) return false
    const problem = key === undefined || issue.path.length > 1 ? undefined : wrongValue(kind, String(key), options)
    if (key !== undefined && problem !== undefined) values.set(key, problem)
    return problem === undefined
  })
  const located = { ...locatedValue(options), value }
  return [...keys.problems, ...values.values(), ...zodProblems({ issues: others }, located, labelOf(kind), kind.schema)]
}

/** Returns the problems that are visible while facts are unknown: options that the kind does not have, and values of Ansible. */
export const misspelt = (kind: Declarable, options: SourceNode): readonly Problem[] => {
  if (options.is !== 'map') return []
  const given = Object.fromEntries([...options.entries.keys()].map((key) => [key, null]))
  const issues = kind.schema.safeParse(given).error?.issues ?? []
  const unknown = issues.flatMap((issue) => (isUnknown(issue) ? issue.keys : []))
  const values = [...options.entries.keys()].flatMap((key) => (unknown.includes(key) ? [] : (wrongValue(kind, key, options) ?? [])))
  return [...unknownOptions(kind, options, unknown).problems, ...values]
}

type Unknown = Extract<z.core.$ZodIssue, { code: 'unrecognized_keys' }>

const isUnknown = (issue: z.core.$ZodIssue): issue is Unknown => issue.code === 'unrecognized_keys' && issue.path.length === 0

const labelOf = ({ name }: Declarable): string => `resource ${name}`

const unknownOptions = (
  kind: Declarable,
  options: SourceMap,
  unknown: readonly string[],
): { readonly problems: readonly Problem[]; readonly isHinted: boolean } => {
  const ours = Object.keys(projectOptions(kind))
  const hinted = unknown.flatMap((key) => (ours.includes(key) ? [] : [[key, ansibleOption(kind.name, key)] as const]))
  const problems = hinted.map(([key, fix]) =>
    inputProblem(
      entryOf(options, key)?.key ?? options.place,
      `unknown option \`${shownText(key)}\` in ${labelOf(kind)}`,
      fix ?? suggestion(key, optionNames(kind), 'remove it'),
    ),
  )
  return { problems, isHinted: hinted.some(([, fix]) => fix !== undefined) }
}

const wrongValue = (kind: Declarable, key: string, options: SourceMap): Problem | undefined => {
  const node = entryOf(options, key)?.node
  const found = node && ansibleValue(kind, key, node)
  return node && found && inputProblem(node.place, found.what, found.fix)
}
