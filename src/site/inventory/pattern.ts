import { type Problem, Problems, type Where } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'
import { suggestion } from '../source/suggest.ts'

/** The hosts and groups that a pattern selects from. */
export interface PatternScope {
  readonly hosts: ReadonlyMap<string, unknown>
  readonly groups: ReadonlyMap<string, readonly string[]>
}

/** A pattern, or a part of one, and its source position. */
export interface Term {
  readonly text: string
  readonly where: Where
  /** Columns between the position and the text; undefined if the text has escapes or line breaks. */
  readonly inset?: number | undefined
}

export interface PatternMatch {
  /** In inventory order. */
  readonly hosts: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * Returns the hosts of a pattern in inventory order: `all`, names and groups, globs (`web-*`), unions (`web:db` or `web,db`),
 * intersections (`web:&paris`) and exclusions (`web:!web-02`). Throws `Problems` for unknown names and if no host matches.
 */
export const matchPattern = (site: PatternScope, pattern: string | readonly string[], where: Where): readonly string[] => {
  const terms = (typeof pattern === 'string' ? [pattern] : pattern).map((text) => ({ text, where }))
  const { hosts, problems } = matchTerms(site, terms)
  if (problems.length > 0) throw new Problems(problems)
  return hosts
}

/** Like `matchPattern`, but returns the problems. As in Ansible, unions are applied first, then intersections, then exclusions. */
export const matchTerms = (site: PatternScope, terms: readonly Term[]): PatternMatch => {
  const parts = terms.flatMap(partsOf)
  const [first] = terms
  if (parts.length === 0) {
    const where = first?.where ?? { command: 'pattern' }
    return { hosts: [], problems: [inputProblem(where, 'host pattern is empty', 'write a host, a group or `all`')] }
  }
  const resolved = parts.map((part) => ({ ...part, ...resolvePart(site, part) }))
  const problems = resolved.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  const all = [...site.hosts.keys()]
  const withSign = (sign: Sign) => resolved.filter((part) => part.sign === sign)
  const union = withSign('+').length === 0 ? new Set(all) : new Set(withSign('+').flatMap(({ hosts }) => hosts))
  const hosts = all.filter(
    (host) =>
      union.has(host) &&
      withSign('&').every((part) => part.hosts.includes(host)) &&
      !withSign('!').some((part) => part.hosts.includes(host)),
  )
  if (hosts.length > 0 || problems.length > 0 || first === undefined) return { hosts, problems }
  const pattern = terms.map(({ text }) => text).join(',')
  return {
    hosts,
    problems: [
      inputProblem(
        first.where,
        `pattern \`${shownText(pattern)}\` matches no host`,
        'compare the pattern with `provision inventory --graph`',
      ),
    ],
  }
}

type Sign = '+' | '&' | '!'

interface Part {
  readonly sign: Sign
  readonly name: string
  readonly where: Where
}

const partsOf = ({ text, where, inset }: Term): readonly Part[] =>
  [...text.matchAll(/[^:,]+/g)].flatMap((match) => {
    const word = match[0].trim()
    if (word === '') return []
    const sign = word.startsWith('!') ? '!' : word.startsWith('&') ? '&' : '+'
    const name = sign === '+' ? word : word.slice(1).trim()
    if (name === '') return []
    const offset = match.index + match[0].indexOf(name)
    const exact = 'column' in where && inset !== undefined ? { ...where, column: (where.column ?? 1) + inset + offset } : where
    return [{ sign, name, where: exact }]
  })

const resolvePart = (site: PatternScope, { name, where }: Part): { readonly hosts: readonly string[]; readonly problem?: Problem } => {
  if (name === 'all' || name === '*') return { hosts: [...site.hosts.keys()] }
  const group = site.groups.get(name)
  if (group !== undefined) return { hosts: group }
  if (site.hosts.has(name)) return { hosts: [name] }
  if (/[*?]|\[.+\]/.test(name)) return matchGlob(site, name, where)
  const fix = suggestion(name, ['all', ...site.groups.keys(), ...site.hosts.keys()], 'use a host, a group or `all`')
  return { hosts: [], problem: inputProblem(where, `unknown host or group \`${shownText(name)}\``, fix) }
}

const matchGlob = (site: PatternScope, glob: string, where: Where): { readonly hosts: readonly string[]; readonly problem?: Problem } => {
  const matches = globMatcher(glob)
  const groups = [...site.groups].filter(([name]) => matches(name))
  const hosts = [...site.hosts.keys()].filter(matches)
  if (groups.length + hosts.length > 0) return { hosts: [...hosts, ...groups.flatMap(([, members]) => members)] }
  return {
    hosts: [],
    problem: inputProblem(
      where,
      `glob \`${shownText(glob)}\` matches no host or group`,
      'compare the pattern with `provision inventory --graph`',
    ),
  }
}

/** Matches `*`, `?` and `[a-c]`. A regular expression with many stars could backtrack exponentially. */
const globMatcher = (glob: string): ((name: string) => boolean) => {
  const pieces = [...glob.matchAll(/\*+|\?|\[!?[^\]]+\]|[^*?[]+|\[/g)].map(([piece]) => piece)
  const test = (name: string, at: number, piece: number): boolean => {
    const expected = pieces[piece]
    if (expected === undefined) return at === name.length
    if (!expected.startsWith('*')) {
      const length = expected === '?' || /^\[.+\]$/.test(expected) ? 1 : expected.length
      return matchesPiece(expected, name.slice(at, at + length)) && test(name, at + length, piece + 1)
    }
    return Array.from({ length: name.length - at + 1 }, (_, i) => at + i).some((next) => test(name, next, piece + 1))
  }
  return (name) => test(name, 0, 0)
}

const matchesPiece = (expected: string, text: string): boolean => {
  if (expected === '?') return text.length === 1
  const set = /^\[(!?)(.+)\]$/.exec(expected)
  if (set === null) return expected === text
  const [, negation, members = ''] = set
  const isMember = [...members.matchAll(/(.)-(.)|(.)/g)].some(([, from, to, single]) =>
    single === undefined ? from !== undefined && to !== undefined && text >= from && text <= to : text === single,
  )
  return text.length === 1 && isMember === (negation === '')
}
