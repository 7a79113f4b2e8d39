import { defineRole, type SiteContext } from 'provision'
import { agentResources } from './agent.ts'
import { ownCheckResources } from './checks/own.ts'
import { checksResources } from './checks/resources.ts'
import { clusterListens } from './cluster.ts'
import { connectionsOf } from './connects.ts'
import { dashboardListens } from './dashboard/resources.ts'
import { faultsIn } from './faults.ts'
import { type Options, options } from './options.ts'
import { closedPorts } from './own-probes.ts'
import { includesHost } from './routes.ts'
import { serverResources } from './server.ts'
import { checksOf } from './verify.ts'

/** Exporters on every host. On monitoring servers also Prometheus, alert rules, Alertmanager and the dashboard. */
export default defineRole({
  name: 'monitoring',
  summary: 'measures every host and alerts the administrators before their users notice',
  options,

  listens: (context) => [
    { service: 'metrics', port: context.options.port, protocol: 'tcp', from: [{ group: context.options.servers }], encrypted: true },
    ...(isServer(context) ? [...clusterListens(context), ...dashboardListens(context)] : []),
  ],

  connects: (context) => (isServer(context) ? connectionsOf(context.options) : []),

  exposes: (context) =>
    context.options.targets.flatMap((one) =>
      'at' in one && includesHost(context, one.hosts) ? [{ type: 'metrics', job: one.job, format: 'prometheus', at: one.at } as const] : [],
    ),

  check: faultsIn,

  resources: (context) => {
    const { options: given, warn } = context
    if (isServer(context) && given.receivers.length === 0) warn('no alert receivers are configured; add one under monitoring.receivers')
    if (isServer(context)) for (const fault of closedPorts(context)) warn(fault)
    return [
      ...agentResources(context, isServer(context)),
      ...checksResources(context),
      ...ownCheckResources(context),
      ...(isServer(context) ? serverResources(context) : []),
    ]
  },

  verify: (context) => checksOf(context, isServer(context)),
})

const isServer = ({ options, site, host }: SiteContext<Options>): boolean => site.group(options.servers).includes(host)
