import { bracketed, type HostView, overlap, type SiteContext, type SiteView } from 'provision'
import type { Options } from './options.ts'

export interface Member {
  readonly host: string
  /** Its address in the mesh. */
  readonly address: string | undefined
  /** The address at which the others reach it. */
  readonly endpoint: string | undefined
}

/** The hosts to which a play binds the role, in inventory order. */
export const membersOf = (given: Options, site: SiteView): readonly Member[] =>
  site.withRole('wireguard').map((host) => ({ host: host.name, address: addressOf(given, host), endpoint: endpointOf(given, host) }))

const addressOf = ({ addresses, network }: Options, host: HostView): string | undefined =>
  own(addresses, host.name) ?? host.addresses.find((one) => overlap(network, one))

const endpointOf = ({ endpoints, network }: Options, host: HostView): string | undefined =>
  own(endpoints, host.name) ?? [...host.publicAddresses, ...host.addresses].find((one) => !overlap(network, one))

const own = (map: Readonly<Record<string, string>>, key: string): string | undefined => (Object.hasOwn(map, key) ? map[key] : undefined)

/** Length of the prefix that contains one address only. */
export const single = (address: string): string => `${address}/${address.includes(':') ? 128 : 32}`

export const endpointText = ({ endpoint = '' }: Member, { port }: Options): string => `${bracketed(endpoint)}:${port}`

type Fault = { readonly path: readonly PropertyKey[]; readonly what: string; readonly fix: string }

/** Invalid options, found before any host is asked. */
export const faultsOf = ({ options: given, host, site }: SiteContext<Options>): readonly Fault[] => {
  const members = membersOf(given, site)
  const me = members.find((one) => one.host === host.name)
  const twin = members.find((one) => one.host !== host.name && one.address !== undefined && one.address === me?.address)
  return [
    ...strangers(given, members),
    ...(me?.address === undefined
      ? [
          {
            path: ['addresses'],
            what: `${host.name} has no address in ${given.network}`,
            fix: `set \`internal\` of ${host.name} in the inventory to an address in ${given.network}, or add ${host.name} to \`addresses\``,
          },
        ]
      : addressFaults(given, host.name, me.address)),
    ...(twin === undefined
      ? []
      : [
          {
            path: ['addresses'],
            what: `${host.name} and ${twin.host} have the same address ${me?.address}`,
            fix: 'give one of them another',
          },
        ]),
    ...(me?.endpoint === undefined
      ? [
          {
            path: ['endpoints'],
            what: `${host.name} has no address outside of ${given.network}, at which the other members could reach it`,
            fix: `set \`public\` of ${host.name} in the inventory, or add ${host.name} to \`endpoints\``,
          },
        ]
      : overlap(given.network, me.endpoint)
        ? [
            {
              path: ['endpoints', host.name],
              what: `${me.endpoint} is in ${given.network}, so its packets would go through the tunnel that they build`,
              fix: 'write an address outside of the mesh',
            },
          ]
        : []),
  ]
}

const addressFaults = ({ network }: Options, host: string, address: string): readonly Fault[] => {
  const [base] = network.split('/')
  if (!overlap(network, address))
    return [{ path: ['addresses', host], what: `${address} is not in ${network}`, fix: 'write an address in the network of the mesh' }]
  if (address === base)
    return [{ path: ['addresses', host], what: `${address} is the address of the network itself`, fix: 'write another address' }]
  return []
}

/** Entries for hosts that are not members: a misspelt name would leave its host without an address. */
const strangers = (given: Options, members: readonly Member[]): readonly Fault[] =>
  (['addresses', 'endpoints'] as const).flatMap((option) =>
    Object.keys(given[option])
      .filter((name) => !members.some(({ host }) => host === name))
      .map((name) => ({
        path: [option, name],
        what: `${name} is not a member of the mesh`,
        fix: `write one of ${members.map(({ host }) => host).join(', ')}, or bind the role wireguard to ${name}`,
      })),
  )
