import { z } from 'zod'
import { isSecret, type Secret } from '../../secret/secret.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { bytesOf, sha256Hex } from '../kind/content.ts'
import { type Change, type Difference, defineKind, type Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { lockFunctions } from '../package/apt-lock.ts'

const line = z
  .string()
  .regex(/^([^\s\p{Cc}]([^\p{Cc}]*[^\s\p{Cc}])?)?$/u, 'must be one line of text')
  .refine((value) => !value.includes('\\n'), 'must not have \\n, which debconf reads as the end of a line')

const value = z.union(
  [
    line,
    z.boolean().transform(String),
    z.custom<Secret>((given) => isSecret(given) && line.safeParse(given.reveal()).success && given.reveal() !== ''),
  ],
  { error: 'must be one line of text, true, false, or a secret of one line' },
)

const schema = z.strictObject({
  package: z
    .string()
    .regex(/^[a-z0-9][a-z0-9+.-]+$/, 'must be a Debian package name')
    .meta({ description: 'the package that asks the questions', examples: ['postfix'] }),
  answers: z
    .array(
      z
        .strictObject({
          question: z
            .string()
            .regex(/^[^\s\p{Cc}/]+(\/[^\s\p{Cc}/]+)+$/u, 'must be the name of a question such as postfix/mailname')
            .meta({ description: 'name of the question, as `debconf-show PACKAGE` prints it', examples: ['postfix/mailname'] }),
          type: z
            .enum(['string', 'boolean', 'select', 'multiselect', 'password', 'text'])
            .default('string')
            .meta({ description: 'type of the question' }),
          value: value.meta({ description: 'the answer; the type password needs a secret', examples: ['mail.example.org'] }),
        })
        .refine(({ type, value: given }) => type !== 'password' || isSecret(given), {
          message: 'must be a secret, because the question asks for a password',
          params: { fix: `write \${secret:name} for a value of secrets.yaml` },
          path: ['value'],
        }),
    )
    .min(1)
    .refine((answers) => new Set(answers.map(({ question }) => question)).size === answers.length, 'must not answer a question twice')
    .meta({ description: 'answers to questions of the package' }),
})

export type DebconfSpec = z.output<typeof schema>
type DebconfAnswer = DebconfSpec['answers'][number]

export interface DebconfState {
  readonly isInstalled: boolean
  /** Answers of the host by question: a text, or the digest of a secret. A question that was never answered is missing. */
  readonly answers: ReadonlyMap<string, string>
}

/**
 * Answers to the questions of a package, given before it is installed. Once the package is installed they count as given: it has used
 * them, and its own scripts may change them.
 */
export const debconf = defineKind({
  name: 'debconf',
  summary: 'answers to the questions of a package, given before its installation',
  schema,
  id: (spec) => spec.package,

  observe: (specs: readonly DebconfSpec[]) => ({
    script: sh`dpkg-query -W -f '\${Package} \${db:Status-Status}\\n' -- ${specs.map((spec) => spec.package)} 2>/dev/null || [ $? = 1 ]
echo end
${READ}
answers ${specs.flatMap(({ answers }) => answers.map(({ question, value: given }) => `${isSecret(given) ? 'secret' : 'plain'}/${question}`))}
echo end`,
    parse: (stdout) => {
      const parts = stdout.toString().split(/^end\n/m)
      const [packages, answers, rest] = parts
      if (parts.length !== 3 || packages === undefined || answers === undefined || rest !== '')
        throw new Error('debconf did not report all answers')
      // An answer is a word of the script that compares it again.
      if (stdout.includes(0)) throw new Error('debconf reported an answer with a NUL byte')
      const installed = new Set(packages.split('\n').flatMap((one) => (one.endsWith(' installed') ? [one.split(' ', 1)[0] ?? ''] : [])))
      const given = new Map(
        answers.split('\n').flatMap((one) => (one === '' ? [] : [[one.slice(0, one.indexOf(' ')), one.slice(one.indexOf(' ') + 1)]])),
      )
      return new Map(
        specs.map((spec): [string, DebconfState] => [spec.package, { isInstalled: installed.has(spec.package), answers: given }]),
      )
    },
  }),

  plan: (spec, state: DebconfState): Change | undefined => {
    const differences = state.isInstalled ? [] : differencesOf(spec, state)
    if (differences.length === 0) return undefined
    const isNew = spec.answers.every(({ question }) => !state.answers.has(question))
    return { action: isNew ? 'create' : 'update', certainty: 'exact', reason: isNew ? 'not answered' : 'answers differ', differences }
  },

  notices: (spec, state) =>
    (state.isInstalled ? differencesOf(spec, state) : []).map(
      ({ key, from, to }) =>
        `${spec.package} is installed, so its answer to ${key} has no effect any more: it is ${from === undefined ? 'not set' : `"${from}"`}, declared is "${to}"`,
    ),

  *apply(work: readonly Work<DebconfSpec, DebconfState>[]): Steps {
    const answer = yield {
      do: 'shell',
      doing: 'answering questions of packages',
      input: bytesOf({ type: 'text', parts: work.flatMap(({ spec }) => spec.answers.flatMap(lineOf(spec))) }),
      script: sh`work=$(mktemp -d "$T/XXXXXXXX") || exit 1; trap 'rm -rf "$work"' EXIT
umask 077; cat >"$work/selections"; doing() { printf 'provision-doing: %s\\n' "$*" 2>/dev/null; }
${lockFunctions}
until_free 600 || { echo "dpkg is locked by $who" >&2; exit 1; }
${READ}
answers ${work.flatMap(({ spec }) => spec.answers.map(keyOf))} >"$work/now" || exit 1
is_as_observed() { ! grep -q "^$2 " "$work/now" && [ ! "$3" ] || grep -qxF -e "$2 $3" -e "$2 $4" "$work/now" || {
  printf 'culprit\\0%s\\0' "$1"; echo "the answer to $2 is not as it was observed" >&2; exit ${CHANGED}; }; }
${work.flatMap(({ id, spec, state }) => spec.answers.map((one) => sh`is_as_observed ${id} ${one.question} ${state.answers.get(one.question) ?? ''} ${comparable(one)}`))}
debconf-set-selections "$work/selections" >&2 </dev/null`,
    }
    requireBatch(answer, work, {
      what: (id) => `answers to questions of ${id ?? 'packages'} not set`,
      fix: 'fix the problem that debconf reports, then run again',
    })
  },

  contained: true,
  // An answer of a role looks like one of the administrator.
  orphan: { forget: true },
})

const lineOf =
  (spec: DebconfSpec) =>
  ({ question, type, value: given }: DebconfAnswer) => [`${spec.package} ${question} ${type} `, given, '\n']

const keyOf = ({ question, value: given }: DebconfAnswer): string => `${isSecret(given) ? 'secret' : 'plain'}/${question}`

/** The value as the host reports it. */
const comparable = ({ value: given }: DebconfAnswer): string => (isSecret(given) ? sha256Hex(given.reveal()) : given)

const differencesOf = ({ answers }: DebconfSpec, state: DebconfState): readonly Difference[] =>
  answers.flatMap((one) => {
    const now = state.answers.get(one.question)
    if (now === comparable(one)) return []
    if (isSecret(one.value)) return [{ key: one.question, to: 'not shown, because it is a secret' }]
    return [{ key: one.question, ...(now !== undefined && { from: now }), to: one.value }]
  })

/**
 * Shell function `answers KEY...`: prints question and answer from the database of debconf. The key begins with `secret/` where the digest
 * is printed in place of the answer.
 */
const READ: Script = sh`answers() {
  set -- "$@" --
  for file in /var/cache/debconf/config.dat /var/cache/debconf/passwords.dat; do [ ! -f "$file" ] || set -- "$@" "$file"; done
  rm -rf "$T/debconf"; mkdir -m 700 "$T/debconf"
  awk -v directory="$T/debconf" 'BEGIN {
    for (i = 1; ARGV[i] != "--"; i++) { way = substr(ARGV[i], 1, index(ARGV[i], "/") - 1); ways[substr(ARGV[i], length(way) + 2)] = way; ARGV[i] = "" }
    ARGV[i] = ""; if (i == ARGC - 1) exit; RS = ""; FS = "\\n"
  }
  {
    name = ""; has = 0
    for (i = 1; i <= NF; i++) {
      if (index($i, "Name: ") == 1) name = substr($i, 7)
      else if (index($i, "Value: ") == 1) { value = substr($i, 8); has = 1 } else if ($i == "Value:") { value = ""; has = 1 }
    }
    if (!has || !(name in ways)) next
    if (ways[name] == "plain") print name " " value
    else { file = sprintf("%s/%06d", directory, ++count); printf "%s", value >file; close(file); print name >(directory "/names") }
  }' "$@" || return
  if [ -e "$T/debconf/names" ]; then
    sha256sum -- "$T/debconf"/0* >"$T/debconf/sums" || return
    while read -r sum _ && IFS= read -r name <&3; do echo "$name $sum"; done <"$T/debconf/sums" 3<"$T/debconf/names"
  fi
  rm -rf "$T/debconf"
}`
