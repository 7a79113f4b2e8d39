import {
  type Check,
  dropin,
  type Facts,
  file,
  type HostContext,
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

const UNIT = 'keepalived.service'
const CONFIG = '/etc/keepalived/keepalived.conf'

const address = z.union([z.cidrv4(), z.cidrv6()], { error: 'must be an address with its prefix length, such as 192.0.2.10/24' })

/** Options of addresses that several balancers share. */
export const virtualOptions = {
  virtual_address: z
    .union([address.transform((one) => [one]), z.array(address).min(1)])
    .optional()
    .meta({ description: 'addresses that one balancer holds, and that move to another one when it fails', examples: ['192.0.2.10/24'] }),
  virtual_router_id: z
    .int()
    .min(1)
    .max(255)
    .default(51)
    .meta({ description: 'VRRP identifier; must differ from other VRRP groups in the same network' }),
  virtual_interface: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._@-]{0,14}$/, 'must be the name of a network interface')
    .optional()
    .meta({ description: 'network interface of the addresses; default: the one in their network' }),
}

interface Options {
  readonly virtual_address?: readonly string[] | undefined
  readonly virtual_router_id: number
  readonly virtual_interface?: string | undefined
}
interface BalancerContext {
  readonly host: HostView
  readonly site: SiteView
  readonly options: Options
}

/** URL path of keepalived's health check; undefined without a virtual address. */
export const alivePath = ({ virtual_address }: Options): string | undefined => (virtual_address === undefined ? undefined : ALIVE)

/** Invalid options of a virtual address. */
export const virtualFaults = ({ host, site, options }: BalancerContext) => {
  const { virtual_address: all = [] } = options
  const [first] = all
  const balancers = site.withRole(ROLE)
  if (first === undefined) return []
  const fault = (what: string, fix: string) => [{ path: ['virtual_address'], what, fix }]
  if (balancers.length < 2)
    return fault(
      `${host.name} is the only balancer, and no other could take over the address`,
      'bind this role to a second host, or remove `virtual_address`',
    )
  const taken = site.hosts.find((one) => [...one.addresses, ...one.publicAddresses].some((own) => all.some((it) => bare(it) === own)))
  if (taken !== undefined) return fault(`${taken.name} has this address as its own`, 'choose an address that no host has')
  const withoutAddress = balancers.find((one) => addressFor(one, first) === undefined)
  if (withoutAddress === undefined) return []
  return fault(
    `${withoutAddress.name} has no IPv${family(first)} address for VRRP messages of the other balancers`,
    `set \`internal\` of ${withoutAddress.name} to such an address, or list an address first whose family all balancers have`,
  )
}

/** Admits VRRP from the other balancers only, because VRRP has no usable authentication. */
export const virtualListens = (context: BalancerContext): readonly Listen[] =>
  context.options.virtual_address === undefined
    ? []
    : [{ service: 'balancers', port: 0, protocol: 'vrrp', from: othersOf(context).map(({ name }) => ({ host: name })) }]

/** Resources of keepalived. They are declared after HAProxy, which keepalived checks. */
export const virtualResources = (context: BalancerContext & Pick<HostContext<Options>, 'facts' | 'wasDeclared'>): readonly Resource[] => {
  const { host, site, options } = context
  const { virtual_address: virtual, virtual_router_id: id, virtual_interface: named } = options
  const [first] = virtual ?? []
  if (virtual === undefined || first === undefined) return formerResources(context)
  const instance = {
    host: host.name,
    interface: named ?? interfaceFor(first, host, context.facts),
    id,
    // If no balancer holds the addresses yet, the first of the inventory gets them.
    priority: Math.max(1, 200 - site.withRole(ROLE).findIndex(({ name }) => name === host.name)),
    own: addressFor(host, first) ?? '',
    peers: othersOf(context).flatMap((one) => addressFor(one, first) ?? []),
    virtual,
  }
  const set = { name: 'keepalived', root: '/etc/keepalived', check: ['sh', '-c', TEST] }
  const check = file({ path: CHECK, content: CHECK_TEXT, mode: '755', set })
  const config = file({ path: CONFIG, content: keepalivedConfig(instance), set })
  const unitDropin = dropin({
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
    unitDropin,
    service({ unit: UNIT, loads: [config], restarts: [unitDropin], set: 'keepalived' }),
  ]
}

/**
 * Resources that stop keepalived on a host whose record contains it. Without VRRP between them, each balancer would take
 * the addresses.
 */
const formerResources = ({ wasDeclared }: Pick<HostContext<Options>, 'wasDeclared'>): readonly Resource[] =>
  wasDeclared?.(`unit:${UNIT}.d/provision.conf`) !== true
    ? []
    : [
        service({ unit: UNIT, running: false, enabled: false }),
        file({ path: CONFIG, state: 'absent' }),
        file({ path: CHECK, state: 'absent' }),
      ]

/** Checks that each address has exactly one holder: this host, or another one that answers. */
export const virtualChecks = ({ options: { virtual_address: all = [] } }: BalancerContext): readonly Check[] =>
  all.map(bare).map((it) => ({
    name: `exactly one balancer holds ${it}`,
    script: `
at=$(ip -o address show to ${it} | { read -r _ at _; printf '%s' "$at"; })
if [ -z "$at" ]; then
  timeout 5 bash --norc -c ': <>/dev/tcp/${it}/443' || { echo 'no balancer answers at the address'; exit 1; }
elif [ ${family(it)} = 4 ]; then
  arping -q -D -c 2 -w 3 -I "$at" ${it} || { echo 'another host holds the address too: check that VRRP passes between the balancers'; exit 1; }
fi`,
  }))

/** keepalived moves addresses, speaks VRRP and ARP, and runs its check as nobody. */
const CAPABILITIES = ['CAP_NET_ADMIN', 'CAP_NET_RAW', 'CAP_SETUID', 'CAP_SETGID', 'CAP_KILL']
const KERNEL = { ProcSubset: 'all', RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_PACKET AF_INET AF_INET6' }

const ROLE = 'haproxy-tls'

// keepalived 2.2.7 (Debian 12) crashes in its configuration test if scripts run as an account other than root.
const TEST = `t=$(mktemp) || exit; trap 'rm -f "$t"' EXIT
sed 's/script_user nobody nogroup/script_user root/' ${CONFIG} >"$t" && keepalived --config-test --use-file "$t"`

const bare = (withPrefix: string): string => withPrefix.split('/')[0] ?? ''
const family = (one: string): 4 | 6 => (one.includes(':') ? 6 : 4)
const othersOf = ({ host, site }: BalancerContext): readonly HostView[] => site.withRole(ROLE).filter(({ name }) => name !== host.name)

/** Address of a host in the family of another address. */
const addressFor = ({ addresses }: HostView, other: string): string | undefined =>
  addresses.find((one) => /^[\d.]+$|:/.test(one) && family(one) === family(other))

const interfaceFor = (virtual: string, host: HostView, { networks }: Facts): string => {
  const inside = (one: string | undefined) =>
    one === undefined ? undefined : networks.find(({ network }) => overlap(network, one))?.interface
  // An address from a provider may be in no network of the host. It goes to the interface of the host's own address.
  const found = inside(bare(virtual)) ?? inside(addressFor(host, virtual))
  if (found !== undefined) return found
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: ROLE },
    what: `no interface is in the network of ${virtual}`,
    why: `${host.name} is on ${networks.map(({ interface: at, network }) => `${network} (${at})`).join(', ') || 'no network'}`,
    fix: 'set `virtual_interface`, or choose an address in a network of the host',
  })
}
