import { bracketed, file, type HostContext, type Listen, leaf, type Resource, type SiteContext } from 'provision'
import { PKI, TRUSTED } from './agent.ts'
import type { Options } from './options.ts'
import { yaml } from './yaml.ts'

const PORT = 9094
const PAIR = `${PKI}/alertmanager.pem`
const TLS = '/etc/prometheus/provision/alertmanager-cluster.yml'

const isCluster = ({ options, site }: SiteContext<Options>): boolean => site.group(options.servers).length > 1

/** Several monitoring servers form a cluster of Alertmanagers, so that each alert is sent once. */
export const clusterListens = (context: SiteContext<Options>): readonly Listen[] =>
  isCluster(context)
    ? [{ service: 'alertmanager', port: PORT, protocol: 'tcp', from: [{ group: context.options.servers }], encrypted: true }]
    : []

/** Certificate name that all peers share: Alertmanager connects to its peers by address, and verifies one name for all. */
const SHARED = 'alertmanager'

export const clusterResources = (context: HostContext<Options>): readonly Resource[] => {
  if (!isCluster(context)) return []
  const metrics = context.authority({ domain: 'metrics' })
  const pair = leaf({
    path: PAIR,
    names: [metrics.nameOf(SHARED)],
    authority: metrics,
    usages: ['server', 'client'],
    group: 'prometheus',
  })
  const files = { cert_file: PAIR, key_file: `${PAIR}.key` }
  return [
    pair,
    file({
      path: TLS,
      content: yaml({
        tls_server_config: { ...files, client_ca_file: TRUSTED, client_auth_type: 'RequireAndVerifyClientCert' },
        tls_client_config: { ...files, ca_file: TRUSTED, server_name: metrics.nameOf(SHARED) },
      }),
    }),
  ]
}

/** Cluster arguments of Alertmanager. With an empty address it opens no cluster port. */
export const clusterArguments = (context: HostContext<Options>): readonly string[] => {
  if (!isCluster(context)) return ['--cluster.listen-address=']
  const { host, site, options } = context
  const at = (address = ''): string => `${bracketed(address)}:${PORT}`
  return [
    `--cluster.listen-address=${at(host.addresses[0])}`,
    `--cluster.advertise-address=${at(host.addresses[0])}`,
    `--cluster.tls-config=${TLS}`,
    ...site
      .group(options.servers)
      .filter(({ name }) => name !== host.name)
      .map(({ addresses }) => `--cluster.peer=${at(addresses[0])}`),
  ]
}
