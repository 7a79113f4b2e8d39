import type { SiteContext, SiteView } from 'provision'
import { DAYS, type QuietHours } from './options/alerts.ts'
import type { Options } from './options.ts'
import type { Yaml } from './yaml.ts'

/** Name of the test alert that `provision verify` sends to each receiver. */
export const TEST_ALERT = 'TestAlert'

/** Returns the names of the hosts of a group, or the host of this name; empty if there is neither. */
export type HostsNamed = (name: string) => readonly string[]

/** The host label of measurements that come from outside the site. */
export const ELSEWHERE = 'elsewhere'

export const hostsIn =
  (site: SiteView): HostsNamed =>
  (name) => {
    if (name === ELSEWHERE || site.hosts.some((host) => host.name === name)) return [name]
    return (name === 'all' ? site.hosts : site.group(name)).map((host) => host.name)
  }

/** Whether the host is among these hosts and groups. */
export const includesHost = ({ host, site }: Pick<SiteContext<unknown>, 'host' | 'site'>, names: readonly string[]): boolean =>
  names.some((name) => hostsIn(site)(name).includes(host.name))

/** The routing of alerts: the heartbeat, test alerts, silences, and each receiver by severity. */
export const routeOf = (options: Options, hostsNamed: HostsNamed = (name) => [name]): Yaml => {
  const { interval_seconds: interval, repeat_hours, heartbeat, receivers } = options
  return {
    receiver: 'nobody',
    group_by: ['alertname', 'host', 'instance'],
    // Gives a cause time to arrive before its effects are sent.
    group_wait: '5s',
    group_interval: `${Math.max(10, interval)}s`,
    repeat_interval: `${Math.round(repeat_hours * 60)}m`,
    routes: [
      ...(heartbeat === undefined
        ? []
        : [{ receiver: 'heartbeat', matchers: ['alertname="Watchdog"'], group_wait: '0s', group_interval: '1m', repeat_interval: '50s' }]),
      ...receivers.map(({ name }) => ({
        receiver: name,
        matchers: [`alertname="${TEST_ALERT}"`, `receiver="${name}"`],
        group_wait: '0s',
      })),
      { receiver: 'nobody', matchers: ['severity="none"'] },
      ...silencesOf(options, hostsNamed),
      ...deliveries(options, []),
    ],
  }
}

/** Routes to all receivers, muted at these intervals. Critical alerts have no quiet hours. */
const deliveries = ({ receivers, quiet_hours }: Options, muted: readonly string[]): readonly Yaml[] =>
  receivers.flatMap(({ name, severities }) => {
    const to = (matcher: string, intervals: readonly string[]): Yaml => ({
      receiver: name,
      matchers: [matcher],
      continue: true,
      ...(intervals.length > 0 && { mute_time_intervals: intervals }),
    })
    return quiet_hours.length === 0
      ? [to(`severity=~"${severities.join('|')}"`, muted)]
      : severities.map((one) => to(`severity="${one}"`, one === 'critical' ? muted : [...muted, QUIET]))
  })

const QUIET = 'quiet-hours'

/** Alertmanager takes the first route that matches, so a longer silence comes first. */
const silencesOf = (options: Options, hostsNamed: HostsNamed): readonly Yaml[] =>
  options.silence
    .toSorted((a, b) => (b.until ?? FOREVER).localeCompare(a.until ?? FOREVER))
    .map(({ rule, hosts, until }) => {
      const names = hosts?.flatMap((name) => hostsNamed(name))
      const matchers = [
        `alertname="${rule}"`,
        ...(names === undefined ? [] : [`host=~"${[...new Set(names)].join('|').replaceAll('.', '[.]')}"`]),
      ]
      return until === undefined
        ? { receiver: 'nobody', matchers }
        : { receiver: 'nobody', matchers, routes: deliveries(options, [untilName(until)]) }
    })

const FOREVER = '9999'

const untilName = (date: string): string => `until-${date}`

/** Intervals at which routes are muted, under the key that Alertmanager also reads before 0.24. */
export const intervalsOf = ({ quiet_hours, silence }: Options): readonly Yaml[] => [
  ...(quiet_hours.length === 0 ? [] : [{ name: QUIET, time_intervals: quiet_hours.flatMap(quietTimes) }]),
  ...[...new Set(silence.flatMap(({ until }) => until ?? []))].map((date) => ({ name: untilName(date), time_intervals: daysUntil(date) })),
]

/** An interval ends at midnight, so hours beyond it are two intervals. */
const quietTimes = ({ from, to, days, time_zone }: QuietHours): readonly Yaml[] => {
  const interval = (start: string, end: string, later: number): Yaml => ({
    times: [{ start_time: start, end_time: end }],
    ...(days !== undefined && { weekdays: days.map((day) => WEEKDAYS[(DAYS.indexOf(day) + later) % 7] ?? '') }),
    ...(time_zone !== 'UTC' && { location: time_zone }),
  })
  if (from < to) return [interval(from, to, 0)]
  return [interval(from, '24:00', 0), ...(to === '00:00' ? [] : [interval('00:00', to, 1)])]
}

const WEEKDAYS = ['monday', 'tuesday', 'wednesday', 'thursday', 'friday', 'saturday', 'sunday']

/** All days up to this one. */
const daysUntil = (date: string): readonly Yaml[] => {
  const [year = 0, month = 0, day = 0] = date.split('-').map(Number)
  return [
    { years: [`1970:${year - 1}`] },
    ...(month === 1 ? [] : [{ years: [`${year}`], months: [`1:${month - 1}`] }]),
    { years: [`${year}`], months: [`${month}`], days_of_month: [`1:${day}`] },
  ]
}
