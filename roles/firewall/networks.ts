import { network as networkOption, overlap, type Role } from 'provision'
import type { Options } from './options.ts'

export type Fault = ReturnType<NonNullable<Role['check']>>[number]

export type Sets = Options['sets']

/** The networks that words name: networks themselves, and those of sets. Other words are left out. */
export const networksOf = (words: readonly string[], sets: Sets): readonly string[] =>
  words.flatMap((word) => (isNetwork(word) ? [word] : (setOf(word, sets) ?? [])))

const setOf = (word: string, sets: Sets): readonly string[] | undefined => (Object.hasOwn(sets, word) ? sets[word] : undefined)

/** Invalid networks of the options: useless or overlapping entries, networks that contain every address, and administrators that are denied. */
export const networkFaults = (options: Options, isGroup: (name: string) => boolean): readonly Fault[] => {
  const { sets, administrators, deny } = options
  return [
    ...Object.entries(sets).flatMap(([name, networks]) => [
      ...faultsOf(['sets', name], networks, { sets, everybody: FIX.set }),
      ...(isGroup(name) ? [{ path: ['sets', name], what: `${name} is a group of the inventory`, fix: 'give the set another name' }] : []),
    ]),
    ...[['administrators', administrators, FIX.administrators] as const, ['deny', deny, FIX.deny] as const].flatMap(
      ([option, words, everybody]) => [...unknownSets([option], words, sets), ...faultsOf([option], words, { sets, everybody })],
    ),
    ...sourcesOf(options).flatMap(({ path, words }) => faultsOf(path, words, { sets, everybody: FIX.open })),
    ...deny.flatMap((word, i): readonly Fault[] => {
      const networks = networksOf([word], sets)
      const administrator = networksOf(administrators, sets).find((other) => networks.some((network) => overlap(other, network)))
      if (administrator === undefined) return []
      const what = `${word} contains addresses of ${administrator} in firewall.administrators`
      return [{ path: ['deny', i], what, fix: 'remove one of the two, or write smaller networks' }]
    }),
  ]
}

/** All lists of permitted peers with their paths. */
const sourcesOf = ({ open, interfaces, forwards, outgoing }: Options): readonly { path: readonly string[]; words: readonly string[] }[] => [
  ...Object.entries(open).map(([name, { from }]) => ({ path: ['open', name, 'from'], words: from })),
  ...Object.entries(interfaces).flatMap(([device, one]) =>
    Object.entries(one.open).map(([name, { from }]) => ({ path: ['interfaces', device, 'open', name, 'from'], words: from })),
  ),
  ...Object.entries(forwards).map(([name, { from }]) => ({ path: ['forwards', name, 'from'], words: from })),
  ...Object.entries(outgoing.to).map(([name, { to }]) => ({ path: ['outgoing', 'to', name, 'to'], words: to })),
]

const FIX = {
  administrators: 'remove the option: then anyone may connect to sshd, at a limited rate, with a warning',
  deny: 'write the networks that must not connect',
  open: 'write anyone',
  set: 'write smaller networks, or `anyone` where the set is used',
}

const unknownSets = (path: readonly string[], words: readonly string[], sets: Sets): readonly Fault[] =>
  words.flatMap((word, i) =>
    isNetwork(word) || setOf(word, sets) !== undefined
      ? []
      : [{ path: [...path, i], what: `${word} is neither a network nor a set`, fix: 'add the set to firewall.sets, or correct the name' }],
  )

interface Naming {
  readonly sets: Sets
  readonly everybody: string
}

// Words that are neither networks nor sets, such as names of groups, are checked elsewhere.
const faultsOf = (option: readonly string[], words: readonly string[], { sets, everybody }: Naming): readonly Fault[] =>
  words.flatMap((word, i) => {
    const fault = (what: string, fix: string): Fault => ({ path: [...option, i], what, fix })
    const own = networksOf([word], sets)
    const earlier = words
      .slice(0, i)
      .find((other) => other === word || networksOf([other], sets).some((one) => own.some((mine) => overlap(one, mine))))
    // IPv4 packets never have such an address, so the entry would match nothing.
    if (/^::ffff:[\d.]+(\/|$)/i.test(word))
      return [fault(`${word} is an IPv4-mapped IPv6 address, which matches no packet`, 'write it as an IPv4 address')]
    if (isNetwork(word) && /\/0+$/.test(word)) return [fault(`${word} contains every address`, everybody)]
    if (earlier === undefined || own.length === 0) return []
    return [fault(word === earlier ? `${word} is listed twice` : `${word} and ${earlier} overlap`, 'remove one of the two')]
  })

export const isNetwork = (word: string): boolean => networkOption.safeParse(word).success
