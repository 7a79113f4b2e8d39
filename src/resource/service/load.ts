import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { forgetScript, restoreScript } from '../file/undo.ts'
import { DIGESTS, STAMPS, untrustedScript } from '../kind/stamp.ts'
import { type Answer, HostRefusal, requireSuccess } from '../kind/step.ts'
import { factPaths, factsScript, type LoadedFact } from './facts.ts'

/** Method by which a running service loads its files. A `reload` becomes a restart if the unit cannot reload. */
export type LoadMode = 'reload' | 'restart'

/** Files and options of a load. */
export interface Load {
  readonly unit: string
  /** Paths of the files that the service loads, in declared order. The stamp contains their digests. */
  readonly files: readonly string[]
  /** Paths that only a restart loads; also in the stamp. */
  readonly restarts?: readonly string[]
  /** What else it loads; also in the stamp. */
  readonly facts?: readonly LoadedFact[]
  readonly mode: LoadMode
  /** Start the service if it does not run. Otherwise a stopped service is skipped: it reads its files when it starts. */
  readonly start?: boolean
  /** The set whose previous version is in the undo directory: restored if the service rejects the new one, deleted if it accepts it. */
  readonly set?: string | undefined
  /** POSIX sh that must succeed after the load. `$pid` is the new main process, `$kids` its previous children. Output is shown on failure. */
  readonly took?: Script | undefined
}

/**
 * For `took`: waits up to 15 s for a new worker. A missing worker is the only sign that nginx or haproxy rejected a reload (haproxy tries
 * to bind its ports for two seconds, longer on a busy host). Then it waits a second for the old workers to close, so that new workers
 * answer the next requests.
 */
export const newWorker = sh`
new_worker() { for k in $(cat "/proc/$pid/task/$pid/children"); do case " $kids " in *" $k "*) ;; *) return 0 ;; esac; done; return 1; }
old_worker() { for k in $kids; do [ ! -d "/proc/$k" ] || return 0; done; return 1; }
i=0; until new_worker; do
  [ $i -lt 150 ] || { echo "$unit started no new worker: its main process rejected the new configuration"; exit 1; }
  sleep 0.1; i=$((i+1))
done
i=0; while old_worker && [ $i -lt 10 ]; do sleep 0.1; i=$((i+1)); done
exit 0`

/**
 * A script that makes a service load its files and verifies it. On success it writes the stamp and deletes the saved set. On failure it
 * restores the set, loads that and exits with 1. Pass its answer to `checkLoaded`.
 */
export const loadScript = ({ unit, files, restarts = [], facts = [], mode, start = false, set, took }: Load): Script => sh`(
unit=${unit} mode=${mode} start=${start ? 'yes' : 'no'} loads=${files.length + restarts.length + facts.length} stamp=${`${STAMPS}/${unit}`} type= work=$(mktemp -d "$T/XXXXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
set -- ${[...new Set([...files, ...restarts])]}
${untrustedScript([...files, ...restarts])}
${sumsFunction(facts)}
restart_sums() { file_sums ${restarts}; ${factsScript(facts.filter(isRestart))}
}
newer() { ${restarts.length === 0 && !facts.some(isRestart) ? sh`false` : sh`find ${restarts} ${factPaths(facts.filter(isRestart))} -maxdepth 0 -newerct "$(systemctl show --timestamp=us+utc -P StateChangeTimestamp -- "$unit")" 2>/dev/null | grep -q .`}; }
took() { :
${took ?? sh``}
}
forget() { ${set === undefined ? sh`:` : forgetScript(set)}; }
restore() { :
${set === undefined ? sh`` : restoreScript(set)}
}
${loadFunctions}
load "$@"
)`

const isRestart = ({ restarts }: LoadedFact): boolean => restarts

/** Shell function `sums`: the lines of a stamp for these files, and for facts. */
const sumsFunction = (facts: readonly LoadedFact[]): Script => sh`
file_sums() { for p do [ -e "$p" ] || printf 'absent %s\\n' "$p"; done; [ $# = 0 ] || digests "$@"; }
sums() { file_sums "$@"; ${factsScript(facts)}
}`

/**
 * A script that writes a stamp with what a running service has loaded now, before this run changes one of its facts: an interrupted run then
 * restarts it. A stamp that is valid stays. Without `files`, the files count as not loaded.
 */
export const baselineScript = ({ unit, files, facts = [] }: Pick<Load, 'unit' | 'files' | 'facts'>): Script => sh`(
stamp=${`${STAMPS}/${unit}`}; work=$(mktemp -d "$T/XXXXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
at=$(systemctl show -P StateChangeTimestampMonotonic -- ${unit}) || exit 1
{ [ -f "$stamp" ] && read -r stamped <"$stamp" && [ "$stamped" = "$at" ]; } || {
  set -- ${files}
  ${untrustedScript(files)}
  ${sumsFunction(facts)}
  mkdir -p \${stamp%/*} && { printf '%s\\n' "$at"; sums "$@"; } >"$stamp.new" && mv -f "$stamp.new" "$stamp"
}
)`

/** Shell functions that `loadScript` needs; once per request. */
export const LOAD_FUNCTIONS = DIGESTS

