interface Measurements {
  /** Values of each series, one per interval, in promtool's notation: `1x4 0x20`. */
  readonly series: Readonly<Record<string, string>>
  /** Time between two values. Default: the scrape interval. */
  readonly interval?: string
}

/** One case of an alert: measurements, a time at which the alert must not fire yet, and the alert that must fire later, if any. */
export type AlertCase = Measurements &
  (
    | {
        readonly silentAt?: string
        readonly firingAt: string
        /** Labels of the alert, without its severity. */
        readonly labels?: Readonly<Record<string, string>>
        readonly summary: string
      }
    | { readonly silentAt: string }
  )

/** Cases by the name of their alert. */
export type AlertCases = Readonly<Record<string, readonly AlertCase[]>>
