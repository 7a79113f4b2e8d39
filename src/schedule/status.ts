/** What systemd says of the service and its timer: `KEY=VALUE` lines, both units one after the other. */
export interface Said {
  readonly service: ReadonlyMap<string, string>
  readonly timer: ReadonlyMap<string, string>
}

/** What to ask systemd for. */
export const SERVICE_PROPERTIES = 'LoadState,ActiveState,Result,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp'
export const TIMER_PROPERTIES = 'LoadState,ActiveState,NextElapseUSecRealtime'

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

/** When it ran, how that ended, and when it runs next. */
export const statusOf = ({ service, timer }: Said): Status => {
  const installed = service.get('LoadState') === 'loaded' && timer.get('LoadState') === 'loaded'
  if (!installed) return { installed, failed: false, lines: ['nothing is scheduled for this project'] }
  const runs = ['activating', 'active'].includes(service.get('ActiveState') ?? '')
  const ended = service.get('ExecMainExitTimestamp') || undefined
  const failed = !runs && ended !== undefined && service.get('Result') !== 'success'
  const last = runs
    ? `running since ${service.get('ExecMainStartTimestamp')}`
    : ended === undefined
      ? 'has not run yet'
      : `${failed ? `failed (exit ${service.get('ExecMainStatus')})` : 'succeeded'} at ${ended}`
  const next = timer.get('ActiveState') === 'active' ? timer.get('NextElapseUSecRealtime') || 'soon' : 'never: the timer is stopped'
  return { installed, failed, lines: [`last  ${last}`, `next  ${next}`] }
}
