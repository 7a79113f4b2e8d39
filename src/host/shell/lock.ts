import { Problem } from '../../problem.ts'
import { quote } from '../../shell/quote.ts'
import type { Target } from '../target/connection.ts'
import { DEFINE_FAMILY } from './process-family.ts'
import type { Holder } from './shell.ts'

/** Silence of a controller after which another run may take its lock. The controller sends a heartbeat every 10 seconds. */
const SILENCE_SECONDS = 30

/** Time for a connected controller to kill its own overdue step. After that, its connection counts as dead. */
const KILL_SECONDS = 90

/** Time that a run without --wait waits for the last step of a run that has ended. */
export const PATIENCE_SECONDS = 900

/**
 * The lock is an flock on fd 9, which every step inherits. It is free when no process of the run is alive. A run that finds it taken checks
 * the holder by /proc and by its heartbeat (in uptime, because clocks jump):
 *   ended   its shell is gone, a last step still runs                    wait for the step
 *   gone    its connection is gone: the controller died                  kill the shell, wait
 *   silent  idle, and no heartbeat for too long: the network is dead     kill the shell, wait
 *   busy    a step runs, so its controller cannot send a heartbeat       wait for the end of the step
 *   overdue a step runs past its deadline, and no controller kills it    kill the shell and the step with all its children
 *   alive   sends heartbeats                                             refuse, or wait with --wait
 * Killing the shell never interrupts a step within its deadline. After it, no request of the old controller is read.
 */
export const takeLock = (word: string, wait: boolean): string => `${DEFINE_FAMILY}
command -v flock >/dev/null || { echo 'flock is missing (package util-linux)' >&2; exit 96; }
L=/run/provision.lock; exec 9>>"$L" || exit 96; k=0; read -r t0 _ </proc/uptime
connected() { grep -qsE " [0-9A-F]+:$(printf %04X "$2") [0-9A-F]+:$(printf %04X "$1") 01 " /proc/net/tcp /proc/net/tcp6; }
holds() { o=$1; while read -r n _; do [ "$n" != lock: ] || { read -r n 2>/dev/null <"$o/comm"; return; }; done 2>/dev/null <"$o/fdinfo/9"; return 1; }
until flock -n 9; do
  p=; w=; { read -r p D q r && IFS= read -r w; } 2>/dev/null </run/provision.holder
  st=; b=; d=; j=; read -r st b d j 2>/dev/null <"$D/beat"
  read -r u _ </proc/uptime; b=\${b%.*}; g=$((\${u%.*}-\${b:-0}))
  if ! [ "$w" ]; then v=unknown
  elif ! holds "/proc/$p"; then v=ended
  elif ! [ "$b" ]; then v=unknown
  elif [ "$q" ] && ! connected "$q" "$r"; then v=gone
  elif [ "$g" -le ${SILENCE_SECONDS} ]; then v=alive
  elif [ "$st" = busy ]; then v=busy
  else v=silent; fi
  case $v in gone|silent) kill -9 "$p";; esac
  case "$st $v" in 'busy gone'|'busy ended') e=0 ;; 'busy busy') e=${KILL_SECONDS} ;; *) e= ;; esac
  ! [ "$e" ] || ! [ "$j" ] || [ "$g" -le $((d + e)) ] || { [ "$v" != busy ] || kill -9 "$p"; v=overdue; }
  h=; for f in /proc/[0-9]*/fd/9; do [ "$f" -ef "$L" ] && holds "\${f%/fd/9}" && h="$h $n(\${o#/proc/})"; done
  [ "$v" != overdue ] || { shell=none; family=" $j "; look; end_family; }
  k=$((k+1)); y=wait
  [ "$v" != alive ] || y=${wait ? 'wait' : 'locked'}
  [ "$v" != unknown ] || [ "$k" -lt 10 ] || y=${wait ? 'wait' : 'locked'}
  ${wait ? ':' : `[ $((\${u%.*}-\${t0%.*})) -lt ${PATIENCE_SECONDS} ] || y=locked`}
  printf '%s %s %s %s\\n%s\\n%s\\n' ${word} "$y" "$v" "$g" "$w" "$h" || exit 95
  [ "$y" = wait ] || exit 75
  if [ "$v" = unknown ]; then sleep 0.2; else flock -w 2 9 && break; fi
done`

