import { type Block, blocksIn, commentOf, elementsOf, readNft, statementsIn } from './reader.ts'

/**
 * Two rulesets as a person reads them, and of that only what differs: a line for each rule by its comment, with the peers of its
 * sets. Anybody can write a comment, so only those count that stand in texts of ours; other rules are shown as nft says them.
 */
export const wordsBetween = (
  before: string,
  after: string,
  ours: readonly string[] = [before, after],
): { readonly before: string; readonly after: string } => {
  const own = new Set(ours.flatMap((text) => [...text.matchAll(/ comment "([^"\n]*)"/g)].map(([, comment]) => comment)))
  const [was, is] = [waysIn(before, own), waysIn(after, own)]
  return { before: only(was, is), after: only(is, was) }
}

/** Addresses by the name that their elements carry. */
type Peers = ReadonlyMap<string, readonly string[]>

/** What a ruleset does, in words, and whom each of these is about; undefined: nobody in particular. */
type Ways = ReadonlyMap<string, Peers | undefined>

// Rules of both families, or of several ports, that do one thing carry one comment, so they are one way.
const waysIn = (text: string, own: ReadonlySet<string | undefined>): Ways => {
  const ways = new Map<string, Map<string, string[]> | undefined>()
  for (const { body } of blocksIn(readNft(text))) {
    const sets = new Map(blocksIn(body).flatMap(({ head, body: set }) => (head.startsWith('set ') ? [[head.slice(4), set] as const] : [])))
    for (const { head, body: rules } of blocksIn(body).filter((block) => block.head.startsWith('chain ')))
      for (const rule of statementsIn(rules).filter((statement) => !statement.startsWith('type '))) {
        const comment = commentOf(rule)
        const subject =
          comment !== undefined && own.has(comment) ? comment : `${head}: ${rule.replaceAll(/\bcounter packets \d+ bytes \d+/g, 'counter')}`
        const named = [...rule.matchAll(/ saddr @(\w+)/g)].flatMap(([, name]) => (name === undefined ? [] : [name]))
        const peers = ways.get(subject) ?? (named.length === 0 ? undefined : new Map<string, string[]>())
        for (const [name, address] of named.flatMap((set) => peersIn(sets.get(set) ?? [])))
          peers?.set(name, [...(peers.get(name) ?? []), address])
        ways.set(subject, peers)
      }
  }
  return ways
}

const peersIn = (set: Block['body']): readonly (readonly [name: string, address: string])[] =>
  statementsIn(set)
    .filter((statement) => statement.startsWith('elements = '))
    .flatMap(elementsOf)
    .map((element) => {
      const [address = ''] = element.split(' ')
      return [commentOf(element) ?? address, address]
    })

const only = (ways: Ways, others: Ways): string =>
  [...ways]
    .flatMap(([subject, peers]) => {
      if (!others.has(subject)) return [peers === undefined ? subject : `${subject}, from ${named(peers)}`]
      const left = new Map([...(peers ?? [])].filter(([name, own]) => addressed(own) !== addressed(others.get(subject)?.get(name))))
      return left.size === 0 ? [] : [`${subject}, from ${named(left)}`]
    })
    .map((line) => `${line}\n`)
    .join('')

const addressed = (addresses: readonly string[] = []): string => [...addresses].sort().join(' ')

const named = (peers: Peers): string =>
  peers.size === 0
    ? 'nobody'
    : shortened([...peers].map(([name, addresses]) => (addresses.join() === name ? name : `${name} (${shortened(addresses)})`)))

// A line stays one that can be read at a glance; the rules themselves have them all.
const shortened = (items: readonly string[]): string =>
  items.length <= 6 ? items.join(', ') : `${items.slice(0, 4).join(', ')} and ${items.length - 4} more`
