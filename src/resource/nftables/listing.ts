import { type Block, blocksIn, elementsOf, readNft } from './reader.ts'

/** A line of a table and its block: `chain input`, `set admins4`, or the table itself. */
export interface ListedLine {
  readonly block: string
  readonly line: string
}

/**
 * Parses the output of `nft -s list table`, without packet counts and the elements of dynamic sets, which change on their own. Equal
 * results mean equal rules.
 */
export const readListing = (listing: string): readonly ListedLine[] => {
  const lines = blocksIn(readNft(listing)).flatMap(({ body }) => [{ block: '', line: '' }, ...linesOf(body, '')])
  const dynamic = new Set(lines.filter(({ line }) => /^flags .*\bdynamic\b/.test(line)).map(({ block }) => block))
  return lines
    .filter(({ block, line }) => !(line.startsWith('elements = ') && dynamic.has(block)) && !/^packets \d+ bytes \d+$/.test(line))
    .map(({ block, line }) => ({ block, line: line.startsWith('elements = ') ? sorted(line) : line }))
}

const linesOf = (body: Block['body'], block: string): readonly ListedLine[] =>
  body.flatMap((one) =>
    typeof one === 'string'
      ? [{ block, line: one.replaceAll(/\bcounter packets \d+ bytes \d+/g, 'counter') }]
      : [{ block: one.head, line: '' }, ...linesOf(one.body, one.head)],
  )

const sorted = (line: string): string => `elements = { ${[...elementsOf(line)].sort().join(', ')} }`

/** Formats a listing for a diff. */
export const formatListing = (listing: string): string =>
  readListing(listing)
    .map(({ block, line }) => (line === '' ? `${block}\n` : `${block === '' ? '' : '  '}${line}\n`))
    .join('')

/** Describes manual changes: `1 unknown rule: …`, `2 of the declared rules missing`. Empty if there are none. */
export const describeDrift = (ours: string, live: string): readonly string[] => {
  const [was, is] = [readListing(ours), readListing(live)]
  const [unknown, missing] = [without(is, was), without(was, is)]
  const rules = (lines: readonly ListedLine[]): number => lines.filter(isRule).length
  const others = new Set([...unknown, ...missing].filter((one) => !isRule(one)).map(({ block }) => (block === '' ? 'the table' : block)))
  const moved =
    unknown.length === 0 && missing.length === 0 && was.some((one, i) => keyOf(one) !== keyOf(is[i])) ? ['order of rules changed'] : []
  return [
    ...(rules(unknown) === 0 ? [] : [describeUnknownRules(unknown.filter(isRule).map(({ line }) => line))]),
    ...(rules(missing) === 0 ? [] : [`${rules(missing)} of the declared rules missing`]),
    ...[...others].map((block) => `${block} changed`),
    ...moved,
  ]
}

const isRule = ({ block, line }: ListedLine): boolean => block.startsWith('chain ') && line !== '' && !/^(type|policy) /.test(line)

// Shows enough of the rules to find their author; a reason is one line.
const describeUnknownRules = (rules: readonly string[]): string => {
  const shown = rules.slice(0, 2).map((rule) => (rule.length > 80 ? `${rule.slice(0, 79)}…` : rule))
  const more = rules.length > shown.length ? ['…'] : []
  return `${rules.length === 1 ? '1 unknown rule' : `${rules.length} unknown rules`}: ${[...shown, ...more].join(' | ')}`
}

const keyOf = (one: ListedLine | undefined): string => `${one?.block}\0${one?.line}`

/** The lines that are missing in the other list, counting repetitions. */
const without = (lines: readonly ListedLine[], others: readonly ListedLine[]): readonly ListedLine[] => {
  const left = new Map<string, number>()
  for (const one of others) left.set(keyOf(one), (left.get(keyOf(one)) ?? 0) + 1)
  return lines.filter((one) => {
    const count = left.get(keyOf(one)) ?? 0
    left.set(keyOf(one), count - 1)
    return count <= 0
  })
}
