import { Problem, placeOf, type Where } from '../problem.ts'
import { list } from '../site/source/suggest.ts'
import { type Cause, joined, type PeerResolver, type Report, resolvePeers } from './peers.ts'
import type { Flow, HostView, Listen, SiteView } from './role.ts'
import { portText, wayText } from './way.ts'

/** The ports of one role on one host, and the place in the playbook that binds the role. */
export interface Declared {
  readonly host: HostView
  readonly role: string
  readonly listens: readonly Listen[]
  readonly where: Where
  /** Names of the sets of networks that the host has. */
  readonly sets?: readonly string[]
  /** The option that has this value; undefined if several have it, or none. */
  optionWith?(written: unknown): Where | undefined
}

/** The place of a host in the inventory. */
type PlaceOfHost = (name: string) => Where | undefined

/**
 * Every permitted flow into every host: the ports of all roles, with their peers resolved to hosts and addresses. Two identical
 * declarations of a port are one flow. Contradictions and unknown peers are problems at the place that caused them.
 */
export const resolveFlows = (
  declared: readonly Declared[],
  site: SiteView,
  placeOfHost: PlaceOfHost = () => undefined,
): { readonly flows: readonly Flow[]; readonly problems: readonly Problem[] } => {
  const found: FlowProblem[] = []
  const claims = new Map<string, Claim>()
  const resolver: PeerResolver = { site, known: new Map() }
  for (const one of declared) {
    const { host, role } = one
    const report: Report = (what, fix, cause) =>
      void found.push({ where: placeOfCause(one, placeOfHost, cause), role, host: host.name, what, fix })
    for (const listen of mergedListens(one.listens)) {
      const from = resolvePeers(host, listen, one.sets === undefined ? resolver : { ...resolver, sets: one.sets }, report)
      if (from === undefined) continue
      const { from: _, encrypted = false, ...rest } = listen
      const flow: Flow = { host: host.name, role, ...rest, encrypted, from }
      const where = placeOfCause(one, placeOfHost, { written: listen.port })
      const key = `${host.name} ${wayText(listen)}`
      const first = claims.get(key)
      if (first === undefined) claims.set(key, { flow, where })
      else if (first.flow.role === role && first.flow.service === listen.service)
        claims.set(key, {
          flow: { ...flow, ...slowest([first.flow, flow]), from: joined(first.flow.from, from) },
          where: first.where,
        })
      else reportConflict(first, flow, where, report)
    }
  }
  return { flows: [...claims.values()].map(({ flow }) => flow), problems: mergedProblems(found) }
}

interface Claim {
  readonly flow: Flow
  readonly where: Where
}

/** The longest of the configured response times. */
const slowest = (all: readonly Pick<Listen, 'responseSeconds'>[]): Pick<Flow, 'responseSeconds'> => {
  const configured = all.flatMap(({ responseSeconds }) => responseSeconds ?? [])
  return configured.length === 0 ? {} : { responseSeconds: Math.max(...configured) }
}

/** Merges a role's entries for the same service and port. The merged entry is encrypted if all of them are. */
const mergedListens = (listens: readonly Listen[]): readonly Listen[] => {
  const same = Map.groupBy(listens, (listen) => `${wayText(listen)} ${listen.service}`)
  return [...same.values()].flatMap((entries) =>
    entries.slice(0, 1).map((first) => ({
      ...first,
      ...slowest(entries),
      encrypted: entries.every(({ encrypted }) => encrypted === true),
      from: entries.flatMap(({ from }) => from),
    })),
  )
}

/** Adds a problem unless both declarations of the port agree, apart from the role. */
const reportConflict = ({ flow: first, where: there }: Claim, flow: Flow, where: Where, report: Report): void => {
  const { service } = flow
  if (first.service !== service) {
    report(
      `${portText(flow)} for ${service} is taken by ${first.service} of role ${first.role} (${placeOf(there)})`,
      'give one of the two another port, or remove one of the roles from this host',
      { where },
    )
    return
  }
  const otherwise =
    namesIn(first.from) !== namesIn(flow.from)
      ? `${service} on ${portText(flow)} has other permitted peers than in role ${first.role}`
      : `${service} on ${portText(flow)} is ${flow.encrypted ? '' : 'not '}encrypted, unlike in role ${first.role}`
  if (namesIn(first.from) !== namesIn(flow.from) || first.encrypted !== flow.encrypted)
    report(`${otherwise} (${placeOf(there)})`, 'make both declarations the same, or give one of the two another port', { where })
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

interface FlowProblem {
  readonly where: Where
  readonly role: string
  readonly host: string
  readonly what: string
  readonly fix: string
}

/** Merges the same problem on several hosts into one. */
const mergedProblems = (found: readonly FlowProblem[]): readonly Problem[] =>
  [...Map.groupBy(found, ({ host: _, ...rest }) => JSON.stringify(rest)).values()].flatMap((each) =>
    each.slice(0, 1).map(({ where, role, what, fix }) => {
      const hosts = [...new Set(each.map(({ host }) => host))]
      return new Problem({ class: 'input', where, what: `role ${role} on ${list(hosts)}: ${what}`, fix })
    }),
  )

/** The hosts on which no play binds the role that filters the flows, in inventory order. */
export const unfilteredHosts = (
  { hosts }: { readonly hosts: ReadonlyMap<string, unknown> },
  bound: readonly { readonly host: string; readonly role: { readonly name: string } }[],
): readonly string[] => {
  const filtered = new Set(bound.filter(({ role }) => role.name === 'firewall').map(({ host }) => host))
  return [...hosts.keys()].filter((host) => !filtered.has(host))
}
