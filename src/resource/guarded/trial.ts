import type { ShellText } from '../../shell/script.ts'
import type { Answers, SharedQueries } from '../kind/queries.ts'

/**
 * A change that could lock everybody out, so that it is tried before it is kept: see `commitConfirm`. The scripts are POSIX sh and
 * find `$run` and `$state`, two beginnings of paths that are this trial's own (`"$run.new"`, `"$state.stamp"`), and `$nonce`, which
 * is another for every change. What begins with `$run` is gone after a boot, and after a change that was kept.
 */
export interface Trial {
  /** Names its marks: the kind and what it is about, `nftables/inet-provision`. */
  readonly slug: string
  /** What is tried, for people; a plural after its field: `firewall`, `rules`. */
  readonly field: string
  readonly what: string
  /** How long the host waits for a new connection before it undoes the change. */
  readonly confirmSeconds: number
  /**
   * Checks what comes on standard input, lays it by under `$run` and makes sure of a way back. Changes nothing that is in force. With
   * `$saved` set, an earlier change is in force that nobody confirmed: the way back is the one that was saved for that. Its variables
   * are there in `armed`, too.
   */
  readonly prepare: ShellText
  /** Run when the timer is set, a request before `load`. */
  readonly armed?: ShellText
  /** Puts it in force, and nothing that a boot would load. Undone at once where it fails. */
  readonly load: ShellText
  /** Puts the old state in force. Run by the host alone, perhaps before `load`, perhaps twice. */
  readonly undo: ShellText
  /** Once it is confirmed: replaces what a boot loads. May be cut off, and begun anew by the next run. */
  readonly keep: ShellText
  /** What to do when the host does not accept it, and when nobody could come in. */
  readonly fix: { readonly refused: string; readonly lockedOut: string }
}

/** What became of the last change, where it did not end well. */
export interface TrialState {
  /** In force and neither confirmed nor undone, or cut off by a boot. */
  readonly pending: 'this boot' | 'earlier boot' | undefined
  /** Confirmed in this boot, and then cut off before it was kept for the next. */
  readonly unkept: boolean
  /** When the host undid the last change by itself (UTC). */
  readonly rolledBack: string | undefined
}

/** Marks, and what else must outlive a boot. */
export const stateOf = (slug: string): string => `/var/lib/provision/${slug}`

/** What only this boot can use: what is tried, the way back. */
export const runOf = (slug: string): string => `/run/provision/${slug}`

const BOOT_ID = '/proc/sys/kernel/random/boot_id'

/** What a look asks together with other kinds, to know of these trials. */
export const trialQueries = (slugs: readonly string[]): Required<Pick<SharedQueries, 'texts'>> => ({
  texts: slugs.length === 0 ? [] : [BOOT_ID, ...slugs.map((slug) => `${stateOf(slug)}.rolled-back`)],
})

/** What a look adds to its own fragment: a field for each trial, ended by NUL. Builtins only. */
export const trialScript = (slugs: readonly string[]): string =>
  slugs
    .map(
      (slug) =>
        `for f in ${MARKS.map((mark) => `${stateOf(slug)}.${mark}.*`).join(' ')}; do [ ! -f "$f" ] || { IFS= read -r b <"$f"; f=\${f%.*}; printf '%s %s\\n' "\${f##*.}" "$b"; }; done; printf '\\0'`,
    )
    .join('\n')

// An undo that was cut off has not put the old state back: nothing is confirmed by that.
const MARKS = ['pending', 'undoing', 'confirmed']

/** What a change was confirmed by in an earlier boot says nothing of this one: it was kept, or the old state came back. Builtins only, where there is none. */
export const FORGET_CONFIRMED = `read -r boot <${BOOT_ID}
for f in ${stateOf('*/*.confirmed.*')}; do [ ! -f "$f" ] || { IFS= read -r b <"$f"; [ "$b" = "$boot" ] || rm -f "$f"; }; done`

/** Reads the field that `trialScript` printed for a trial. */
export const readTrial = (field: string, { texts }: Answers, slug: string): TrialState => {
  const boot = texts.get(BOOT_ID)?.[0]
  if (boot === undefined) throw new Error('the host could not read its boot id')
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

/** The same in words, for a verdict's reason; such a verdict is a debt of safety where `pending` says `this boot`. */
export const trialHistory = (what: string, { pending, unkept, rolledBack }: TrialState): string | undefined => {
  if (pending === 'this boot') return `${what} were loaded and nobody came in to confirm them`
  if (unkept) return `${what} were loaded and confirmed, but not kept for the next boot`
  if (pending === 'earlier boot') return `the last change was not confirmed before the host was booted: the old ${what} came back`
  return rolledBack === undefined ? undefined : `the last change was taken back by the host at ${rolledBack}: nobody came in through it`
}
