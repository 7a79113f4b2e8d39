import { type Facts, type Flow, overlap } from 'provision'
import { BASIC } from './rules/basic.ts'
import { flowRules, isForAdministrators, matchOf } from './rules/flow.ts'
import { ALWAYS, outgoingRules } from './rules/outgoing.ts'
import type { Policy } from './rules/policy.ts'
import { shadowedRules } from './shadowed.ts'

const named = ({ service, port, role }: Flow): string => `${service} on port ${port} (${role})`

/** Suspicious but valid rules: peers that are denied, rules that never match, and flows that stay closed. */
export const warningsOf = (policy: Policy, rates: readonly string[]): readonly string[] => [
  ...deniedPeers(policy),
  ...shadowedRules(BASIC, policy.extra).map(({ rule, by }) => `the rule "${rule}" of firewall.extra never matches: "${by}" comes first`),
  ...shadowedFlows(policy),
  ...unusedInterfaces(policy),
  ...outgoingWarnings(policy),
  ...rates
    .filter((name) => !policy.flows.some(({ service }) => service === name))
    .map((name) => `the limit of ${name} in firewall.rates never matches: no role opens a service of this name on this host`),
  ...(policy.administrators.length > 0
    ? []
    : [
        'SSH is open to anyone; list your networks in firewall.administrators',
        ...policy.flows
          .filter(isForAdministrators)
          .map((flow) => `${named(flow)} is closed to administrators, because firewall.administrators is empty`),
      ]),
]

const deniedPeers = ({ flows, deny }: Policy): readonly string[] =>
  flows.flatMap((flow) =>
    (flow.from === 'anyone' ? [] : flow.from).flatMap(({ name, addresses }) =>
      addresses
        .filter((address) => deny.some((denied) => overlap(denied, address)))
        .map(
          (address) =>
            `${name === address ? address : `${name} (${address})`} cannot connect to ${flow.service} on port ${flow.port} (${flow.role}), because firewall.deny contains its address`,
        ),
    ),
  )

/** Flows that a rule of `extra` closes or opens for everybody before, and ports of one interface that are open on all. */
const shadowedFlows = ({ flows, extra, administrators }: Policy): readonly string[] =>
  flows.flatMap((flow) => {
    if (flow.forwarded === true) return []
    const [rule = matchOf(flow)] = flowRules(flow, administrators.length > 0).rules.filter((one) => one.includes(' accept '))
    const [found] = shadowedRules(extra, [rule])
    const wider = flows.find((other) => other.interface === undefined && other.from === 'anyone' && isSameWay(other, flow))
    return [
      ...(found === undefined ? [] : [`the rule for ${named(flow)} never matches: "${found.by}" of firewall.extra comes first`]),
      ...(flow.interface !== undefined && wider !== undefined
        ? [`the rule for ${named(flow)} on ${flow.interface} changes nothing: ${named(wider)} is open to anyone on every interface`]
        : []),
    ]
  })

const isSameWay = (one: Flow, other: Flow): boolean =>
  one.port === other.port && one.protocol === other.protocol && one.forwarded === other.forwarded

/** Networks behind the address of the host, whose packets are never forwarded. */
const unusedInterfaces = ({ interfaces = [], forward, flows }: Policy): readonly string[] =>
  interfaces
    .filter(({ name, masquerade }) => {
      const isReached = interfaces.some((other) => other.forward.includes(name) || other.forward.includes('any'))
      return masquerade.length > 0 && forward === 'drop' && !isReached && !flows.some(({ forwarded }) => forwarded === true)
    })
    .map(({ name }) => `firewall.interfaces.${name}.masquerade never matches: no interface forwards packets to ${name}`)

const outgoingWarnings = ({ outgoing }: Policy): readonly string[] =>
  (outgoing?.to ?? []).flatMap((one) => {
    const [found] = shadowedRules(ALWAYS, outgoingRules(one))
    return found === undefined ? [] : [`firewall.outgoing.to.${one.name} changes nothing: "${found.by}" comes first`]
  })

/** Warns of administrators that do not include the controller. If the host does not report its address, the trial of the rules must detect a lockout. */
export const controllerWarning = ({ administrators }: Policy, { clientAddress }: Pick<Facts, 'clientAddress'>): readonly string[] =>
  clientAddress === '' || administrators.length === 0 || administrators.some((network) => overlap(network, clientAddress))
    ? []
    : [
        `new rules would be rolled back: the controller's address ${clientAddress} is not in firewall.administrators (${administrators.join(', ')})`,
      ]
