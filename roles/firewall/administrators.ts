import { overlap, type Role } from 'provision'

type Fault = ReturnType<NonNullable<Role['check']>>[number]

/** What is wrong with the networks from which administrators come: each of them lets somebody in, and none lets everybody in. */
export const administratorFaults = (networks: readonly string[]): readonly Fault[] =>
  networks.flatMap((network, i) => {
    const fault = (what: string, fix: string): Fault => ({ path: ['administrators', i], what, fix })
    const earlier = networks.slice(0, i).find((other) => overlap(other, network))
    // Packets of IPv4 never bear such an address: the entry would shut out whom it names.
    if (/^::ffff:[\d.]+(\/|$)/i.test(network))
      return [fault(`${network} is an IPv4 address in IPv6’s clothes`, 'write it as an IPv4 address')]
    if (/\/0+$/.test(network))
      return [
        fault(`${network} is everybody`, 'leave the option out: anyone may come to sshd then, at a limited rate, and every plan says so'),
      ]
    if (earlier === undefined) return []
    return [
      fault(
        network === earlier ? `${network} stands twice among the administrators` : `${network} and ${earlier} overlap`,
        'keep one of the two',
      ),
    ]
  })
