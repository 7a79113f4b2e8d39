import { parse } from 'yaml'
import haproxy from '../../../../roles/haproxy-tls/role.ts'
import type { Options } from '../../../../roles/monitoring/options.ts'
import monitoring from '../../../../roles/monitoring/role.ts'
import nginx from '../../../../roles/nginx/role.ts'
import { type Content, shownText } from '../../../../src/resource/kind/content.ts'
import { keyOf, type Resource } from '../../../../src/resource/kind/kind.ts'
import type { Exposed, Facts, Flow, HostContext, HostView } from '../../../../src/role/role.ts'
import { host, unknownIdentities } from '../context.ts'
import { localFile } from '../nginx/server.ts'

export const LB = host('lb-01', '10.0.0.11')
export const WEB = [host('web-01', '10.0.0.12'), host('web-02', 'fd00::13')]
export const ALL = [LB, ...WEB]
export const site = (servers: readonly HostView[]): HostContext<unknown>['site'] => ({
  hosts: ALL,
  group: (name) => (name === 'monitoring_servers' ? servers : name === 'web' ? WEB : name === 'load_balancers' ? [LB] : []),
  withRole: () => ALL,
})

export const exposedBy = (servers: readonly HostView[]): readonly Exposed[] => {
  const around = { site: site(servers), flows: [] }
  const balancer = haproxy.options.parse({ certificates: [{ names: ['www.example.test', 'example.test'] }] })
  return [
    ...(haproxy.exposes?.({ ...around, host: LB, options: balancer }) ?? []).map((one) => ({ ...one, host: 'lb-01', role: 'haproxy-tls' })),
    ...WEB.flatMap((web) =>
      (nginx.exposes?.({ ...around, host: web, options: nginx.options.parse({ content: 'site' }) }) ?? []).map((one) => ({
        ...one,
        host: web.name,
        role: 'nginx',
      })),
    ),
  ]
}

export interface Around {
  readonly servers?: readonly HostView[]
  readonly exposed?: readonly Exposed[]
  readonly flows?: readonly Flow[]
  readonly warn?: (text: string) => void
  readonly facts?: Partial<Facts>
}

/** The context of a host with these options. The project has the file `authorities/own.pem`. */
export const contextOf = (
  of: HostView,
  written: object = {},
  { servers = [LB], exposed, flows = [], warn, facts }: Around = {},
): HostContext<Options> => ({
  host: of,
  options: monitoring.options.parse(written),
  site: site(servers),
  facts: { distribution: 'debian', release: '12', sshPorts: [22], ...facts } as Facts,
  flows,
  exposed: exposed ?? exposedBy(servers),
  ...unknownIdentities,
  files: (directory) => (directory === 'authorities' ? [{ path: 'own.pem', content: localFile('PEM of own') }] : []),
  ...(warn !== undefined && { warn }),
})

export const declared = (...of: Parameters<typeof contextOf>): readonly Resource[] => monitoring.resources(contextOf(...of))

/** Paths of the faults that the role finds in these options: `checks.1.name`. */
export const faultPaths = (written: object): readonly string[] | undefined =>
  monitoring.check?.({ host: LB, site: site([LB]), options: monitoring.options.parse(written) }).map(({ path }) => path.join('.'))

export const contentOf = (resources: readonly Resource[], key: string): Content => {
  const found = resources.find((resource) => keyOf(resource) === key)
  if (found === undefined) throw new Error(`no ${key}`)
  const spec = found.spec as { content?: Content; file?: { content: Content } }
  return (spec.content ?? spec.file?.content) as Content
}
export const textOf = (resources: readonly Resource[], key: string): string => shownText(contentOf(resources, key)) ?? ''
// biome-ignore lint/suspicious/noExplicitAny: the configuration of another program has no type here
export const parsed = (resources: readonly Resource[], key: string): any => parse(textOf(resources, key))
