/** One line of a table and the block it stands in: `chain input`, `set admins4`, or the table itself. */
export interface ListedLine {
  readonly block: string
  readonly line: string
}

const BLOCK = /^(table|chain|set|map|counter|limit|quota|flowtable|ct|synproxy|secmark|meter) .*\{$/

/**
 * What `nft -s list table` printed, without what changes by itself: packet counts, and the elements that packets add to dynamic
 * sets. Two listings that are equal here stand for the same rules.
 */
export const readListing = (listing: string): readonly ListedLine[] => {
  const lines: ListedLine[] = []
  const blocks: string[] = []
  for (const line of joined(listing)) {
    const block = blocks.slice(1).join(' ')
    if (line === '}') blocks.pop()
    // In a chain every line is a rule, whatever it looks like.
    else if (BLOCK.test(line) && !block.startsWith('chain')) {
      blocks.push(line.slice(0, -2))
      lines.push({ block: blocks.slice(1).join(' '), line: '' })
    } else lines.push({ block, line: line.replaceAll(/\bcounter packets \d+ bytes \d+/g, 'counter') })
  }
  const dynamic = new Set(lines.filter(({ line }) => /^flags .*\bdynamic\b/.test(line)).map(({ block }) => block))
  return lines
    .filter(({ block, line }) => !(line.startsWith('elements = ') && dynamic.has(block)) && !/^packets \d+ bytes \d+$/.test(line))
    .map(({ block, line }) => ({ block, line: line.startsWith('elements = ') ? sorted(line) : line }))
}

// nft breaks the elements of a set into several lines; the lines of a chain stay whole.
const joined = (listing: string): readonly string[] => {
  const lines: string[] = []
  for (const line of listing.split('\n').map((one) => one.trim())) {
    const last = lines.at(-1)
    if (last?.startsWith('elements = {') && !last.endsWith('}')) lines[lines.length - 1] = `${last} ${line}`
    else if (line !== '') lines.push(line)
  }
  return lines
}

const sorted = (line: string): string =>
  `elements = { ${line
    .slice('elements = {'.length, -1)
    .split(',')
    .map((one) => one.trim())
    .sort()
    .join(', ')} }`

/** The listing as a person reads it, for a diff. */
export const shownListing = (listing: string): string =>
  readListing(listing)
    .map(({ block, line }) => (line === '' ? `${block}\n` : `${block === '' ? '' : '  '}${line}\n`))
    .join('')

/** What was changed by hand, in words: `1 rule that is not ours, 2 of our rules missing`; empty when the two say the same. */
export const driftInWords = (ours: string, live: string): readonly string[] => {
  const [was, is] = [readListing(ours), readListing(live)]
  const [strange, missing] = [without(is, was), without(was, is)]
  const rules = (lines: readonly ListedLine[]): number => lines.filter(isRule).length
  const others = new Set([...strange, ...missing].filter((one) => !isRule(one)).map(({ block }) => (block === '' ? 'the table' : block)))
  const moved =
    strange.length === 0 && missing.length === 0 && was.some((one, i) => keyOf(one) !== keyOf(is[i])) ? ['rules in another order'] : []
  return [
    ...(rules(strange) === 0 ? [] : [`${counted(rules(strange), 'rule')} that ${rules(strange) === 1 ? 'is' : 'are'} not ours`]),
    ...(rules(missing) === 0 ? [] : [`${rules(missing)} of our rules missing`]),
    ...[...others].map((block) => `${block} changed`),
    ...moved,
  ]
}

const isRule = ({ block, line }: ListedLine): boolean => block.startsWith('chain ') && line !== '' && !line.startsWith('type ')

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const keyOf = (one: ListedLine | undefined): string => `${one?.block}\0${one?.line}`

/** The lines of a list that the other does not have, each as often as it has them fewer. */
const without = (lines: readonly ListedLine[], others: readonly ListedLine[]): readonly ListedLine[] => {
  const left = new Map<string, number>()
  for (const one of others) left.set(keyOf(one), (left.get(keyOf(one)) ?? 0) + 1)
  return lines.filter((one) => {
    const count = left.get(keyOf(one)) ?? 0
    left.set(keyOf(one), count - 1)
    return count <= 0
  })
}
