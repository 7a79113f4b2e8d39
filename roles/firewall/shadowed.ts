import { overlap } from 'provision'
import { prefixOf } from './rules/text.ts'

/** Conditions of a rule by key (`tcp dport`), with the values that each admits. */
interface Rule {
  readonly conditions: ReadonlyMap<string, readonly string[]>
  /** Whether a packet that meets all conditions goes no further. */
  readonly decides: boolean
}

/** Pairs of a rule that can never match and the earlier rule that decides about all of its packets. Doubtful cases are left out. */
export const shadowedRules = (before: readonly string[], rules: readonly string[]): readonly { rule: string; by: string }[] =>
  rules.flatMap((rule, i) => {
    const by = [...before, ...rules.slice(0, i)].find((earlier) => covers(parse(earlier), parse(rule)))
    return by === undefined ? [] : [{ rule, by: withoutComment(by) }]
  })

const withoutComment = (rule: string): string => rule.replace(/ comment "[^"]*"$/, '')

const covers = (earlier: Rule, later: Rule): boolean =>
  earlier.decides &&
  [...earlier.conditions].every(([key, admitted]) => {
    const values = later.conditions.get(key)
    return values?.every((value) => admitted.some((one) => contains(one, value)))
  })

/** Whether a value, a range of ports or a network contains another one. */
const contains = (one: string, other: string): boolean => {
  if (one === other) return true
  const [ports, others] = [rangeOf(one), rangeOf(other)]
  if (ports !== undefined && others !== undefined) return ports[0] <= others[0] && others[1] <= ports[1]
  return isNetwork(one) && isNetwork(other) && prefixOf(one) <= prefixOf(other) && overlap(one, other)
}

const rangeOf = (text: string): readonly [number, number] | undefined => {
  const [, from, to = from] = /^(\d+)(?:-(\d+))?$/.exec(text) ?? []
  return from === undefined ? undefined : [Number(from), Number(to)]
}

const isNetwork = (text: string): boolean => /^[\da-f.:]+(\/\d+)?$/i.test(text) && /[.:]/.test(text)

const PROTOCOLS = /^(ip|ip6|tcp|udp|sctp|th|ct|icmp|icmpv6|meta)$/
const INTERFACES = /^(iif|iifname|oif|oifname)$/
/** Statements that decide nothing: they count or log the packet. */
const HARMLESS = /^(counter|log|name|prefix|level|packets|bytes)$/

/** Reads the conditions of a rule as far as they are understood. A rule with anything else decides nothing for certain. */
const parse = (text: string): Rule => {
  const words = withoutComment(text.trim()).match(/\{[^}]*\}|"[^"]*"|\S+/g) ?? []
  const conditions = new Map<string, readonly string[]>()
  for (let i = 0; i < words.length; ) {
    const word = words[i] ?? ''
    if (/^(accept|drop|reject)$/.test(word)) return { conditions, decides: true }
    const length = PROTOCOLS.test(word) ? 2 : INTERFACES.test(word) ? 1 : 0
    if (length > 0) {
      const values = valuesOf(words[i + length] ?? '')
      if (values === undefined) return { conditions, decides: false }
      conditions.set(words.slice(i, i + length).join(' '), values)
      i += length + 1
    } else if (HARMLESS.test(word)) i += /^(counter|log)$/.test(word) ? 1 : 2
    else return { conditions, decides: false }
  }
  return { conditions, decides: false }
}

/** Values of `80`, `{ 80, 443 }` or `established,related`. Undefined for sets by name, negations and masks. */
const valuesOf = (word: string): readonly string[] | undefined =>
  /^[{\w"]/.test(word) || word.startsWith(':')
    ? word
        .replaceAll(/[{}"]/g, '')
        .split(',')
        .map((value) => value.trim())
        .filter((value) => value !== '')
    : undefined
