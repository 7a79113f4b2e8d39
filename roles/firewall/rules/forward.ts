import { flowRules, matchOf } from './flow.ts'
import type { InterfaceRules, Policy } from './policy.ts'
import { indent, rule } from './text.ts'

const forwardedOf = ({ flows }: Policy) => flows.filter(({ forwarded }) => forwarded === true)

/** Whether the chain of forwarded packets needs rules beside its policy. */
export const isForwarding = (policy: Policy): boolean =>
  forwardedOf(policy).length > 0 || (policy.interfaces ?? []).some(({ forward }) => forward.length > 0)

/** The chain of forwarded packets: to containers, to other hosts, and between interfaces. */
export const forwardChain = (policy: Policy, denied: readonly string[]): string => {
  const flows = forwardedOf(policy)
  const opened = flows.flatMap((flow) => ['', ...flowRules(flow, policy.administrators.length > 0).rules])
  // With the policy accept, the other peers of a port that has peers would pass.
  const closed =
    policy.forward === 'accept' ? flows.map((flow) => rule(`${matchOf(flow)} drop`, `dropped: other peers of ${flow.service}`)) : []
  const rules = isForwarding(policy)
    ? [
        rule('ct state established,related accept', 'replies to forwarded connections'),
        ...denied,
        ...opened,
        ...closed,
        ...(policy.interfaces ?? []).flatMap(interfaceRules),
        ...(policy.forward === 'drop' ? ['', rule('counter name drop_forward', 'dropped, counted: everything else')] : []),
      ]
    : []
  return `  chain forward {
    type filter hook forward priority filter; policy ${policy.forward};
${rules.map(indent(2)).join('')}  }
`
}

const interfaceRules = ({ name, forward }: InterfaceRules): readonly string[] =>
  forward.length === 0
    ? []
    : [
        '',
        ...forward.map((to) =>
          rule(
            `iifname "${name}"${to === 'any' ? '' : ` oifname "${to}"`} accept`,
            `forwarded from ${name} to ${to === 'any' ? 'every interface' : to}`,
          ),
        ),
      ]
