import { Problem } from '../../problem.ts'
import { quote } from '../../shell/quote.ts'
import type { Target } from '../target/connection.ts'
import { DEFINE_FAMILY } from './process-family.ts'
import type { Holder } from './shell.ts'

/** How long the controller may be silent before another run may take its lock. It beats every 10 seconds. */
const SILENCE_SECONDS = 30

/** How long a living controller may take to end its own step after the deadline: a connection may look alive and be dead. */
const ENDING_SECONDS = 90

/** How long a run that was not told to wait waits for the last step of a run that has ended. */
export const PATIENCE_SECONDS = 900

/**
 * The lock is an flock on fd 9, which every step inherits: it is free when nothing of the run is alive any more.
 * Whoever finds it taken judges its holder by /proc and by its beat (in uptime: clocks jump):
 *   ended   its shell is gone, a last step still runs                    wait for the step
 *   gone    its connection is gone: the controller died                  end the shell, wait
 *   silent  idle, and no beat for too long: the network is dead          end the shell, wait
 *   busy    a step runs, so its controller cannot beat                   wait until it can be judged
 *   overdue a step runs past its deadline, and no controller ends it     end the shell and the step with all that it started
 *   alive   beats                                                        refuse, or wait if told to
 * Ending the shell never cuts a step within its deadline, and no request of the old controller can be read after it.
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
  case "$st $v" in 'busy gone'|'busy ended') e=0 ;; 'busy busy') e=${ENDING_SECONDS} ;; *) e= ;; esac
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
 * `begin SECONDS` is called by the process that carries out a request: it records which process that is, and its deadline.
 * Clears away what killed runs have left (directories of shells that are not alive; of one that was just ended something may still
 * await its parent, but no program), and writes down who holds the lock.
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

/** What a shell says while it awaits the lock (`WORD wait|locked STATE AGE`, the holder, its processes), or of its opening (`WORD open`). */
export interface LockStatus {
  readonly length: number
  readonly says: string
  /** For `open`: SSH_CONNECTION. For the others: state and age. */
  readonly rest: readonly string[]
  readonly holder: string
  readonly processes: string
}

/** The first whole status of what was heard. */
export const nextStatus = (heard: Buffer): LockStatus | undefined => {
  const text = heard.toString('latin1')
  const first = /^[0-9a-f]{32} (open|wait|locked) ?(.*)\n/.exec(text)
  if (!first) return undefined
  const [line, says = '', rest = ''] = first
  if (says === 'open') return { length: line.length, says, rest: rest.split(' ').filter((part) => part !== ''), holder: '', processes: '' }
  const whole = /^.*\n(.*)\n(.*)\n/.exec(text)
  if (!whole) return undefined
  const [all, holder = '', processes = ''] = whole
  return { length: all.length, says, rest: rest.split(' '), holder: Buffer.from(holder, 'latin1').toString(), processes: processes.trim() }
}

const STATES: Record<string, string> = {
  ended: 'that run has ended, its last step still runs',
  gone: 'that run’s controller is gone',
  silent: 'that run’s controller has fallen silent',
  busy: 'that run is in the middle of a step',
  overdue: 'the last step of that run has exceeded its deadline and is being ended',
  alive: 'that run is alive',
  unknown: 'it has just been taken',
}

/** Who holds the lock, for those who wait. */
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

/** Why a run does not get the lock. */
export const lockedBy = (target: Target, status: LockStatus): Problem =>
  new Problem({
    class: 'task',
    where: { host: target.name },
    what: `locked by ${nameOf(status.holder)}`,
    why: `${STATES[status.rest[0] ?? ''] ?? status.rest[0]}; ${status.processes === '' ? 'no process of it was found' : `holding the lock: ${status.processes}`}`,
    fix: 'wait for that run to end, or run with --wait',
  })
