import { isSecret, masked, Secret, secretsIn } from '../../secret/secret.ts'
import { quote } from '../../shell/quote.ts'
import { raw, type Script } from '../../shell/script.ts'
import { join, sh } from '../../shell/sh.ts'
import type { Change, Work } from '../kind/kind.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { asAccount, HOLDS } from './ask.ts'
import { KEEP_OUTPUT } from './keep-output.ts'
import type { RunSpec } from './options.ts'
import { ranScript } from './record.ts'

/** What is executed: shell code, and a file beside it that it names as `"$file"`. */
export interface Program {
  readonly code: string
  readonly file?: { readonly name: string; readonly bytes: string | Secret }
}

/** How a kind calls its resources, and what each of them executes. */
export interface Executed<Spec extends RunSpec> {
  readonly kind: string
  program(spec: Spec): Program
}

/** Runs the commands of a batch, one request for each. Prints what one of them printed. */
export function* execute<Spec extends RunSpec>(work: readonly Work<Spec, unknown>[], { kind, program }: Executed<Spec>): Steps {
  const done: string[] = []
  for (const { id, spec, change } of work) {
    const { script, input } = requestOf(`${kind}:${id}`, spec, program(spec), change)
    const answer = yield {
      do: 'shell',
      script,
      doing: `running ${kind} ${id}`,
      ...(spec.withinMinutes === undefined ? {} : { withinMs: spec.withinMinutes * 60_000 }),
      ...(input === undefined ? {} : { input }),
    }
    const said = answer.stdout.toString().trim()
    if (answer.code !== 0)
      throw new HostRefusal(
        said === 'condition' ? `condition of ${kind} ${id} failed` : `${kind} ${id} failed (${said === '' ? `exit ${answer.code}` : said})`,
        outputExcerpt(answer.stderr),
        said === 'condition'
          ? 'correct the condition: exit status 0 is yes, 1 is no'
          : 'fix the problem that the host reports, or the script; completed commands of the script are not undone',
        { done, culprit: id },
      )
    done.push(id)
    if (answer.stderr.trim() !== '') {
      const printed = masked(outputExcerpt(answer.stderr), secretsIn(spec))
      yield { do: 'notice', what: `${kind} ${id} printed:\n${printed}` }
    }
  }
}

const requestOf = (
  key: string,
  spec: RunSpec,
  program: Program,
  change: Change,
): { readonly script: Script; readonly input: Uint8Array | Secret } => {
  const { user, triggers, exitCodes = [0], input = '' } = spec
  const { file } = program
  const body = bodyOf(spec, program, (change.causes ?? []).length > 0)
  // Descriptor 3 takes the words of the conditions. The lock stays with root.
  const script = sh`mark=$(mktemp "$T/XXXXXXXX") || exit 96
file=
${file === undefined ? sh`` : placeScript(file, user)}
perl -e ${KEEP_OUTPUT} -- ${user === undefined ? sh`sh` : asAccount(user)} -c 'eval "$(head -c "$1")"' sh ${lengthOf(body)} "$file" 3>"$mark" ${user === undefined ? sh`` : sh`9>&-`}; status=$?
${file === undefined ? sh`` : sh`rm -rf "\${file%/*}"`}
read -r word <"$mark" || word="exit $status"
rm -f "$mark"
printf '%s\n' "$word"
case $word in skipped) exit 0 ;; condition) exit 1 ;; esac
case $status in ${join(sh`|`, exitCodes)}) ;; 0) exit 1 ;; *) exit "$status" ;; esac
${triggers === undefined ? sh`` : ranScript(key, triggers)}`
  return { script, input: joined([file?.bytes ?? '', body, input]) }
}

/** A script that places a file which the account alone can read, below a directory that the next run deletes if this one is killed. */
const placeScript = ({ name, bytes }: { readonly name: string; readonly bytes: string | Secret }, user: string | undefined): Script => sh`
place=$(mktemp -d "$T.XXXXXXXX") && chmod 711 "$place" || exit 96
file=$place/${name}
head -c ${lengthOf(bytes)} >"$file" && chmod 400 "$file" ${user === undefined ? sh`` : sh`&& chown -- ${user} "$file"`} || exit 96`

/** What the account's shell runs. It is the first part of the standard input, because every account can read arguments. */
const bodyOf = (spec: RunSpec, { code }: Program, isCaused: boolean): string | Secret => {
  const { umask = '022', directory = '/', environment = {}, unless, creates, onlyIf } = spec
  const ask = (condition: string, no: string): Script => sh`holds ${directory} ${condition}
case $? in 1) ${raw(no)} ;; 2) echo condition >&3; printf '%s\n' "$said"; exit 1 ;; esac`
  const skip = 'echo skipped >&3; exit 0'
  const done = [
    ...(creates === undefined ? [] : [sh`[ -e ${creates} ] || [ -L ${creates} ] || done=`]),
    ...(unless === undefined ? [] : [ask(unless, 'done=')]),
  ]
  const conditions = [
    // Skipped if somebody, or an earlier step, has done it since the observation.
    ...(isCaused || done.length === 0 ? [] : [sh`done=1`, ...done, sh`[ -z "$done" ] || { ${raw(skip)}; }`]),
    ...(onlyIf === undefined ? [] : [ask(onlyIf, skip)]),
  ]
  const before = sh`file=$2; set --
${conditions.length === 0 ? sh`` : HOLDS}
${conditions}
exec 3>&-
umask ${umask}
cd -- ${directory} || exit 119`
  const exports = Object.entries(environment).flatMap(([name, value]) => [`export ${name}=`, isSecret(value) ? value : quote(value), '\n'])
  return quotedSecrets([`${before}\n`, ...exports, `set -e\n${code}\n`])
}

/** Joins parts; a secret among them is quoted, and makes all a secret. */
const quotedSecrets = (parts: readonly (string | Secret)[]): string | Secret => {
  const text = parts.map((part) => (isSecret(part) ? quote(part.reveal()) : part)).join('')
  return parts.some(isSecret) ? new Secret(text, true) : text
}

const lengthOf = (body: string | Secret): number => Buffer.byteLength(isSecret(body) ? body.reveal() : body)

const joined = (parts: readonly (string | Secret)[]): Uint8Array | Secret => {
  const text = parts.map((part) => (isSecret(part) ? part.reveal() : part)).join('')
  return parts.some(isSecret) ? new Secret(text, true) : Buffer.from(text)
}
