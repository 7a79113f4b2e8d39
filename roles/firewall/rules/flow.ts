import type { Flow } from 'provision'
import { distinct, fromSets, limitRules, rule, setsOf, within } from './text.ts'

const suffixOf = (flow: Flow): string => (flow.interface === undefined ? '' : `_${within(flow.interface)}`)
const wayOf = (flow: Flow): string => `${flow.protocol}_${flow.port}_${within(flow.service)}${suffixOf(flow)}`
export const counterOf = (flow: Flow): string => `in_${wayOf(flow)}`
const setOf = (flow: Flow): string => `to_${wayOf(flow)}_`

/** Whether a flow is for administrators. It has no addresses, because they are an option of this role. */
export const isForAdministrators = ({ from }: Flow): boolean => from !== 'anyone' && from.some(({ addresses }) => addresses.length === 0)

/** The condition for packets of a flow. Forwarded ones have another destination by now: connection tracking knows the original port. */
export const matchOf = (flow: Flow): string => {
  const { protocol, port } = flow
  const on = flow.interface === undefined ? '' : `iifname "${flow.interface}" `
  if (flow.forwarded === true) return `${on}meta l4proto ${protocol} ct status dnat ct original proto-dst ${port}`
  return protocol === 'vrrp' ? `${on}meta l4proto 112` : `${on}${protocol} dport ${port}`
}

export const purposeOf = (flow: Flow): string => {
  const { protocol, port, service, role, why } = flow
  const on = flow.interface === undefined ? '' : ` on ${flow.interface}`
  return `${protocol === 'vrrp' ? protocol : `${port}/${protocol}`}${on} (${service}) for ${role}${why === undefined ? '' : `: ${why}`}`
}

/** Sets and rules of a flow. The peers are sets, so that a new peer is an element and not a rule. */
export const flowRules = (flow: Flow, knowsAdministrators: boolean): { sets: readonly string[]; rules: readonly string[] } => {
  const { from, rate } = flow
  const match = matchOf(flow)
  const counter = counterOf(flow)
  const comment = purposeOf(flow)
  const limit =
    rate === undefined
      ? { sets: [], rules: [] }
      : limitRules(match, rate, {
          ...{ set: `rate_${wayOf(flow)}_`, counter: 'drop_rate' },
          comment: `dropped: ${flow.service}, more than ${rate.perMinute} new connections per minute from one address`,
        })
  if (from === 'anyone')
    return { sets: limit.sets, rules: [...limit.rules, rule(`${match} counter name ${counter} accept`, `${comment}, from anyone`)] }
  const peers = distinct(from.filter(({ addresses }) => addresses.length > 0))
  const administrators = isForAdministrators(flow) && knowsAdministrators
  return {
    sets: [...limit.sets, ...(peers.length === 0 ? [] : setsOf(setOf(flow), peers))],
    rules: [
      ...(peers.length === 0 && !administrators ? [] : limit.rules),
      ...(peers.length === 0 ? [] : fromSets(match, setOf(flow), counter, comment)),
      ...(administrators ? fromSets(match, 'administrators', counter, comment) : []),
    ],
  }
}
