import { quote } from '../../shell/quote.ts'
import { holdLock, takeLock } from './lock.ts'
import type { Holder } from './shell.ts'

/**
 * The command on the channel. It works in bash, tcsh and fish, and shows only a random word in `ps`. Output before that word is the login
 * shell's banner. sudo clears the environment, so SSH_CONNECTION is passed as an argument.
 */
export const startCommand = (word: string, privilege: string): string =>
  `exec ${privilege}sh -c 'printf %s ${word}; IFS= read -r x; eval "$x"' sh "$SSH_CONNECTION"`

/**
 * Sends a script to the started shell on its standard input. The shell runs it only if it arrived completely. `read` reads byte by byte,
 * which leaves the rest of the input to the script. The newline comes from IFS, because any other way needs a process.
 */
export const bootstrap = (word: string, script: string): string =>
  `N=\${IFS#??};s=;x=;while IFS= read -r x&&[ "$x" != ${word} ];do s="$s$x$N";done;[ "$x" = ${word} ]&&eval "$s"\n${script}\n${word}\n`

const PREPARE = `umask 077; trap '' PIPE; cd /
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/** Exit status of the loop if it cannot store a request completely. An incomplete script never runs. */
export const NO_ROOM = 94

/**
 * The loop that answers requests one after the other, each in a subshell. \`$T\` is a directory for temporary files. SIGPIPE stays ignored,
 * so that a request that has begun finishes even if the controller is gone.
 */
export const answerLoop = (word: string, lock: { readonly holder: Holder; readonly wait: boolean } | undefined): string => `${PREPARE}
T=/run/provision.$$.${word.slice(0, 8)}; C=$1
beat() { :; }; begin() { :; }
${lock ? takeLock(word, lock.wait) : ''}
mkdir "$T" || exit 96
trap 'rm -rf "$T"' EXIT
${lock ? holdLock(lock.holder) : ''}
set --
printf '%s open %s\\n' ${word} "$C"
while read -r m l a b d; do
  [ "$b" ] || continue
  s=; while [ "$l" -gt 0 ]; do IFS= read -r x || exit 98; s="$s$x$N"; l=$((l-1)); done
  [ "$a" = 0 ] || { head -c "$a" >"$T/s" || exit ${NO_ROOM}; s='. "$T/s"'; }
  i=/dev/null; [ "$b" = 0 ] || { i=$T/i; head -c "$b" >"$i" || exit ${NO_ROOM}; }
  read -r x; [ "$x" = "$m" ] || exit 97
  printf '%s+' "$m"
  ( unset m; begin "$d"; eval "$s" ) <"$i" 2>"$T/e"; c=$?
  if [ -s "$T/e" ]; then printf '%s %s\\n' "$m" "$c"; head -c 65536 "$T/e"; printf '%s-' "$m"; else printf '%s %s\\n%s-' "$m" "$c" "$m"; fi || exit 95
  beat idle
done`

/** Runs one script with its own output and exit status, for `provision exec --sudo`. */
export const runScript = (word: string, script: string): string => `printf '%s open\\n' ${word}; exec sh -c ${quote(script)} </dev/null`
