import { randomBytes } from 'node:crypto'
import { Problem } from '../../problem.ts'
import { outputExcerpt } from '../../resource/kind/step.ts'
import type { Bindings } from '../../role/bind.ts'
import type { OwnFacts } from '../../role/role.ts'
import { type Script, scriptOf } from '../../shell/script.ts'
import { hereDocument, sh } from '../../shell/sh.ts'

/** The question of a role to a host. */
export interface OwnQuestion {
  readonly role: string
  readonly facts: OwnFacts
}

/** The answers of a host by role, checked by the schemas of the roles. */
export type OwnAnswers = ReadonlyMap<string, unknown>

/** Time for the script of one role, in seconds. */
const SECONDS = 20
const MAX_BYTES = 64 * 1024

/** Returns the questions of the roles that plays bind to a host. */
export const ownQuestions = ({ bound }: Bindings, host: string): readonly OwnQuestion[] => {
  const roles = new Map(bound.filter((one) => one.host === host).map(({ role }) => [role.name, role]))
  return [...roles.values()].flatMap(({ name, facts }) => (facts === undefined ? [] : [{ role: name, facts }]))
}

/** A script that asks them after the built-in facts, and a function that splits the answers from what was printed before. */
export const askOwn = (
  host: string,
  questions: readonly OwnQuestion[],
): { readonly script: Script; read(stdout: string): { readonly before: string; readonly own: OwnAnswers } } => {
  const mark = randomBytes(16).toString('hex')
  return {
    script: sh`${questions.map(
      ({ facts }) => sh`
status=0; timeout -k 5 ${SECONDS} sh -c '. /dev/fd/3' >"$T/own" 2>"$T/own.said" </dev/null 3${hereDocument(String(scriptOf(facts.script)))}
status=$?
printf '\\n%s\\n%s\\n' ${mark} "$status"; head -c ${MAX_BYTES + 1} "$T/own"; printf '\\n%s\\n' ${mark}; head -c 2000 "$T/own.said"; rm -f "$T/own" "$T/own.said"`,
    )}`,
    read: (stdout) => {
      const [before = '', ...parts] = stdout.split(`\n${mark}\n`)
      if (parts.length !== 2 * questions.length) throw new Error(`${parts.length} of ${2 * questions.length} answers`)
      return {
        before,
        own: new Map(questions.map((question, i) => [question.role, answerOf(host, question, parts.slice(2 * i, 2 * i + 2))])),
      }
    },
  }
}

const answerOf = (host: string, { role, facts }: OwnQuestion, [answer = '', said = '']: readonly string[]): unknown => {
  const [status, text] = [answer.slice(0, answer.indexOf('\n')), answer.slice(answer.indexOf('\n') + 1)]
  const problem = (what: string, why: string, fix: string): Problem =>
    new Problem({ class: 'task', where: { host, role: `role ${role}` }, what, why, fix })
  const FIX = 'correct the script of `facts` in the role, or the host; nothing was changed on it'
  if (status === '124' || status === '137')
    throw problem('the facts of this role are missing', `their script did not end within ${SECONDS} s`, FIX)
  if (status !== '0')
    throw problem('the facts of this role are missing', `their script ended with exit ${status}: ${outputExcerpt(said)}`, FIX)
  if (Buffer.byteLength(text) > MAX_BYTES)
    throw problem('the facts of this role are too long', `their script printed more than ${MAX_BYTES / 1024} KB`, FIX)
  const value = readAnswer(text)
  const checked = facts.schema.safeParse(value)
  if (checked.success) return checked.data
  const [issue] = checked.error.issues
  const place = issue === undefined || issue.path.length === 0 ? 'the answer' : issue.path.join('.')
  throw problem(
    'the facts of this role are not what it expects',
    `${place} ${issue?.message ?? ''}: the host printed ${JSON.stringify(text.trim().slice(0, 200))}`,
    'correct the script or the schema of `facts` in the role; nothing was changed on this host',
  )
}

/** Reads JSON, or lines KEY=VALUE. A text that is neither is left to the schema. */
const readAnswer = (text: string): unknown => {
  const trimmed = text.trim()
  if (/^[[{"]/.test(trimmed)) {
    try {
      return JSON.parse(trimmed)
    } catch {
      return trimmed
    }
  }
  const lines = trimmed.split('\n').filter((line) => line.trim() !== '')
  const pairs = lines.map((line) => /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line))
  if (pairs.includes(null)) return trimmed
  return Object.fromEntries(pairs.map((pair) => [pair?.[1], pair?.[2]]))
}
