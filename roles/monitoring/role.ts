import { defineRole, type SiteContext } from 'provision'
import { agentResources } from './agent.ts'
import { checksResources } from './checks/resources.ts'
import { clusterListens } from './cluster.ts'
import { dashboardListens } from './dashboard/resources.ts'
import { type Options, options } from './options.ts'
import { serverResources } from './server.ts'
import { checksOf } from './verify.ts'

/** Measures every host, and on the watching hosts judges the measurements and tells the administrators. */
export default defineRole({
  name: 'monitoring',
  summary: 'measures every host, and tells the administrators before their users do',
  options,

  listens: (context) => [
    { service: 'metrics', port: context.options.port, protocol: 'tcp', from: [{ group: context.options.servers }], encrypted: true },
    ...(isServer(context) ? [...clusterListens(context), ...dashboardListens(context)] : []),
  ],

  check: ({ options: given, site }) =>
    site.group(given.servers).length > 0
      ? []
      : [{ path: ['servers'], what: `no host is in the group ${given.servers}`, fix: 'name the group of the hosts that watch the others' }],

  resources: (context) => {
    const { options: given, warn } = context
    if (isServer(context) && given.receivers.length === 0) warn('nobody is told of alerts: name somebody in monitoring.receivers')
    return [
      ...agentResources(context, isServer(context)),
      ...checksResources(context),
      ...(isServer(context) ? serverResources(context) : []),
    ]
  },

  verify: (context) => checksOf(context, isServer(context)),
})

const isServer = ({ options, site, host }: SiteContext<Options>): boolean => site.group(options.servers).includes(host)
