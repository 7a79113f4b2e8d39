import { Problem, placeOf, type Where } from '../problem.ts'
import { list } from '../site/source/suggest.ts'
import { type Cause, type Complain, joined, resolvePeers } from './peers.ts'
import type { Flow, HostView, Listen, SiteView } from './role.ts'
import { wayOf } from './way.ts'

/** What one role on one host says it listens on, and the place in the playbook that put it there. */
export interface Declared {
  readonly host: HostView
  readonly role: string
  readonly listens: readonly Listen[]
  readonly where: Where
  /** The option in which this stands, where one option alone has it. */
  optionWith?(written: unknown): Where | undefined
}

/** Where a host stands in the inventory. */
type PlaceOfHost = (name: string) => Where | undefined

/**
 * Every permitted way into every host: what all roles listen on, their peers resolved to hosts and addresses. A port that two
 * roles declare alike is one flow; all that cannot be is a problem at the place that caused it.
 */
export const resolveFlows = (
  declared: readonly Declared[],
  site: SiteView,
  placeOfHost: PlaceOfHost = () => undefined,
): { readonly flows: readonly Flow[]; readonly problems: readonly Problem[] } => {
  const complaints: Complaint[] = []
  const claims = new Map<string, Claim>()
  for (const one of declared) {
    const { host, role } = one
    const complain: Complain = (what, fix, cause) =>
      void complaints.push({ where: placeOfCause(one, placeOfHost, cause), role, host: host.name, what, fix })
    for (const listen of unitedListens(one.listens)) {
      const from = resolvePeers(host, listen, site, complain)
      if (from === undefined) continue
      const { service, port, protocol, encrypted = false } = listen
      const flow: Flow = { host: host.name, role, service, port, protocol, encrypted, from }
      const where = placeOfCause(one, placeOfHost, { written: port })
      const key = `${host.name} ${wayOf(listen)}`
      const first = claims.get(key)
      if (first === undefined) claims.set(key, { flow, where })
      else if (first.flow.role === role && first.flow.service === service)
        claims.set(key, { flow: { ...flow, from: joined(first.flow.from, from) }, where: first.where })
      else complainOfTwo(first, flow, where, complain)
    }
  }
  return { flows: [...claims.values()].map(({ flow }) => flow), problems: together(complaints) }
}

interface Claim {
  readonly flow: Flow
  readonly where: Where
}

/** What a role says of one service on one port in several entries is one entry, encrypted if all of them are. */
const unitedListens = (listens: readonly Listen[]): readonly Listen[] => {
  const same = Map.groupBy(listens, (listen) => `${wayOf(listen)} ${listen.service}`)
  return [...same.values()].flatMap((entries) =>
    entries.slice(0, 1).map((first) => ({
      ...first,
      encrypted: entries.every(({ encrypted }) => encrypted === true),
      from: entries.flatMap(({ from }) => from),
    })),
  )
}

/** Roles that say the same of a port share it. */
const complainOfTwo = ({ flow: first, where: there }: Claim, flow: Flow, where: Where, complain: Complain): void => {
  const { service } = flow
  if (first.service !== service) {
    complain(
      `wants ${wayOf(flow)} for ${service}, which role ${first.role} has for ${first.service} (${placeOf(there)})`,
      'give one of the two another port, or take one of the roles from this host',
      { where },
    )
    return
  }
  const otherwise =
    namesIn(first.from) !== namesIn(flow.from)
      ? `lets others come to ${service} on ${wayOf(flow)} than role ${first.role} does`
      : `says that ${service} on ${wayOf(flow)} is ${flow.encrypted ? '' : 'not '}encrypted, and role ${first.role} says otherwise`
  if (namesIn(first.from) !== namesIn(flow.from) || first.encrypted !== flow.encrypted)
    complain(`${otherwise} (${placeOf(there)})`, 'let both roles say the same, or give one of the two another port', { where })
}

const namesIn = (from: Flow['from']): string =>
  from === 'anyone'
    ? '*'
    : from
        .map(({ name }) => name)
        .sort()
        .join(' ')

const placeOfCause = ({ where, optionWith }: Declared, placeOfHost: PlaceOfHost, cause: Cause | undefined): Where => {
  if (cause === undefined) return where
  if ('where' in cause) return cause.where
  return ('host' in cause ? placeOfHost(cause.host) : optionWith?.(cause.written)) ?? where
}

interface Complaint {
  readonly where: Where
  readonly role: string
  readonly host: string
  readonly what: string
  readonly fix: string
}

/** A mistake that shows on several hosts is told once. */
const together = (complaints: readonly Complaint[]): readonly Problem[] =>
  [...Map.groupBy(complaints, ({ host: _, ...rest }) => JSON.stringify(rest)).values()].flatMap((each) =>
    each.slice(0, 1).map(({ where, role, what, fix }) => {
      const hosts = [...new Set(each.map(({ host }) => host))]
      return new Problem({ class: 'input', where, what: `role ${role} on ${list(hosts)}: ${what}`, fix })
    }),
  )
