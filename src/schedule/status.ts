/** Properties of the service and its timer, from systemd. */
export interface UnitProperties {
  readonly service: ReadonlyMap<string, string>
  readonly timer: ReadonlyMap<string, string>
}

/** Properties to query with `systemctl show`. */
export const SERVICE_PROPERTIES = 'LoadState,ActiveState,Result,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp'
export const TIMER_PROPERTIES = 'LoadState,ActiveState,NextElapseUSecRealtime'

/** Parses the `KEY=VALUE` lines of `systemctl show`. */
export const readProperties = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=')
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1).trim()] as const]
    }),
  )

export interface Status {
  readonly installed: boolean
  readonly failed: boolean
  readonly lines: readonly string[]
}

/** Returns the last run, its result and the next run. */
export const statusOf = ({ service, timer }: UnitProperties): Status => {
  const installed = service.get('LoadState') === 'loaded' && timer.get('LoadState') === 'loaded'
  if (!installed) return { installed, failed: false, lines: ['nothing is scheduled for this project'] }
  const isRunning = ['activating', 'active'].includes(service.get('ActiveState') ?? '')
  const endedAt = service.get('ExecMainExitTimestamp') || undefined
  const failed = !isRunning && endedAt !== undefined && service.get('Result') !== 'success'
  const last = isRunning
    ? `running since ${service.get('ExecMainStartTimestamp')}`
    : endedAt === undefined
      ? 'has not run yet'
      : `${failed ? `failed (exit status ${service.get('ExecMainStatus')})` : 'succeeded'} at ${endedAt}`
  const next = timer.get('ActiveState') === 'active' ? timer.get('NextElapseUSecRealtime') || 'soon' : 'never: the timer is stopped'
  return { installed, failed, lines: [`last  ${last}`, `next  ${next}`] }
}
