import { randomBytes } from 'node:crypto'
import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { runOf, stateOf, type Trial } from './trial.ts'

/**
 * Applies a change and keeps it only if a new connection confirms it; otherwise the host rolls it back. A mark with the nonce of the
 * change is on the host meanwhile. Renaming it decides the outcome: the new connection renames it to `confirmed`, the host's own timer
 * to `undoing`. A boot loads the old state, because the files that it loads are replaced only after confirmation.
 *
 * In a kind of your own: `apply` is `yield* commitConfirm(trial, input)`; `observe` adds `trialQueries`, prints `trialScript` and parses
 * it with `readTrial`; `plan` returns a change if `trialHistory` returns a reason. The kinds `nftables` and `sshd` are examples.
 */
export function* commitConfirm(trial: Trial, input: Uint8Array): Steps {
  const { field, what, confirmSeconds, fix } = trial
  const nonce = randomBytes(8).toString('hex')
  const script = (body: Script): Script => sh`${pathsOf(trial, nonce)}\n${body}`
  const refused = `new ${field} ${what} not loaded`
  const withinMs = (confirmSeconds - 2) * 1000
  const armed = yield { do: 'shell', script: script(armTimerScript(trial, nonce)), input, doing: `checking the new ${field} ${what}` }
  if (armed.code === CHANGED) throw new HostRefusal(refused, outputExcerpt(armed.stderr), FIX_CHANGED)
  requireSuccess(armed, refused, fix.refused)
  requireSuccess(
    yield { do: 'shell', script: script(tryScript(trial)), doing: `loading the new ${field} ${what}` },
    refused,
    `correct them; the old ${what} are active again`,
  )
  const confirmed = yield { do: 'reconnect', script: script(confirmScript(trial, nonce)), withinMs }
  if (confirmed.code !== 0) {
    throw new HostRefusal(
      `new ${field} ${what} rolled back: no new connection confirmed them`,
      confirmed.stderr.trim() || `no new connection within ${withinMs / 1000} seconds`,
      `${fix.lockedOut}; the host restores its old ${what} ${confirmSeconds} seconds after the new ones were loaded`,
    )
  }
  requireSuccess(
    yield { do: 'shell', script: script(keepScript(trial)), doing: `saving the new ${field} ${what} for the next boot` },
    `new ${field} ${what} active, but not saved for the next boot`,
  )
}

const pathsOf = ({ slug }: Trial, nonce: string): Script => sh`umask 077; run=${runOf(slug)} state=${stateOf(slug)} nonce=${nonce}`

const unitOf = ({ slug }: Trial, nonce: string): string => `provision-${slug.split('/', 1)[0]}-${nonce}`

/**
 * Prepares the change, writes the undo script, starts the timer, then creates the mark. It finishes an interrupted undo first and deletes
 * marks of earlier changes last, so at every moment something can undo the change. The lock is the directory itself, which leaves no
 * file: the undo of an earlier change has either ended before, or finds its mark gone.
 */
const armTimerScript = (
  trial: Trial,
  nonce: string,
): Script => sh`mkdir -p "\${run%/*}" "\${state%/*}" && exec 8<"\${state%/*}" && flock 8 || exit
read -r boot </proc/sys/kernel/random/boot_id
here() { [ -e "$1" ] && read -r marked <"$1" && [ "$marked" = "$boot" ]; }
for mark in "$state".undoing.*; do ! here "$mark" || ( locked=1; . "$run.undo.\${mark##*.}" ); done
saved=; for mark in "$state".pending.* "$state".undoing.*; do ! here "$mark" || saved=1; done
{
${trial.prepare}
} || exit
{ cat >"$run.undo.$nonce" ${hereDocument(String(undoScript(trial, nonce)))}
} || exit
systemd-run -q --collect --unit=${unitOf(trial, nonce)} --on-active=${trial.confirmSeconds}s --timer-property=AccuracySec=200ms /bin/sh "$run.undo.$nonce" || exit
printf '%s\\n' "$boot" >"$state.pending.$nonce" || exit
for mark in "$state".pending.* "$state".undoing.*; do [ "$mark" = "$state.pending.$nonce" ] || rm -f "$mark"; done
${trial.armed ?? sh`:`}`

// The mark of a failed undo remains, so the next run sees it. The undo waits only 10 seconds for the lock.
const undoScript = (trial: Trial, nonce: string): Script => sh`# Restores the old state, unless the new one was confirmed.
${pathsOf(trial, nonce)}
[ "$locked" ] || { exec 8<"\${state%/*}"; flock -w 10 8; }
mv "$state.pending.$nonce" "$state.undoing.$nonce" 2>/dev/null || [ -e "$state.undoing.$nonce" ] || exit 0
(
${trial.undo}
) || exit
date -u +%Y-%m-%dT%H:%M:%SZ >"$state.rolled-back"
rm -f "$state.undoing.$nonce"`

const tryScript = ({ load }: Trial): Script => sh`(
${load}
) && exit
status=$?; sh "$run.undo.$nonce" && rm -f "$state.rolled-back"; exit "$status"`

// The answer may be lost on its way, so a change already confirmed with this nonce counts as confirmed.
const confirmScript = (trial: Trial, nonce: string): Script => sh`mv "$state.pending.$nonce" "$state.confirmed.$nonce" 2>/dev/null
if [ -e "$state.confirmed.$nonce" ]; then systemctl stop ${unitOf(trial, nonce)}.timer; exit 0; fi
echo ${`the host had already restored its old ${trial.what}`} >&2; exit 1`

const keepScript = ({ keep }: Trial): Script => sh`set -e
${keep}
rm -f "$state".confirmed.* "$state.rolled-back" "$run".*; sync "\${state%/*}"`