/**
 * Removes the directories of killed shells and records the holder of the lock. (A shell that was just killed may still be a zombie, which
 * has no executable.) `begin SECONDS` is called by the process that executes a request: it records this process and the deadline.
 */
export const holdLock = (
  holder: Holder,
): string => `for d in /run/provision.[0-9]*; do p=\${d#/run/provision.}; [ -e "/proc/\${p%%.*}/exe" ] || rm -rf "$d"; done
beat() { read -r u _ </proc/uptime; printf '%s %s\\n' "$1" "$u" >"$T/beat"; }
begin() {
  z=$1; read -r x </proc/self/stat; y=\${x%% *}; set -- \${x##*) }; read -r u _ </proc/uptime
  printf 'busy %s %s %s:%s\\n' "$u" "$z" "$y" "\${20}" >"$T/beat"; unset x y z u
}
beat idle
set -- $C
printf '%s %s %s %s\\n%s\\n' "$$" "$T" "$2" "$4" ${quote(JSON.stringify(holder))} >/run/provision.holder`

/** A status line of a shell: `WORD wait|locked STATE AGE` with the holder and its processes while it waits for the lock, or `WORD open`. */
export interface LockStatus {
  readonly length: number
  readonly type: string
  /** SSH_CONNECTION for `open`, otherwise state and age. */
  readonly rest: readonly string[]
  readonly holder: string
  readonly processes: string
}

/** The first complete status in the output, or undefined. */
export const nextStatus = (output: Buffer): LockStatus | undefined => {
  const text = output.toString('latin1')
  const first = /^[0-9a-f]{32} (open|wait|locked) ?(.*)\n/.exec(text)
  if (!first) return undefined
  const [line, type = '', rest = ''] = first
  if (type === 'open') return { length: line.length, type, rest: rest.split(' ').filter((part) => part !== ''), holder: '', processes: '' }
  const complete = /^.*\n(.*)\n(.*)\n/.exec(text)
  if (!complete) return undefined
  const [all, holder = '', processes = ''] = complete
  return { length: all.length, type, rest: rest.split(' '), holder: Buffer.from(holder, 'latin1').toString(), processes: processes.trim() }
}

const STATES: Record<string, string> = {
  ended: 'the run has ended, and its last step is still running',
  gone: 'the controller of the run is gone',
  silent: 'the controller of the run sends no heartbeat',
  busy: 'the run is executing a step',
  overdue: 'the last step of the run has exceeded its deadline and is being killed',
  alive: 'the run is alive',
  unknown: 'the lock was taken a moment ago',
}

/** The holder of the lock and its state, for progress. */
export const describe = ({ rest, holder, processes }: LockStatus): string => {
  const state = STATES[rest[0] ?? ''] ?? rest[0]
  return `locked by ${nameOf(holder)}: ${state}${processes === '' ? '' : ` (${processes})`}`
}

const nameOf = (holder: string): string => {
  try {
    const { user, machine, command, since } = JSON.parse(holder) as Holder
    return `${user} on ${machine} since ${since} (${command})`
  } catch {
    return 'an unknown run'
  }
}

/** The problem of a lock that another run holds. */
export const lockedBy = (target: Target, status: LockStatus): Problem =>
  new Problem({
    class: 'task',
    where: { host: target.name },
    what: `host is locked by ${nameOf(status.holder)}`,
    why: `${STATES[status.rest[0] ?? ''] ?? status.rest[0]}; ${status.processes === '' ? 'no process of it was found' : `processes with the lock: ${status.processes}`}`,
    fix: 'wait until that run ends, or run with --wait',
  })
