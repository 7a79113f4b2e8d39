import { network as networkOption, overlap, type Role } from 'provision'

type Fault = ReturnType<NonNullable<Role['check']>>[number]

interface Lists {
  readonly administrators: readonly string[]
  readonly deny: readonly string[]
  readonly open: Readonly<Record<string, { readonly from: readonly string[] }>>
}

/** Invalid networks of the options: useless or overlapping entries, networks that contain every address, and administrators that are denied. */
export const networkFaults = ({ administrators, deny, open }: Lists): readonly Fault[] => [
  ...faultsOf(['administrators'], administrators, FIX.administrators),
  ...faultsOf(['deny'], deny, FIX.deny),
  ...Object.entries(open).flatMap(([name, { from }]) => faultsOf(['open', name, 'from'], from, FIX.open)),
  ...deny.flatMap((network, i): readonly Fault[] => {
    const administrator = administrators.find((other) => overlap(other, network))
    if (administrator === undefined) return []
    const what = `${network} contains addresses of ${administrator} in firewall.administrators`
    return [{ path: ['deny', i], what, fix: 'remove one of the two, or write smaller networks' }]
  }),
]

const FIX = {
  administrators: 'remove the option: then anyone may connect to sshd, at a limited rate, with a warning',
  deny: 'write the networks that must not connect',
  open: 'write anyone',
}

// Words that are no networks, such as names of groups, are checked elsewhere.
const faultsOf = (option: readonly string[], networks: readonly string[], everybody: string): readonly Fault[] =>
  networks.flatMap((network, i) => {
    const fault = (what: string, fix: string): Fault => ({ path: [...option, i], what, fix })
    const earlier = networks.slice(0, i).find((other) => isNetwork(other) && isNetwork(network) && overlap(other, network))
    // IPv4 packets never have such an address, so the entry would match nothing.
    if (/^::ffff:[\d.]+(\/|$)/i.test(network))
      return [fault(`${network} is an IPv4-mapped IPv6 address, which matches no packet`, 'write it as an IPv4 address')]
    if (/\/0+$/.test(network)) return [fault(`${network} contains every address`, everybody)]
    if (earlier === undefined) return []
    return [fault(network === earlier ? `${network} is listed twice` : `${network} and ${earlier} overlap`, 'remove one of the two')]
  })

const isNetwork = (word: string): boolean => networkOption.safeParse(word).success
