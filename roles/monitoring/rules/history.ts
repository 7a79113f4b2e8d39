import { CAUSES } from './causes.ts'
import type { Recorded } from './rule.ts'

/** Seconds between two evaluations of the group `uptime`, whose rules read long ranges. */
export const UPTIME_SECONDS = 300

const FIRING = 'alertstate="firing"'

/** Firing alerts that no other one explains, and since when each alert fires. */
export const alertRecords = (): readonly Recorded[] => [
  {
    record: 'alert:causes',
    expr: [
      `ALERTS{${FIRING},severity!="none"}`,
      ...CAUSES.map(
        ([cause, effects]) =>
          `(ALERTS{${FIRING},alertname=~"${effects}",alertname!~"${cause}"} and on (host) ALERTS{${FIRING},alertname=~"${cause}"})`,
      ),
    ].join(' unless '),
  },
  // Each time that an alert begins to fire, the value changes.
  { record: 'alert:began_seconds', expr: `ALERTS_FOR_STATE{severity!="none"} and ignoring (alertstate) ALERTS{${FIRING}}` },
]

/** Share of the successful probes of each site. The label `days` is the length of a period; it is known as far as measurements are kept. */
export const uptimeRecords = (): readonly Recorded[] => [
  { record: 'probe:up', expr: 'avg by (instance) (avg_over_time(probe_success{job="site"}[5m]))' },
  ...[30, 90].flatMap((days) => [
    { record: `probe:up:days${days}`, expr: `avg_over_time(probe:up[${days}d])` },
    { record: `probe:known:days${days}`, expr: `count_over_time(probe:up[${days}d]) * ${UPTIME_SECONDS} / 86400` },
  ]),
]
