import { type Problem, Problems, type Where } from '../../problem.ts'
import { complaint } from '../source/complaint.ts'
import { suggestion } from '../source/suggest.ts'

/** What a pattern can choose from. */
export interface Choice {
  readonly hosts: ReadonlyMap<string, unknown>
  readonly groups: ReadonlyMap<string, readonly string[]>
}

/** A pattern, or a part of one, and the place where it was written. */
export interface Term {
  readonly text: string
  readonly where: Where
  /** Columns between the place and the text; undefined where columns do not follow the text. */
  readonly inset?: number | undefined
}

export interface Matched {
  /** In inventory order. */
  readonly hosts: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * The hosts of a pattern, in inventory order: `all`, names and groups, globs (`web-*`), unions (`web:db` or `web,db`),
 * intersections (`web:&paris`) and exceptions (`web:!web-02`). Throws `Problems` for unknown names and for a pattern that matches nothing.
 */
export const matchPattern = (site: Choice, pattern: string | readonly string[], where: Where): readonly string[] => {
  const terms = (typeof pattern === 'string' ? [pattern] : pattern).map((text) => ({ text, where }))
  const { hosts, problems } = matchTerms(site, terms)
  if (problems.length > 0) throw new Problems(problems)
  return hosts
}

/** As `matchPattern`, with what is wrong beside what was found. As in Ansible: first all unions, then intersections, then exceptions. */
export const matchTerms = (site: Choice, terms: readonly Term[]): Matched => {
  const parts = terms.flatMap(partsOf)
  const [first] = terms
  if (parts.length === 0) {
    const where = first?.where ?? { command: 'pattern' }
    return { hosts: [], problems: [complaint(where, 'the host pattern is empty', 'write a host, a group or `all`')] }
  }
  const resolved = parts.map((part) => ({ ...part, ...select(site, part) }))
  const problems = resolved.flatMap(({ problem }) => (problem === undefined ? [] : [problem]))
  const all = [...site.hosts.keys()]
  const of = (sign: Sign) => resolved.filter((part) => part.sign === sign)
  const united = of('+').length === 0 ? new Set(all) : new Set(of('+').flatMap(({ hosts }) => hosts))
  const hosts = all.filter(
    (host) => united.has(host) && of('&').every((part) => part.hosts.includes(host)) && !of('!').some((part) => part.hosts.includes(host)),
  )
  if (hosts.length > 0 || problems.length > 0 || first === undefined) return { hosts, problems }
  const pattern = terms.map(({ text }) => text).join(',')
  return {
    hosts,
    problems: [
      complaint(first.where, `the pattern \`${pattern}\` matches no host`, 'compare it with what `provision inventory --graph` shows'),
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

const select = (site: Choice, { name, where }: Part): { readonly hosts: readonly string[]; readonly problem?: Problem } => {
  if (name === 'all' || name === '*') return { hosts: [...site.hosts.keys()] }
  const group = site.groups.get(name)
  if (group !== undefined) return { hosts: group }
  if (site.hosts.has(name)) return { hosts: [name] }
  if (/[*?]|\[.+\]/.test(name)) return globbed(site, name, where)
  const fix = suggestion(name, ['all', ...site.groups.keys(), ...site.hosts.keys()], 'write a host, a group or `all`')
  return { hosts: [], problem: complaint(where, `there is no host or group \`${name}\``, fix) }
}

const globbed = (site: Choice, glob: string, where: Where): { readonly hosts: readonly string[]; readonly problem?: Problem } => {
  const matches = globMatcher(glob)
  const groups = [...site.groups].filter(([name]) => matches(name))
  const hosts = [...site.hosts.keys()].filter(matches)
  if (groups.length + hosts.length > 0) return { hosts: [...hosts, ...groups.flatMap(([, members]) => members)] }
  return {
    hosts: [],
    problem: complaint(where, `no host or group is called like \`${glob}\``, 'compare it with what `provision inventory --graph` shows'),
  }
}

/** `*` any text, `?` one character, `[a-c]` one of these. Written out by hand: a regular expression with many stars can take for ever. */
const globMatcher = (glob: string): ((name: string) => boolean) => {
  const pieces = [...glob.matchAll(/\*+|\?|\[!?[^\]]+\]|[^*?[]+|\[/g)].map(([piece]) => piece)
  const test = (name: string, at: number, piece: number): boolean => {
    const wanted = pieces[piece]
    if (wanted === undefined) return at === name.length
    if (!wanted.startsWith('*')) {
      const length = wanted === '?' || /^\[.+\]$/.test(wanted) ? 1 : wanted.length
      return fits(wanted, name.slice(at, at + length)) && test(name, at + length, piece + 1)
    }
    return Array.from({ length: name.length - at + 1 }, (_, i) => at + i).some((next) => test(name, next, piece + 1))
  }
  return (name) => test(name, 0, 0)
}

const fits = (wanted: string, text: string): boolean => {
  if (wanted === '?') return text.length === 1
  const set = /^\[(!?)(.+)\]$/.exec(wanted)
  if (set === null) return wanted === text
  const [, not, members = ''] = set
  const inside = [...members.matchAll(/(.)-(.)|(.)/g)].some(([, from, to, single]) =>
    single === undefined ? from !== undefined && to !== undefined && text >= from && text <= to : text === single,
  )
  return text.length === 1 && inside === (not === '')
}
