import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { holdLock, takeLock } from './lock.ts'
import type { Holder } from './shell.ts'

/**
 * The command on the channel. It works in bash, tcsh and fish, and shows only a random word in `ps`. Output before that word is the login
 * shell's banner. sudo clears the environment, so SSH_CONNECTION is passed as an argument.
 */
export const startCommand = (word: string, privilege: readonly string[]): Script =>
  sh`exec ${[...privilege, 'sh']} -c ${`printf %s ${word}; IFS= read -r line; eval "$line"`} sh "$SSH_CONNECTION"`

/**
 * Sends a script to the started shell on its standard input. The shell runs it only if it arrived completely. `read` reads byte by byte,
 * which leaves the rest of the input to the script. The newline comes from IFS, because any other way needs a process.
 */
export const bootstrap = (word: string, script: Script): string => {
  const read = sh`newline=\${IFS#??};text=;line=;while IFS= read -r line&&[ "$line" != ${word} ];do text="$text$line$newline";done;[ "$line" = ${word} ]&&eval "$text"`
  return `${read}\n${script}\n${word}\n`
}

/** Exit status of a root shell that may not start other programs. */
export const NO_EXEC = 93

/** sudo preloads a library that forbids \`exec\`. Every command would fail, and so would the lock, without end. */
const REFUSE_NOEXEC = sh`case $LD_PRELOAD in *noexec*) exit ${NO_EXEC} ;; esac`

const PREPARE = sh`${REFUSE_NOEXEC}
umask 077; trap '' PIPE; cd /
export LC_ALL=C HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`

/** Exit status of the loop if it cannot store a request completely. An incomplete script never runs. */
export const NO_ROOM = 94

/**
 * The loop that answers requests one after the other, each in a subshell. \`$T\` is a directory for temporary files, \`$login_keys\` has
 * the public keys of the login. SIGPIPE stays ignored,
 * so that a request that has begun finishes even if the controller is gone.
 */
export const answerLoop = (
  word: string,
  lock: { readonly holder: Holder; readonly wait: boolean; readonly controller?: number | undefined } | undefined,
  loginKeys: readonly string[] = [],
): Script => sh`${PREPARE}
T=/run/provision.$$.${word.slice(0, 8)}; connection=$1 login_keys=${loginKeys.join(' ')}
beat() { :; }; begin() { :; }
${lock ? takeLock(word, lock.wait) : sh``}
mkdir "$T" || exit 96
trap 'rm -rf "$T"' EXIT
${lock ? holdLock(lock.holder, lock.controller) : sh``}
set --
printf '%s open %s\\n' ${word} "$connection"
while read -r mark lines script_bytes input_bytes seconds; do
  [ "$input_bytes" ] || continue
  request=; while [ "$lines" -gt 0 ]; do IFS= read -r line || exit 98; request="$request$line$newline"; lines=$((lines-1)); done
  [ "$script_bytes" = 0 ] || { head -c "$script_bytes" >"$T/s" || exit ${NO_ROOM}; request='. "$T/s"'; }
  input=/dev/null; [ "$input_bytes" = 0 ] || { input=$T/i; head -c "$input_bytes" >"$input" || exit ${NO_ROOM}; }
  read -r line; [ "$line" = "$mark" ] || exit 97
  printf '%s+' "$mark"
  ( unset mark line; begin "$seconds"; eval "$request" ) <"$input" 2>"$T/e"; status=$?
  if [ -s "$T/e" ]; then printf '%s %s\\n' "$mark" "$status"; head -c 65536 "$T/e"; printf '%s-' "$mark"
  else printf '%s %s\\n%s-' "$mark" "$status" "$mark"; fi || exit 95
  beat idle
done`

/** Runs one script with its own output and exit status, for `provision exec --sudo`. */
export const runScript = (word: string, script: string): Script => sh`${REFUSE_NOEXEC}
printf '%s open\\n' ${word}; exec sh -c ${script} </dev/null`
