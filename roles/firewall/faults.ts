import { overlap, type SiteView } from 'provision'
import { type Fault, isNetwork, networkFaults } from './networks.ts'
import type { Options } from './options.ts'

/** Options that cannot work, with their paths. */
export const optionFaults = (options: Options, site: SiteView): readonly Fault[] => [
  ...networkFaults(options, (name) => site.group(name).length > 0),
  ...targetFaults(options),
  ...outgoingFaults(options, site),
]

const targetFaults = ({ forwards }: Options): readonly Fault[] =>
  Object.entries(forwards).flatMap(([name, { to }]) =>
    isOfHostItself(to)
      ? [
          {
            path: ['forwards', name, 'to'],
            what: `${to} is an address of the host itself`,
            fix: 'open the port with `open`, or name the address of another host',
          },
        ]
      : [],
  )

/** Whether packets to an address stay on the host. The last network is that of IPv4 addresses within IPv6, which the kernel does not route. */
const isOfHostItself = (address: string): boolean =>
  ['127.0.0.0/8', '0.0.0.0/8', '::1', '::', '::ffff:0:0/96'].some((network) => overlap(network, address))

const outgoingFaults = ({ outgoing, sets }: Options, site: SiteView): readonly Fault[] => [
  ...Object.entries(outgoing.to).flatMap(([name, { to }]) =>
    to.flatMap((word, i): readonly Fault[] => {
      const path = ['outgoing', 'to', name, 'to', i]
      if (word === 'anyone')
        return to.length === 1 ? [] : [{ path, what: '`anyone` includes all others', fix: 'remove anyone, or all others' }]
      if (isNetwork(word) || Object.hasOwn(sets, word) || site.group(word).length > 0) return []
      return [
        {
          path,
          what: `${word} is neither a network, a set nor a group with hosts`,
          fix: word.includes('.')
            ? 'write the networks of that name: a firewall compares addresses'
            : 'correct the name, or add the set to firewall.sets',
        },
      ]
    }),
  ),
  ...(outgoing.policy === 'accept' && Object.keys(outgoing.to).length > 0
    ? [{ path: ['outgoing', 'to'], what: 'to has no effect with `policy: accept`', fix: 'set `policy: drop`, or `policy: log` to try it' }]
    : []),
]
