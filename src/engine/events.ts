import type { PlannedChange } from './plan/plan.ts'

/** Everything that an engine has to tell while it works. Whoever shows it listens; nobody below prints. */
export type Event =
  | {
      readonly type: 'host'
      readonly host: string
      readonly state: 'connecting' | 'observing' | 'waiting' | 'applying' | 'proving' | 'done'
    }
  /** What a host is doing at this moment, in words: `installing nginx`; undefined: nothing in particular. */
  | { readonly type: 'doing'; readonly host: string; readonly what: string | undefined }
  | {
      readonly type: 'change'
      readonly phase: 'planned' | 'applied' | 'failed'
      readonly change: PlannedChange
      readonly durationMs?: number
    }
  /** A host is out of service at another one while it is changed, or in again and found healthy. */
  | { readonly type: 'rolling'; readonly phase: 'out' | 'back'; readonly host: string; readonly at: string; readonly durationMs: number }
  /** A change was put back, because its host was not well. */
  | { readonly type: 'reverted'; readonly change: PlannedChange }
  /** What a person should know of what was done, and not worry about. */
  | { readonly type: 'note'; readonly host: string; readonly what: string }
  | { readonly type: 'warning'; readonly host?: string; readonly role?: string; readonly what: string }

export type Listener = (event: Event) => void
