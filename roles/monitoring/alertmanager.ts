import type { Text } from 'provision'
import type { Options } from './options.ts'
import { receiverOf } from './receivers.ts'
import { type HostsNamed, intervalsOf, routeOf } from './routes.ts'
import { CAUSES } from './rules/causes.ts'
import { yaml } from './yaml.ts'

/** Content of alertmanager.yml. Messages link to `page`, the address of the dashboard. */
export const alertmanagerConfig = (options: Options, page?: string, hostsNamed?: HostsNamed): Text => {
  const { heartbeat, receivers } = options
  const intervals = intervalsOf(options)
  return yaml({
    ...(intervals.length > 0 && { mute_time_intervals: intervals }),
    route: routeOf(options, hostsNamed),
    inhibit_rules: CAUSES.map(([cause, effects]) => ({
      source_matchers: [`alertname=~"${cause}"`],
      target_matchers: [`alertname=~"${effects}"`, `alertname!~"${cause}"`],
      equal: ['host'],
    })),
    receivers: [
      { name: 'nobody' },
      ...(heartbeat === undefined ? [] : [{ name: 'heartbeat', webhook_configs: [{ url: heartbeat, send_resolved: false }] }]),
      ...receivers.map((one) => receiverOf(one, page === undefined ? '' : `${page}#${NAME}`)),
    ],
  })
}

/** Name of the alerts of a message, which is an anchor on the page. */
const NAME = '{{ .CommonLabels.alertname }}'
