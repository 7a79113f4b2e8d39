import { quote } from '../../shell/quote.ts'
import { holdLock, takeLock } from './lock.ts'
import type { Holder } from './shell.ts'

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

/** How the loop ends when it cannot keep a request whole: half a script or half its input never runs. */
export const NO_ROOM = 94

/**
 * The loop that answers requests, one after the other, each in a subshell of its own with \`$T\`, a directory for its
 * temporary files. SIGPIPE stays ignored: a request that has begun ends, whatever becomes of the controller.
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

/** A shell that runs one script with its own output and exit status, for `provision exec --sudo`. */
export const runScript = (word: string, script: string): string => `printf '%s open\\n' ${word}; exec sh -c ${quote(script)} </dev/null`
