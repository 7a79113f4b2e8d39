import { bracketed, type HostContext, type Resource } from 'provision'
import { authorityFiles, authorityPath } from './authorities.ts'
import { clientSettings } from './options/access.ts'
import type { Probe } from './options/probes.ts'
import type { Options } from './options.ts'
import type { ProbeTarget } from './probes.ts'
import { ELSEWHERE } from './routes.ts'
import type { Yaml } from './yaml.ts'

type Context = Pick<HostContext<Options>, 'options' | 'site'>

/** The targets of the option `probes`. */
export const ownTargets = ({ options, site }: Context): readonly ProbeTarget[] =>
  options.probes.map((probe, i) => {
    const address = addressOf(probe)
    const host = site.hosts.find(({ name }) => name === address?.host)
    const target = { job: 'url' in probe ? 'site' : 'service', host: host?.name ?? ELSEWHERE, instance: probe.name ?? shownAddress(probe) }
    return { module: ownModule(probe, i), target: targetOf(probe, host?.addresses[0]), labels: target }
  })

const shownAddress = (probe: Probe): string => {
  if ('url' in probe) return probe.url
  if ('dns' in probe) return `${probe.dns} (${probe.type} at ${probe.server})`
  return 'tcp' in probe ? probe.tcp : probe.tls
}

/** Host and port of a TCP or TLS probe. */
export const addressOf = (probe: Probe): { readonly host: string; readonly port: number } | undefined => {
  if ('url' in probe || 'dns' in probe) return undefined
  const text = 'tcp' in probe ? probe.tcp : probe.tls
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon), port: Number(text.slice(colon + 1)) }
}

const targetOf = (probe: Probe, address: string | undefined): string => {
  if ('url' in probe) return probe.url
  if ('dns' in probe) return bracketed(probe.server)
  const written = addressOf(probe)
  return `${address === undefined ? written?.host : bracketed(address)}:${written?.port}`
}

/** Requests without further options share a module. */
const ownModule = (probe: Probe, i: number): string =>
  'url' in probe && probe.status === undefined && probe.body === undefined && probe.auth === undefined && probe.ca_file === undefined
    ? 'url'
    : `own-${i + 1}`

const authorityId = (i: number): string => `probe-${i + 1}`

/** Authorities of the probes. */
export const probeAuthorities = (context: HostContext<Options>): readonly Resource[] =>
  context.options.probes.flatMap((probe, i) => ('ca_file' in probe ? authorityFiles(context, authorityId(i), 'probe', probe.ca_file) : []))

/** Whether one of the probes sends a secret. */
export const hasSecretProbe = ({ probes }: Options): boolean => probes.some((one) => 'auth' in one && one.auth !== undefined)

/** Modules of the blackbox exporter for the option `probes`, by name. */
export const ownModules = (
  { probes }: Options,
  http: (more: { readonly [key: string]: Yaml }) => Yaml,
): readonly (readonly [string, Yaml])[] =>
  probes.flatMap((probe, i) => {
    const name = ownModule(probe, i)
    if (name === 'url') return []
    return [[name, 'url' in probe ? http(httpSettings(probe, i)) : otherModule(probe, i)] as const]
  })

const httpSettings = ({ status, body, auth, ca_file }: Extract<Probe, { url: string }>, i: number): { readonly [key: string]: Yaml } => ({
  ...(status !== undefined && { valid_status_codes: [status] }),
  // A secret is sent to this address only.
  ...((status !== undefined || auth !== undefined) && { follow_redirects: false }),
  ...(body !== undefined && { fail_if_body_not_matches_regexp: [body] }),
  ...clientSettings(auth, authorityPath(authorityId(i), ca_file)),
})

const otherModule = (probe: Exclude<Probe, { url: string }>, i: number): Yaml => {
  if ('dns' in probe)
    return {
      prober: 'dns',
      timeout: '8s',
      dns: {
        query_name: probe.dns,
        query_type: probe.type,
        valid_rcodes: ['NOERROR'],
        // An answer without records is a failure too.
        validate_answer_rrs: { fail_if_not_matches_regexp: [probe.answer ?? '.'] },
      },
    }
  if ('tcp' in probe)
    return {
      prober: 'tcp',
      timeout: '8s',
      tcp: { ...(probe.answer !== undefined && { query_response: [{ expect: probe.answer }] }) },
    }
  const { server = addressOf(probe)?.host ?? '', ca_file } = probe
  return {
    prober: 'tcp',
    timeout: '8s',
    tcp: { tls: true, tls_config: { server_name: server, ca_file: authorityPath(authorityId(i), ca_file) } },
  }
}

/** Probes of ports of the site that no role opens to this monitoring server, as warnings. */
export const closedPorts = ({ options, site, flows, host: me }: HostContext<Options>): readonly string[] =>
  options.probes.flatMap((probe) => {
    const { host: name, port } = addressOf(probe) ?? {}
    if (name === undefined || name === me.name || !site.hosts.some((host) => host.name === name)) return []
    const isOpen = flows.some(
      ({ host, port: open, protocol, from }) =>
        host === name && open === port && protocol === 'tcp' && (from === 'anyone' || from.some((peer) => peer.name === me.name)),
    )
    return isOpen ? [] : [`probe of ${name}:${port}: no role opens this port of ${name} to ${me.name}`]
  })
