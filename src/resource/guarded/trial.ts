import type { Script } from '../../shell/script.ts'
import { glob, join, sh } from '../../shell/sh.ts'
import type { Answers, SharedQueries } from '../kind/queries.ts'

/**
 * A change that could lock everybody out and is tried before it is kept (see `commitConfirm`). The scripts are POSIX sh. They use `$run`
 * and `$state`, path prefixes of this trial (`"$run.new"`, `"$state.stamp"`), and `$nonce`, which differs for every change. Files below
 * `$run` are deleted by a boot, and after a change was kept.
 */
export interface Trial {
  /** Name of its marks: kind and subject, `nftables/inet-provision`. */
  readonly slug: string
  /** Names the change in messages: a field and a plural, `firewall` and `rules`. */
  readonly field: string
  readonly what: string
  /** Time the host waits for a new connection before it rolls back, in seconds. */
  readonly confirmSeconds: number
  /**
   * Validates standard input, stores it under `$run` and saves the old state. It changes nothing that is active. If `$saved` is set, an
   * unconfirmed earlier change is active, and the state saved for it remains the one to restore. `armed` can use its variables. It ends
   * with `CHANGED` if somebody has changed the old state since the observation.
   */
  readonly prepare: Script
  /** Runs after the timer is started, in the request before `load`. */
  readonly armed?: Script
  /** Activates the change, without touching what a boot loads. Undone at once if it fails. */
  readonly load: Script
  /** Activates the old state. The host runs it on its own, possibly before `load`, possibly twice. */
  readonly undo: Script
  /** Replaces what a boot loads, after confirmation. If it is interrupted, the next run repeats it. */
  readonly keep: Script
  /** Fixes to show if the host rejects the change, and if no connection confirmed it. */
  readonly fix: { readonly refused: string; readonly lockedOut: string }
}

/** Outcome of the last change, if it was not kept. */
export interface TrialState {
  /** Loaded and neither confirmed nor rolled back, in this boot or an earlier one. */
  readonly pending: 'this boot' | 'earlier boot' | undefined
  /** Confirmed in this boot, but not saved for the next one. */
  readonly unkept: boolean
  /** Time at which the host rolled back the last change (UTC). */
  readonly rolledBack: string | undefined
}

/** Path prefix of marks and other files that survive a boot. */
export const stateOf = (slug: string): string => `/var/lib/provision/${slug}`

/** Path prefix of files for this boot only: the new and the old state. */
export const runOf = (slug: string): string => `/run/provision/${slug}`

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** Shared queries for the state of these trials. */
export const trialQueries = (slugs: readonly string[]): Required<Pick<SharedQueries, 'texts'>> => ({
  texts: slugs.length === 0 ? [] : [BOOT_ID, ...slugs.map((slug) => `${stateOf(slug)}.rolled-back`)],
})

/** Script fragment for the state of these trials: prints a NUL-terminated field for each. Builtins only. */
export const trialScript = (slugs: readonly string[]): Script =>
  sh`${slugs.map(
    (slug) =>
      sh`for mark in ${join(
        sh` `,
        MARKS.map((mark) => glob(`${stateOf(slug)}.${mark}.*`)),
      )}; do [ ! -f "$mark" ] || { IFS= read -r boot <"$mark" || :; mark=\${mark%.*}; printf '%s %s\\n' "\${mark##*.}" "$boot"; }; done; printf '\\0'`,
  )}`

// An interrupted undo has not restored the old state, so it counts as unconfirmed.
const MARKS = ['pending', 'undoing', 'confirmed']

/** Deletes confirmations of earlier boots: the change was kept, or the boot restored the old state. Builtins only if there are none. */
export const FORGET_CONFIRMED = sh`read -r boot <${BOOT_ID}
for mark in ${glob(stateOf('*/*.confirmed.*'))}; do [ ! -f "$mark" ] || { IFS= read -r marked <"$mark"; [ "$marked" = "$boot" ] || rm -f "$mark"; }; done`

/** Parses the field that `trialScript` printed for a trial. */
export const readTrial = (field: string, { texts }: Answers, slug: string): TrialState => {
  const boot = texts.get(BOOT_ID)?.[0]
  if (boot === undefined) throw new Error('the host did not report its boot id')
  const marks = field
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' '))
  const unconfirmed = marks.filter(([mark]) => mark !== 'confirmed').map(([, id]) => (id === boot ? 'this boot' : 'earlier boot'))
  return {
    pending: unconfirmed.find((when) => when === 'this boot') ?? unconfirmed[0],
    unkept: marks.some(([mark, id]) => mark === 'confirmed' && id === boot),
    rolledBack: texts.get(`${stateOf(slug)}.rolled-back`)?.[0],
  }
}

/** Describes the state for the reason of a change. The change is a debt of safety if `pending` is `this boot`. */
export const trialHistory = (what: string, { pending, unkept, rolledBack }: TrialState): string | undefined => {
  if (pending === 'this boot') return `${what} loaded but not confirmed by a new connection`
  if (unkept) return `${what} confirmed but not saved for the next boot`
  if (pending === 'earlier boot') return `last change not confirmed before a reboot, old ${what} restored`
  return rolledBack === undefined ? undefined : `last change rolled back by the host at ${rolledBack}, no new connection confirmed it`
}