// Where `at` is the time of the unit's last change of state, which moves at every start, restart and reload.
const loadFunctions = sh`
read_state() {
  state= result= ended= pid= at= can= again=
  while IFS='=' read -r key value; do case $key in
    ActiveState) state=$value ;; ReloadResult) result=$value ;; MainPID) pid=$value ;; CanReload) can=$value ;; Type) type=$value ;;
    NRestarts) again=$value ;; Result) ended=$value ;; StateChangeTimestampMonotonic) at=$value ;;
  esac; done <<SHOW
$(systemctl show -p ActiveState,Result,ReloadResult,MainPID,CanReload,Type,NRestarts,StateChangeTimestampMonotonic -- "$unit")
SHOW
}
running() { case $state in active|reloading) ;; *) return 1 ;; esac; }
fresh() { [ "$(cat "$stamp" 2>/dev/null)" = "$at
$sums" ]; }
needs_restart() {
  [ "$can" = yes ] || return 0
  if [ -f "$stamp" ] && read -r stamped <"$stamp" && [ "$stamped" = "$at" ]; then [ -n "$(restart_sums | grep -Fxvf "$stamp")" ]; else newer; fi
}
perform() {
  : >"$work/took"
  [ "$1" != start ] || systemctl reset-failed -- "$unit" 2>/dev/null
  systemctl "$1" -- "$unit" >"$work/output" 2>&1 || return 1
  read_state; i=0
  while [ "$state" = reloading ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i+1)); read_state; done
  case $1$type in startsimple|startexec|startidle|restartsimple|restartexec|restartidle)
    # systemd reports these types as started once they are forked, before they read their configuration.
    was_pid=$pid was_again=$again; sleep 1; read_state; [ "$pid$again" = "$was_pid$was_again" ] || return 1 ;;
  esac
  [ "$state" = active ] || return 1
  [ "$1" != reload ] || [ "$result" = success ] || return 1
}
taken() { perform "$1" && ( took ) >"$work/took" 2>&1 && read_state && [ "$state" = active ]; }
settled() {
  [ "$loads" = 0 ] || { mkdir -p "\${stamp%/*}" && printf '%s\\n%s\\n' "$at" "$sums" >"$stamp.new" && mv -f "$stamp.new" "$stamp"; } || exit 1
}
log_excerpt() {
  cat "$work/took"; journalctl --sync 2>/dev/null
  # Its own -n would count forward from --since.
  journalctl -u "$unit" --no-pager -q -o cat --since "@$began" 2>/dev/null | tail -n 15 >"$work/journal"; if [ -s "$work/journal" ]; then cat "$work/journal"; else cat "$work/output"; fi
}
refused() {
  log_excerpt >"$work/log"; after=kept; first=$type$state$ended
  ( restore ) >&2; new=$sums; sums=$(sums "$@")
  if [ "$sums" != "$new" ]; then
    after=restored
    [ "$(systemctl show -P NeedDaemonReload -- "$unit")" != yes ] || systemctl daemon-reload
    if [ -n "$was" ]; then
      read_state; back=start; running && { back=$how; }
      if perform "$back"; then settled "$@"; else after=down; rm -f "$stamp"; fi
    fi
  elif [ -n "$was" ]; then read_state; running || after=down; fi
  [ -n "$was" ] || { systemctl stop -- "$unit" 2>/dev/null; rm -f "$stamp"; [ "$after" = restored ] || after=stopped; }
  case $first in oneshotinactivesuccess) how=oneshot ;; esac
  printf 'provision-refused %s %s %s\\n' "$unit" "$how" "$after"
  cat "$work/log" >&2; exit 1
}
load() {
  read_state; sums=$(sums "$@"); was= kids=; began=$(date +%s)
  if running; then
    was=1; [ "$loads" != 0 ] && ! fresh || { forget; exit 0; }
    kids=$(cat "/proc/$pid/task/$pid/children" 2>/dev/null)
    how=$mode; [ "$how" = restart ] || ! needs_restart || how=restart
  elif [ "$start" = yes ]; then how=start
  else exit 0; fi
  printf 'provision-doing: %sing %s\\n' "$how" "$unit" 2>/dev/null
  taken "$how" || refused "$@"
  settled "$@"; forget
}`

/** Throws `HostRefusal` with the last log lines of the service if a load failed. `done`: applied resources of the batch. */
export const checkLoaded = (answer: Answer, done: readonly string[] = []): void => {
  if (answer.code === 0) return
  const [, unit, how, after = ''] = /^provision-refused (\S+) (\S+) (\S+)$/m.exec(answer.stdout.toString()) ?? []
  if (unit === undefined) {
    requireSuccess(answer, 'service not changed')
    return
  }
  if (how === 'oneshot') throw endsAtOnce(unit, done)
  const verb = { start: 'did not start', restart: 'did not restart' }[how ?? ''] ?? 'rejected its new configuration'
  const why = answer.stderr.trim()
  // A service that ran refused what it was given; one that did not start can have reasons of its host.
  const othersToo = how !== 'start'
  throw new HostRefusal(`${unit} ${verb}`, why === '' ? 'the service logged nothing' : why, AFTER[after] ?? AFTER.kept, { done, othersToo })
}

/** A oneshot service cannot be declared as running: it is inactive once its command has ended. */
export const endsAtOnce = (unit: string, done: readonly string[] = []): HostRefusal =>
  new HostRefusal(
    `${unit} does not stay active`,
    'it is a oneshot service without RemainAfterExit=yes: it runs its command and is inactive again',
    'declare it with running: false and start it by a timer, or set RemainAfterExit=yes in the unit',
    { done },
  )

const AFTER: Readonly<Record<string, string>> = {
  restored: 'correct the content of its files in the role; the previous configuration is restored',
  kept: 'correct its files; it still runs with the previous configuration',
  stopped: 'correct its files; it is stopped, as before',
  down: 'correct its files; it is stopped now',
}
