import { Problem } from '../../problem.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
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
export const takeLock = (word: string, wait: boolean): Script => sh`${DEFINE_FAMILY}
command -v flock >/dev/null || { echo 'flock is missing (package util-linux)' >&2; exit 96; }
lock=/run/provision.lock; exec 9>>"$lock"; rounds=0; read -r began _ </proc/uptime
connected() {
  # A controller on this host has no connection: it is a process, with its start time.
  [ "$1" != controller ] || { about "\${2%:*}" && [ "$since" = "\${2#*:}" ]; return; }
  grep -qsE " [0-9A-F]+:$(printf %04X "$2") [0-9A-F]+:$(printf %04X "$1") 01 " /proc/net/tcp /proc/net/tcp6
}
holds() {
  process=$1
  while read -r command _; do
    [ "$command" != lock: ] || { read -r command <"$process/comm"; return; }
  done 2>/dev/null <"$process/fdinfo/9"
  return 1
}
until flock -n 9; do
  [ "$?" = 1 ] || { echo 'flock cannot be executed' >&2; exit 96; }
  pid=; holder=; { read -r pid directory client_port server_port && IFS= read -r holder; } 2>/dev/null </run/provision.holder
  activity=; beaten=; seconds=; job=; read -r activity beaten seconds job 2>/dev/null <"$directory/beat"
  read -r uptime _ </proc/uptime; beaten=\${beaten%.*}; age=$((\${uptime%.*}-\${beaten:-0}))
  if ! [ "$holder" ]; then verdict=unknown
  elif ! holds "/proc/$pid"; then verdict=ended
  elif ! [ "$beaten" ]; then verdict=unknown
  elif [ "$client_port" ] && ! connected "$client_port" "$server_port"; then verdict=gone
  elif [ "$age" -le ${SILENCE_SECONDS} ]; then verdict=alive
  elif [ "$activity" = busy ]; then verdict=busy
  else verdict=silent; fi
  case $verdict in gone|silent) kill -9 "$pid";; esac
  case "$activity $verdict" in 'busy gone'|'busy ended') grace=0 ;; 'busy busy') grace=${KILL_SECONDS} ;; *) grace= ;; esac
  ! [ "$grace" ] || ! [ "$job" ] || [ "$age" -le $((seconds + grace)) ] || { [ "$verdict" != busy ] || kill -9 "$pid"; verdict=overdue; }
  holders=
  for descriptor in /proc/[0-9]*/fd/9; do
    [ "$descriptor" -ef "$lock" ] && holds "\${descriptor%/fd/9}" && holders="$holders $command(\${process#/proc/})"
  done
  [ "$verdict" != overdue ] || { shell=none; family=" $job "; look; end_family; }
  rounds=$((rounds+1)); action=wait
  [ "$verdict" != alive ] || action=${wait ? 'wait' : 'locked'}
  [ "$verdict" != unknown ] || [ "$rounds" -lt 10 ] || action=${wait ? 'wait' : 'locked'}
  ${wait ? sh`:` : sh`[ $((\${uptime%.*}-\${began%.*})) -lt ${PATIENCE_SECONDS} ] || action=locked`}
  printf '%s %s %s %s\\n%s\\n%s\\n' ${word} "$action" "$verdict" "$age" "$holder" "$holders" || exit 95
  [ "$action" = wait ] || exit 75
  if [ "$verdict" = unknown ]; then sleep 0.2; else flock -w 2 9 && break; fi
done`

/**
 * Removes the directories of killed shells and records the holder of the lock. (A shell that was just killed may still be a zombie, which
 * has no executable.) `controller` is the process of a controller on the host itself. The process that executes a request calls
 * `begin SECONDS`, which records this process and the deadline.
 */
export const holdLock = (holder: Holder, controller?: number): Script => sh`for directory in /run/provision.[0-9]*; do
  process=\${directory#/run/provision.}; [ -e "/proc/\${process%%.*}/exe" ] || rm -rf "$directory"
done
beat() { read -r uptime _ </proc/uptime; printf '%s %s\\n' "$1" "$uptime" >"$T/beat"; }
begin() {
  deadline=$1; read -r stat </proc/self/stat; process=\${stat%% *}; set -- \${stat##*) }; read -r uptime _ </proc/uptime
  printf 'busy %s %s %s:%s\\n' "$uptime" "$deadline" "$process" "\${20}" >"$T/beat"; unset stat process deadline uptime
}
beat idle
set -- $connection
${controller === undefined ? sh`` : sh`about ${controller} && set -- '' controller '' "${controller}:$since"`}
printf '%s %s %s %s\\n%s\\n' "$$" "$T" "$2" "$4" ${JSON.stringify(holder)} >/run/provision.holder`

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
  const complete = /.*\n(.*)\n(.*)\n/.exec(text)
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
  return `locked by ${holderName(holder)}: ${state}${processes === '' ? '' : ` (${processes})`}`
}

/** The holder in words: user, machine, start and command. */
export const holderName = (holder: string): string => {
  try {
    const { user, machine, command, since } = JSON.parse(holder) as Holder
    return `${user} on ${machine} since ${since} (${command})`
  } catch {
    return 'an unknown run'
  }
}

/** Another run holds the lock of a host. */
export class LockedHost extends Problem {}

/** The problem of a lock that another run holds. */
export const lockedBy = (target: Target, status: LockStatus): LockedHost =>
  new LockedHost({
    class: 'task',
    where: { host: target.name },
    what: `host is locked by ${holderName(status.holder)}`,
    why: `${STATES[status.rest[0] ?? ''] ?? status.rest[0]}; ${status.processes === '' ? 'no process of it was found' : `processes with the lock: ${status.processes}`}`,
    fix: 'wait until that run ends, or run with --wait',
  })
