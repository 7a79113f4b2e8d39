import type { Script } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'
import type { RunSpec } from './options.ts'

/** An answer of a condition: it holds, it does not, or the words of its failure. */
export type Reply = 'yes' | 'no' | { readonly failed: string }

/** The replies to the conditions of one command. */
export interface Replies {
  readonly unless?: Reply
  readonly onlyIf?: Reply
}

/** Time for the conditions of all commands of a host, in seconds. */
export const CONDITIONS_SECONDS = 60

/**
 * Shell function `holds`: runs a condition, and returns 0 if it succeeds, 1 if it does not, and 2 if it failed, with its words in `$said`. A
 * condition fails if it is killed, or ends with a status above 1 and prints an error: a program that is missing is no answer. Some
 * programs report absence by a higher status and print nothing (getent, `command -v`).
 */
export const HOLDS = sh`holds() {
  said=$( ( cd -- "$1" || exit 119; shift; eval "$1" ) 2>&1 >/dev/null </dev/null ); status=$?
  [ "$status" != 0 ] || return 0
  [ "$status" -lt 128 ] && { [ "$status" = 1 ] || [ -z "$said" ]; } && return 1
  said="exit $status: $said"; return 2
}
`

/** Words that run a shell as an account, with its own groups and environment. The lock stays with root. */
export const asAccount = (user: string): Script => sh`setpriv --reuid=${user} --regid="$(id -g -- ${user})" --init-groups --reset-env -- sh`

const CONDITIONS = ['unless', 'onlyIf'] as const

/**
 * A script that asks all conditions. One shell under one time limit runs them; a condition of another account has a shell of that account.
 * Prints \`INDEX NAME STATUS WORDS\` for each. Nothing without conditions.
 */
export const askScript = (specs: readonly RunSpec[]): Script => {
  const questions = specs.flatMap((spec, i) =>
    CONDITIONS.flatMap((name) => (spec[name] === undefined ? [] : [questionScript(spec, name, sh`${i} ${name}`)])),
  )
  if (questions.length === 0) return sh``
  const program = sh`${HOLDS}
reply() {
  answer=$?; [ "$answer" = 2 ] || said=
  [ -z "$said" ] || said=$(printf '%s' "$said" | tr -c '[:print:]' ' ' | head -c 300)
  printf '%s %s %s %s\\n' "$1" "$2" "$answer" "$said"
}
${questions}`
  return sh`timeout -k 5 ${CONDITIONS_SECONDS} sh -c '. /dev/fd/3' 3${hereDocument(String(program))}
[ $? = 0 ] || [ $? = 124 ] || [ $? = 137 ]`
}

const questionScript = ({ user, directory = '/', ...spec }: RunSpec, name: (typeof CONDITIONS)[number], place: Script): Script => {
  const condition = spec[name] ?? ''
  if (user === undefined) return sh`holds ${directory} ${condition}; reply ${place}`
  const asked = sh`${HOLDS}
holds "$1" "$2"; answer=$?; printf %s "$said" >&2; exit "$answer"`
  return sh`said=$( ${asAccount(user)} -c ${String(asked)} sh ${directory} ${condition} 2>&1 >/dev/null </dev/null ); answer=$?
case $answer in 0|1|2) ;; *) said="exit $answer: $said"; answer=2 ;; esac
( exit "$answer" ); reply ${place}`
}

/** Reads the answer to `askScript`: the replies by position of the spec. A condition without a reply did not end in time. */
export const readReplies = (stdout: string, specs: readonly RunSpec[]): readonly Replies[] => {
  const lines = new Map(
    [...stdout.matchAll(/^(\d+ (?:unless|onlyIf)) ([012]) (.*)$/gm)].map(([, place = '', code, words = '']) => [
      place,
      replyOf(code, words),
    ]),
  )
  const late: Reply = { failed: `no answer within ${CONDITIONS_SECONDS} s` }
  return specs.map((spec, i) =>
    Object.fromEntries(CONDITIONS.flatMap((name) => (spec[name] === undefined ? [] : [[name, lines.get(`${i} ${name}`) ?? late]]))),
  )
}

const replyOf = (code: string | undefined, words: string): Reply => (code === '0' ? 'yes' : code === '1' ? 'no' : { failed: words.trim() })
