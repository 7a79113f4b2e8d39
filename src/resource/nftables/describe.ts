import { type Block, blocksIn, commentOf, elementsOf, readNft, statementsIn } from './reader.ts'

/**
 * Describes the differing rules of two rulesets: a line for each rule by its comment, with the peers of its sets. Anybody can write a
 * comment, so only comments from our own texts are used; other rules are shown in the syntax of nft.
 */
export const describeDifference = (
  before: string,
  after: string,
  ours: readonly string[] = [before, after],
): { readonly before: string; readonly after: string } => {
  const own = new Set(ours.flatMap((text) => [...text.matchAll(/ comment "([^"\n]*)"/g)].map(([, comment]) => comment)))
  const [was, is] = [effectsIn(before, own), effectsIn(after, own)]
  return { before: differing(was, is), after: differing(is, was) }
}

/** Addresses by the comment of their set elements. */
type Peers = ReadonlyMap<string, readonly string[]>

/** Effects of a ruleset in words, with the peers that each applies to; undefined if it applies to everybody. */
type Effects = ReadonlyMap<string, Peers | undefined>

// Rules for both families, or for several ports, share a comment and count as one effect.
const effectsIn = (text: string, own: ReadonlySet<string | undefined>): Effects => {
  const effects = new Map<string, Map<string, string[]> | undefined>()
  for (const { body } of blocksIn(readNft(text))) {
    const sets = new Map(blocksIn(body).flatMap(({ head, body: set }) => (head.startsWith('set ') ? [[head.slice(4), set] as const] : [])))
    for (const { head, body: rules } of blocksIn(body).filter((block) => block.head.startsWith('chain ')))
      for (const rule of statementsIn(rules).filter((statement) => !statement.startsWith('type '))) {
        const comment = commentOf(rule)
        const subject =
          comment !== undefined && own.has(comment) ? comment : `${head}: ${rule.replaceAll(/\bcounter packets \d+ bytes \d+/g, 'counter')}`
        const names = [...rule.matchAll(/ saddr @(\w+)/g)].flatMap(([, name]) => (name === undefined ? [] : [name]))
        const peers = effects.get(subject) ?? (names.length === 0 ? undefined : new Map<string, string[]>())
        for (const [name, address] of names.flatMap((set) => peersIn(sets.get(set) ?? [])))
          peers?.set(name, [...(peers.get(name) ?? []), address])
        effects.set(subject, peers)
      }
  }
  return effects
}

const peersIn = (set: Block['body']): readonly (readonly [name: string, address: string])[] =>
  statementsIn(set)
    .filter((statement) => statement.startsWith('elements = '))
    .flatMap(elementsOf)
    .map((element) => {
      const [address = ''] = element.split(' ')
      return [commentOf(element) ?? address, address]
    })

const differing = (effects: Effects, others: Effects): string =>
  [...effects]
    .flatMap(([subject, peers]) => {
      if (!others.has(subject)) return [peers === undefined ? subject : `${subject}, from ${formatPeers(peers)}`]
      const left = new Map(
        [...(peers ?? [])].filter(([name, own]) => sortedAddresses(own) !== sortedAddresses(others.get(subject)?.get(name))),
      )
      return left.size === 0 ? [] : [`${subject}, from ${formatPeers(left)}`]
    })
    .map((line) => `${line}\n`)
    .join('')

const sortedAddresses = (addresses: readonly string[] = []): string => [...addresses].sort().join(' ')

const formatPeers = (peers: Peers): string =>
  peers.size === 0
    ? 'no hosts'
    : abbreviated([...peers].map(([name, addresses]) => (addresses.join() === name ? name : `${name} (${abbreviated(addresses)})`)))

// Keeps a line short; the rules themselves list all.
const abbreviated = (items: readonly string[]): string =>
  items.length <= 6 ? items.join(', ') : `${items.slice(0, 4).join(', ')} and ${items.length - 4} more`
