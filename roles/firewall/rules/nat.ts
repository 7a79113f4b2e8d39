import type { Forwarding, InterfaceRules, Policy } from './policy.ts'
import { indent, rule } from './text.ts'

/** Chains that translate addresses: connections that are passed on to another host, and networks behind the address of the host. */
export const natChains = ({ forwards = [], interfaces = [] }: Policy): string => {
  const sources = interfaces.flatMap(masqueradeRules)
  return [
    ...(forwards.length === 0 ? [] : [chain('prerouting', 'dstnat', forwards.map(forwardingRule))]),
    ...(sources.length === 0 ? [] : [chain('postrouting', 'srcnat', sources)]),
  ].join('')
}

const chain = (hook: string, priority: string, rules: readonly string[]): string => `
  chain ${hook} {
    type nat hook ${hook} priority ${priority}; policy accept;
${rules.map(indent(2)).join('')}  }
`

const forwardingRule = ({ name, port, protocol, to, toPort }: Forwarding): string => {
  const [family, address] = to.includes(':') ? ['ip6', `[${to}]`] : ['ip', to]
  const match = `meta nfproto ${family === 'ip' ? 'ipv4' : 'ipv6'} fib daddr type local ${protocol} dport ${port}`
  return rule(`${match} dnat ${family} to ${address}:${toPort}`, `${port}/${protocol} (${name}) passed on to ${to}`)
}

const masqueradeRules = ({ name, masquerade }: InterfaceRules): readonly string[] =>
  masquerade.map((network) =>
    rule(
      `oifname "${name}" ${network.includes(':') ? 'ip6' : 'ip'} saddr ${network} masquerade`,
      `${network} leaves ${name} with the address of the host`,
    ),
  )
