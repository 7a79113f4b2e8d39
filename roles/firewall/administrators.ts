import { overlap, type Role } from 'provision'

type Fault = ReturnType<NonNullable<Role['check']>>[number]

/** Invalid networks of administrators: useless or overlapping entries, and networks that contain every address. */
export const administratorFaults = (networks: readonly string[]): readonly Fault[] =>
  networks.flatMap((network, i) => {
    const fault = (what: string, fix: string): Fault => ({ path: ['administrators', i], what, fix })
    const earlier = networks.slice(0, i).find((other) => overlap(other, network))
    // IPv4 packets never have such an address, so the entry would match nothing.
    if (/^::ffff:[\d.]+(\/|$)/i.test(network))
      return [fault(`${network} is an IPv4-mapped IPv6 address, which matches no packet`, 'write it as an IPv4 address')]
    if (/\/0+$/.test(network))
      return [
        fault(`${network} contains every address`, 'remove the option: then anyone may connect to sshd, at a limited rate, with a warning'),
      ]
    if (earlier === undefined) return []
    return [fault(network === earlier ? `${network} is listed twice` : `${network} and ${earlier} overlap`, 'remove one of the two')]
  })
