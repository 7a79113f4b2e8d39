import { Problem, Problems, problemsIn, type Where } from '../problem.ts'
import { ansibleKind } from '../role/yaml/ansible/modules.ts'
import type { Declarable } from '../role/yaml/entries.ts'
import { shownText } from '../shown-name.ts'
import { accepts, keysAt } from '../site/schema/schema-at.ts'
import { plainValue } from '../site/source/source-map.ts'
import { suggestion } from '../site/source/suggest.ts'
import { parseYaml } from '../site/yaml/yaml.ts'
import { kindsOf, type Prepared, type PrepareOptions, prepare } from './prepare.ts'

/** One resource for the hosts of a pattern, as a command line has it. */
export interface AdHoc {
  readonly pattern: string
  readonly kind: string
  /** `OPTION=VALUE`. */
  readonly options: readonly string[]
  readonly where: Command
}

type Command = Extract<Where, { command: string }>

/** Name of the play and of the pseudo file in which the resource is. */
export const AD_HOC = 'ad hoc'

/** Prepares a run of one resource. It belongs to no role: nothing is recorded of it, and no orphan is looked for. */
export const prepareAdHoc = async (adHoc: AdHoc, options: PrepareOptions): Promise<Prepared> => {
  const kinds = await kindsOf(options.root)
  const kind = kinds.get(adHoc.kind)
  const { where } = adHoc
  if (kind === undefined)
    throw new Problem({
      class: 'input',
      where,
      what: `unknown kind ${shownText(adHoc.kind)}`,
      fix: ansibleKind(adHoc.kind, kinds) ?? suggestion(adHoc.kind, kinds.keys(), 'correct the name'),
    })
  const values = adHoc.options.map((option) => pair(option, kind, where))
  const twice = values.find(([name], i) => values.some(([other], j) => other === name && j < i))
  if (twice !== undefined)
    throw new Problem({ class: 'input', where, what: `option ${twice[0]} is given twice`, fix: 'remove one of the two' })
  const play = [{ name: AD_HOC, hosts: adHoc.pattern, resources: [{ [kind.name]: Object.fromEntries(values) }] }]
  return { ...(await prepare({ ...options, playbooks: [], adHoc: { path: AD_HOC, text: JSON.stringify(play) } })), isAdHoc: true }
}

/** Waits for `act`. Problems of the resource become problems of the command line. */
export const reportedAt = async <T>(where: Command, act: Promise<T>): Promise<T> => {
  try {
    return await act
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined) throw error
    throw new Problems(
      problems.map((problem) => ('file' in problem.where && problem.where.file === AD_HOC ? moved(problem, where) : problem)),
    )
  }
}

const moved = (problem: Problem, where: Command): Problem => {
  const { class: sort, what, why, fix } = problem
  return new Problem({ class: sort, where, what, why, fix }, { cause: problem })
}

/** A value is text if the option takes text, else what YAML reads: a number, true or false, a list in brackets. */
const pair = (option: string, kind: Declarable, where: Command): readonly [string, unknown] => {
  const equals = option.indexOf('=')
  if (equals < 1)
    throw new Problem({
      class: 'input',
      where,
      what: `argument ${JSON.stringify(shownText(option))} is not OPTION=VALUE`,
      fix: `write, for example, ${keysAt(kind.schema, [])[0] ?? 'name'}=…`,
    })
  const [name, text] = [option.slice(0, equals), option.slice(equals + 1)]
  if (text.includes('${') || accepts(kind.schema, [name], text)) return [name, text]
  const { root, problems } = parseYaml(AD_HOC, text)
  const value = root === undefined || problems.length > 0 ? text : plainValue(root)
  return [name, value]
}
