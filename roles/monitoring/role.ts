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

  check: ({ options: { servers, receivers }, site }) => {
    const members = site.group(servers)
    const unbound = members.filter((one) => !site.withRole('monitoring').includes(one))
    const names = receivers.map(({ name }) => name)
    return [
      ...(members.length > 0
        ? []
        : [{ path: ['servers'], what: `no host is in the group ${servers}`, fix: 'name the group of the hosts that watch the others' }]),
      ...unbound.map(({ name }) => ({
        path: ['servers'],
        what: `${name} is in the group ${servers}, and no play binds the role monitoring to it`,
        fix: 'bind the role to all hosts',
      })),
      ...names.flatMap((name, i) =>
        names.indexOf(name) < i || RESERVED.includes(name)
          ? [{ path: ['receivers', i, 'name'], what: `another receiver is called ${name}`, fix: 'give it another name' }]
          : [],
      ),
    ]
  },

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

/** Receivers of our own. */
const RESERVED = ['nobody', 'heartbeat']
