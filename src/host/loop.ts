import { quote } from '../quote.ts'
import type { Holder } from './shell.ts'

/** How long the controller may be silent before another run may take its lock. It beats every 10 seconds. */
const SILENCE_SECONDS = 30

/** How long a run that was not told to wait waits for the last step of a run that has ended. */
const PATIENCE_SECONDS = 900

/**
 * The command on the channel. It works from bash, tcsh and fish; nothing but a random word stands in `ps`. Everything
 * before that word on stdout is the login shell's banner. sudo clears the environment, so SSH_CONNECTION goes as an argument.
 */
export const startCommand = (word: string, privilege: string): string =>
  `exec ${privilege}sh -c 'printf %s ${word}; IFS= read -r x; eval "$x"' sh "$SSH_CONNECTION"`

/**
 * Carries a script to the started shell on its standard input, to run there whole or not at all. `read` takes byte by byte
 * and so leaves to the script what comes after it; IFS ends in a newline, the only one to be had without a process.
 */
export const bootstrap = (word: string, script: string): string =>
  `N=\${IFS#??};s=;x=;while IFS= read -r x&&[ "$x" != ${word} ];do s="$s$x$N";done;[ "$x" = ${word} ]&&eval "$s"\n${script}\n${word}\n`

const PREPARE = `umask 077; trap '' PIPE; cd /
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/**
 * The loop that answers requests, one after the other, each in a subshell of its own with \`$T\`, a directory for its
 * temporary files. SIGPIPE stays ignored: a request that has begun ends, whatever becomes of the controller.
 */
export const answerLoop = (word: string, lock: { readonly holder: Holder; readonly wait: boolean } | undefined): string => `${PREPARE}
T=/run/provision.$$.${word.slice(0, 8)}; C=$1
beat() { :; }
${lock ? takeLock(word, lock.wait) : ''}
mkdir "$T" || exit 96
trap 'rm -rf "$T"' EXIT
${lock ? holdLock(lock.holder) : ''}
set --
printf '%s open %s\\n' ${word} "$C"
while read -r m l a b; do
  [ "$b" ] || continue
  s=; while [ "$l" -gt 0 ]; do IFS= read -r x || exit 98; s="$s$x$N"; l=$((l-1)); done
  [ "$a" = 0 ] || { head -c "$a" >"$T/s"; s='. "$T/s"'; }
  i=/dev/null; [ "$b" = 0 ] || { i=$T/i; head -c "$b" >"$i"; }
  read -r x; [ "$x" = "$m" ] || exit 97
  beat busy
  printf '%s+' "$m"
  ( unset m; eval "$s" ) <"$i" 2>"$T/e"; c=$?
  if [ -s "$T/e" ]; then printf '%s %s\\n' "$m" "$c"; head -c 65536 "$T/e"; printf '%s-' "$m"; else printf '%s %s\\n%s-' "$m" "$c" "$m"; fi || exit 95
  beat idle
done`

// The lock is an flock on fd 9, which every step inherits: it is free when nothing of the run is alive any more.
// Whoever finds it taken judges its holder by /proc and by its beat (in uptime: clocks jump):
//   ended   its shell is gone, a last step still runs                    wait for the step
//   gone    its connection is gone: the controller died                  end the shell, wait
//   silent  idle, and no beat for too long: the network is dead          end the shell, wait
//   busy    a step runs, so its controller cannot beat                   wait until it can be judged
//   alive   beats                                                        refuse, or wait if told to
// Ending the shell never cuts a step, and no request of the old controller can be read after it.
const takeLock = (
  word: string,
  wait: boolean,
): string => `command -v flock >/dev/null || { echo 'flock is missing (package util-linux)' >&2; exit 96; }
L=/run/provision.lock; exec 9>>"$L" || exit 96; k=0; read -r t0 _ </proc/uptime
connected() { grep -qsE " [0-9A-F]+:$(printf %04X "$2") [0-9A-F]+:$(printf %04X "$1") 01 " /proc/net/tcp /proc/net/tcp6; }
until flock -n 9; do
  p=; w=; { read -r p D q r && IFS= read -r w; } 2>/dev/null </run/provision.holder
  st=; b=; read -r st b 2>/dev/null <"$D/beat"
  read -r u _ </proc/uptime; b=\${b%.*}; g=$((\${u%.*}-\${b:-0}))
  if ! [ "$w" ]; then v=unknown
  elif ! [ "/proc/$p/fd/9" -ef "$L" ]; then v=ended
  elif ! [ "$b" ]; then v=unknown
  elif [ "$q" ] && ! connected "$q" "$r"; then v=gone
  elif [ "$g" -le ${SILENCE_SECONDS} ]; then v=alive
  elif [ "$st" = busy ]; then v=busy
  else v=silent; fi
  case $v in gone|silent) kill -9 "$p";; esac
  h=; for f in /proc/[0-9]*/fd/9; do [ "$f" -ef "$L" ] || continue; o=\${f#/proc/}; o=\${o%%/*}; [ "$o" = "$$" ] || { read -r n 2>/dev/null <"/proc/$o/comm" && h="$h $n($o)"; }; done
  k=$((k+1)); y=wait
  [ "$v" != alive ] || y=${wait ? 'wait' : 'locked'}
  [ "$v" != unknown ] || [ "$k" -lt 10 ] || y=${wait ? 'wait' : 'locked'}
  ${wait ? ':' : `[ $((\${u%.*}-\${t0%.*})) -lt ${PATIENCE_SECONDS} ] || y=locked`}
  printf '%s %s %s %s\\n%s\\n%s\\n' ${word} "$y" "$v" "$g" "$w" "$h" || exit 95
  [ "$y" = wait ] || exit 75
  if [ "$v" = unknown ]; then sleep 0.2; else flock -w 2 9 && break; fi
done`

// What a killed run has left: directories of shells that are not alive.
const holdLock = (
  holder: Holder,
): string => `for d in /run/provision.[0-9]*; do p=\${d#/run/provision.}; [ -d "/proc/\${p%%.*}" ] || rm -rf "$d"; done
beat() { read -r u _ </proc/uptime; printf '%s %s\\n' "$1" "$u" >"$T/beat"; }
beat idle
set -- $C
printf '%s %s %s %s\\n%s\\n' "$$" "$T" "$2" "$4" ${quote(JSON.stringify(holder))} >/run/provision.holder`

/** A shell that runs one script with its own output and exit status, for `provision exec --sudo`. */
export const runScript = (word: string, script: string): string => `printf '%s open\\n' ${word}; exec sh -c ${quote(script)} </dev/null`
