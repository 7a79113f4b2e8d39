import type { PlannedChange } from './plan/plan.ts'

/** An event of a run. Listeners show events; the engine itself prints nothing. */
export type Event =
  | {
      readonly type: 'host'
      readonly host: string
      readonly state: 'connecting' | 'observing' | 'waiting' | 'applying' | 'proving' | 'done'
    }
  /** The present activity of a host, such as `installing nginx`; undefined when nothing is under way. */
  | { readonly type: 'doing'; readonly host: string; readonly what: string | undefined }
  | {
      readonly type: 'change'
      readonly phase: 'planned' | 'applied' | 'failed'
      readonly change: PlannedChange
      readonly durationMs?: number
    }
  /** A host was taken out of service at the host `at`, or put back there and found healthy. */
  | { readonly type: 'rolling'; readonly phase: 'out' | 'back'; readonly host: string; readonly at: string; readonly durationMs: number }
  /** A change was reverted, because its host failed or was unhealthy afterwards. */
  | { readonly type: 'reverted'; readonly change: PlannedChange }
  /** Information about what was done; it needs no action. A detail is shown with `--verbose` only. */
  | { readonly type: 'note'; readonly host: string; readonly what: string; readonly isDetail?: boolean }
  | { readonly type: 'warning'; readonly host?: string; readonly role?: string; readonly what: string }

export type Listener = (event: Event) => void
