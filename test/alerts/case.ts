/** One or several times after the first measurement. */
type Times = string | readonly string[]

interface Measurements {
  /** Values of each series, one per interval, in promtool's notation: `1x4 0x20`. */
  readonly series: Readonly<Record<string, string>>
  /** Time between two values. Default: the scrape interval. */
  readonly interval?: string
  /** True if the case covers hours: the rules are then evaluated every minute instead of every five seconds. */
  readonly isLong?: boolean
}

/** One case of an alert: measurements, times at which the alert must not fire, and the alert that must fire at others, if any. */
export type AlertCase = Measurements &
  (
    | {
        readonly silentAt?: Times
        readonly firingAt: Times
        /** Labels of the alert, without its severity. */
        readonly labels?: Readonly<Record<string, string>>
        readonly summary: string
      }
    | { readonly silentAt: Times }
  )

/** Measurements, and the values of a recording rule at a time, by the labels of the result: `{host="web-01"}`. */
export interface RecordCase extends Measurements {
  readonly at: string
  readonly values: Readonly<Record<string, number>>
}

/** Cases by the name of their record. */
export type RecordCases = Readonly<Record<string, RecordCase>>

/** Cases by the name of their alert. */
export type AlertCases = Readonly<Record<string, readonly AlertCase[]>>

/** A series that is 0 from 50 to 140 seconds, and an alert that fires after `seconds` of it, and for half a minute afterwards. */
export const outage = (series: string, seconds: number, labels: Readonly<Record<string, string>>, summary: string): AlertCase => ({
  series: { [series]: '1x4 0x9 1x20' },
  silentAt: [`${45 + seconds}s`, '180s'],
  firingAt: [`${50 + seconds}s`, '175s'],
  ...{ labels, summary },
})
