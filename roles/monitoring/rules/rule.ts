import type { Limits } from '../options.ts'

/** What the rules are made from. */
export interface Numbers {
  /** Between two measurements. */
  readonly interval: number
  /** The shortest time over which a rate can be told: `1m`. */
  readonly window: string
  /** Seconds between two looks that a host takes at itself. */
  readonly checks: number
  readonly limits: Limits
  /** How many members the cluster of databases has, by what the roles say. */
  readonly members: number
}

/** A value that is computed once and kept, under a name. */
export interface Recorded {
  readonly record: string
  readonly expr: string
}

/** When an administrator is told, how urgently and in which words, and how it is known to work. What to do stands in `runbooks.ts` under its name. */
export interface Alert {
  readonly alert: string
  readonly expr: string
  /** Seconds that it must hold. */
  readonly for?: number
  /** Seconds that it goes on after that: a cause must outlive its effects, or they are told when it ends. */
  readonly keep?: number
  readonly severity: 'critical' | 'warning' | 'none'
  readonly summary: string
}

export type Rule = Recorded | Alert

/** Hosts by the name that a balancer knows them by. */
export const byServer = (expr: string): string => `label_replace(${expr}, "host", "$1", "server", "(.+)")`

/** How long a cause goes on after it ended. */
export const KEEP = 30
