import { BASIC, DROP } from './basic.ts'
import { counterOf, flowRules } from './flow.ts'
import { forwardChain, isForwarding } from './forward.ts'
import { natChains } from './nat.ts'
import { outgoingChain, outgoingCounters, outgoingSets } from './outgoing.ts'
import type { Policy } from './policy.ts'
import { sshRules } from './ssh.ts'
import { indent, rule, setsOf } from './text.ts'

/** Body of the table: admits the flows of the host, and drops everything else. */
export const rulesOf = (policy: Policy): string => {
  const all = policy.flows.map((flow) => ({ flow, ...flowRules(flow, policy.administrators.length > 0) }))
  const incoming = all.filter(({ flow }) => flow.forwarded !== true)
  const ssh = sshRules(policy)
  const sets = [...administratorSets(policy), ...denySets(policy), ...ssh.sets, ...all.flatMap((one) => one.sets), ...outgoingSets(policy)]
  return `${[...sets, ...counters(policy)].map(indent(1)).join('')}
  chain input {
    type filter hook input priority filter; policy drop;
${[...BASIC, ...denyRules(policy), ...extraRules(policy), '', ...ssh.rules, ...incoming.flatMap(({ rules }) => ['', ...rules]), ...DROP].map(indent(2)).join('')}  }

${forwardChain(policy, denyRules(policy))}${natChains(policy)}${outgoingChain(policy)}`
}

const extraRules = ({ extra }: Policy): readonly string[] => (extra.length === 0 ? [] : ['', '# rules of the option extra', ...extra])

// Rules of the user come before those that open ports. Otherwise they could not shut anybody out.
const denyRules = ({ deny }: Policy): readonly string[] =>
  deny.length === 0
    ? []
    : [
        '',
        ...['ip saddr @deny4', 'ip6 saddr @deny6'].map((match) => rule(`${match} counter name drop_deny drop`, 'dropped: the option deny')),
      ]

const denySets = ({ deny }: Policy): readonly string[] =>
  deny.length === 0 ? [] : setsOf('deny', [{ name: 'denied', addresses: deny }], true)

const counters = (policy: Policy): readonly string[] => {
  const { flows, sshRate, administrators, deny } = policy
  return [
    'in_ssh',
    ...flows.map(counterOf),
    'drop_invalid',
    ...(deny.length > 0 ? ['drop_deny'] : []),
    ...(sshRate && administrators.length === 0 ? ['drop_ssh_rate'] : []),
    ...(flows.some(({ rate }) => rate !== undefined) ? ['drop_rate'] : []),
    'drop_input',
    ...(isForwarding(policy) && policy.forward === 'drop' ? ['drop_forward'] : []),
    ...outgoingCounters(policy),
  ].map((name) => `counter ${name} { }`)
}

const administratorSets = ({ administrators }: Policy): readonly string[] =>
  administrators.length === 0 ? [] : setsOf('administrators', [{ name: 'administrators', addresses: administrators }], true)
