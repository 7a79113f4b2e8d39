import {
  type Check,
  dropin,
  type Facts,
  file,
  type HostView,
  type Listen,
  overlap,
  Problem,
  pkg,
  type Resource,
  type SiteView,
  sandbox,
  service,
  z,
} from 'provision'
import { ALIVE, CHECK, CHECK_TEXT, keepalivedConfig, waitCommand } from './keepalived.ts'

const address = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be an address with the length of its network, such as 192.0.2.10/24' })

/** The options of an address that several balancers share; none where each has only its own. */
export const virtualOptions = {
  virtual_address: z
    .union([address.transform((one) => [one]), z.array(address).min(1)])
    .optional()
    .meta({ description: 'addresses that one of the balancers holds, and another takes over when it dies', examples: ['192.0.2.10/24'] }),
  virtual_router_id: z
    .int()
    .min(1)
    .max(255)
    .default(51)
    .meta({ description: 'tells these balancers from other users of VRRP in the same network' }),
  virtual_interface: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$/, 'must be the name of a network interface')
    .optional()
    .meta({ description: 'where the addresses go; the interface that is in their network where none is given' }),
}

interface Options {
  readonly virtual_address?: readonly string[] | undefined
  readonly virtual_router_id: number
  readonly virtual_interface?: string | undefined
}
interface Place {
  readonly host: HostView
  readonly site: SiteView
  readonly options: Options
}

/** The path at which HAProxy must answer that it lives; undefined where nobody asks. */
export const alivePath = ({ virtual_address }: Options): string | undefined => (virtual_address === undefined ? undefined : ALIVE)

/** What cannot be shared as the site is. */
export const virtualFaults = ({ host, site, options }: Place) => {
  const { virtual_address: all = [] } = options
  const [first] = all
  const balancers = site.withRole(ROLE)
  if (first === undefined) return []
  const fault = (what: string, fix: string) => [{ path: ['virtual_address'], what, fix }]
  if (balancers.length < 2)
    return fault(`${host.name} is the only balancer: nobody could take the address over`, 'give a second host this role, or leave it out')
  const taken = site.hosts.find((one) => [...one.addresses, ...one.publicAddresses].some((own) => all.some((it) => bare(it) === own)))
  if (taken !== undefined) return fault(`${taken.name} has this address for its own`, 'take one that no host has')
  const deaf = balancers.find((one) => addressFor(one, first) === undefined)
  if (deaf === undefined) return []
  return fault(
    `${deaf.name} has no IPv${family(first)} address by which the others could tell it that they live`,
    `write one as internal: of ${deaf.name}, or write an address first that is of a family all balancers have`,
  )
}

/** Only the other balancers may say that they live: this is all that VRRP knows of authentication. */
export const virtualListens = (place: Place): readonly Listen[] =>
  place.options.virtual_address === undefined
    ? []
    : [{ service: 'balancers', port: 0, protocol: 'vrrp', from: othersOf(place).map(({ name }) => ({ host: name })) }]

/** To be declared when HAProxy runs: what holds the addresses asks it whether it lives. */
export const virtualResources = (place: Place & { readonly facts: Facts }): readonly Resource[] => {
  const { host, site, options } = place
  const { virtual_address: virtual, virtual_router_id: id, virtual_interface: named } = options
  const [first] = virtual ?? []
  if (virtual === undefined || first === undefined) return []
  const instance = {
    host: host.name,
    interface: named ?? interfaceFor(first, host, place.facts),
    id,
    // The first of the inventory wins where nobody holds the addresses yet.
    priority: Math.max(1, 200 - site.withRole(ROLE).findIndex(({ name }) => name === host.name)),
    own: addressFor(host, first) ?? '',
    peers: othersOf(place).flatMap((one) => addressFor(one, first) ?? []),
    virtual,
  }
  const set = { name: 'keepalived', root: '/etc/keepalived', check: ['sh', '-c', TEST] }
  const check = file({ path: CHECK, content: CHECK_TEXT, mode: '755', set })
  const config = file({ path: CONFIG, content: keepalivedConfig(instance), set })
  const manner = dropin({
    unit: UNIT,
    name: 'provision',
    settings: {
      Unit: { After: 'haproxy.service' },
      Service: {
        ExecStart: ['', '/usr/sbin/keepalived --dont-fork --vrrp --pid=/run/keepalived/main.pid --vrrp_pid=/run/keepalived/vrrp.pid'],
        ExecStartPost: waitCommand(bare(first)),
        Restart: 'on-failure',
        RuntimeDirectory: 'keepalived',
        ...sandbox({ network: 'all', capabilities: CAPABILITIES }, KERNEL),
      },
    },
  })
  return [
    pkg({ name: 'keepalived' }),
    pkg({ name: 'iputils-arping' }),
    check,
    config,
    manner,
    service({ unit: UNIT, loads: [config], restarts: [manner], set: 'keepalived' }),
  ]
}

/** Each address has one holder: it is here and nobody else's, or it is elsewhere and answers. */
export const virtualChecks = ({ options: { virtual_address: all = [] } }: Place): readonly Check[] =>
  all.map(bare).map((it) => ({
    name: `${it} is held by one balancer`,
    script: `
at=$(ip -o address show to ${it} | { read -r _ at _; printf '%s' "$at"; })
if [ -z "$at" ]; then
  timeout 5 bash -c ': <>/dev/tcp/${it}/443' || { echo 'no balancer holds it'; exit 1; }
elif [ ${family(it)} = 4 ]; then
  arping -q -D -c 2 -w 3 -I "$at" ${it} || { echo 'another host holds it as well: can the balancers hear each other?'; exit 1; }
fi`,
  }))

/** keepalived moves addresses, speaks VRRP and ARP, and runs its check as nobody. */
const CAPABILITIES = ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SETUID', 'CAP_SETGID', 'CAP_KILL']
const KERNEL = { ProcSubset: 'all', RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_PACKET AF_INET AF_INET6' }

const ROLE = 'haproxy-tls'
const UNIT = 'keepalived.service'
const CONFIG = '/etc/keepalived/keepalived.conf'

// Debian 12's (2.2.7) ends its test by a signal wherever scripts run as another user than root, whatever else is written.
const TEST = `t=$(mktemp) || exit; trap 'rm -f "$t"' EXIT
sed 's/script_user nobody nogroup/script_user root/' ${CONFIG} >"$t" && keepalived --config-test --use-file "$t"`

const bare = (withPrefix: string): string => withPrefix.split('/')[0] ?? ''
const family = (one: string): 4 | 6 => (one.includes(':') ? 6 : 4)
const othersOf = ({ host, site }: Place): readonly HostView[] => site.withRole(ROLE).filter(({ name }) => name !== host.name)

/** A host's own address of the family of another one. */
const addressFor = ({ addresses }: HostView, other: string): string | undefined =>
  addresses.find((one) => /^[\d.]+$|:/.test(one) && family(one) === family(other))

const interfaceFor = (virtual: string, host: HostView, { networks }: Facts): string => {
  const inside = (one: string | undefined) =>
    one === undefined ? undefined : networks.find(({ network }) => overlap(network, one))?.interface
  // An address of a provider may be alone in its network: it goes where our own is.
  const found = inside(bare(virtual)) ?? inside(addressFor(host, virtual))
  if (found !== undefined) return found
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: ROLE },
    what: `no interface is in the network of ${virtual}`,
    why: `it is on ${networks.map(({ interface: at, network }) => `${network} (${at})`).join(', ') || 'no network'}`,
    fix: 'write its name as virtual_interface, or an address of a network that the host is on',
  })
}
