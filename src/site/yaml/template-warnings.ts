import type { Problem } from '../../problem.ts'
import { shownText } from '../../shown-name.ts'
import { inputProblem } from '../source/input-problem.ts'
import { placeInText, type SourceScalar } from '../source/source-map.ts'

/**
 * Warns about a Jinja expression or tag in a text, which no YAML file is rendered for, and about a reference to a variable outside of
 * `resources`, the only place where it is resolved. `path` has the keys above the text. Braces of other languages are ignored:
 * `{{ $value }}`, `{{ .Name }}`, `{{ end }}`, `${{ x }}`.
 */
export const templateWarnings = (at: Omit<SourceScalar, 'value'>, text: string, path: readonly string[]): readonly Problem[] => {
  const list = listAbove(path)
  const found = jinjaIn(text) ?? (list === undefined ? referenceIn(text) : undefined)
  if (found === undefined) return []
  const { index, written, name } = found
  return [inputProblem(placeInText(at, text, index), `\`${shownText(written)}\` is literal text here`, fixFor(name, list))]
}

/** The list of resources that a text is a part of: that of a role, or of a play. */
type List = 'role' | 'play' | undefined

const listAbove = ([first = '', second = '']: readonly string[]): List =>
  first.startsWith('resources[') ? 'role' : second.startsWith('resources[') ? 'play' : undefined

interface Found {
  readonly index: number
  readonly written: string
  /** The name, if the expression is one. */
  readonly name?: string
}

const referenceIn = (text: string): Found | undefined => {
  const found = /(?<!\$)\$\{((?:vars|host|facts)\.[\w.-]+)\}/.exec(text)
  return found === null ? undefined : { index: found.index, written: found[0], name: found[1] ?? '' }
}

/** A name with what follows it: `.name`, `['name']` and `(…)`. */
const OPERAND = String.raw`(?:[A-Za-z_]\w*(?:\.\w+|\[[^\]{}]*\]|\((?:[^{}()]|\([^{}()]*\))*\))*|'[^'{}]*')`
const EXPRESSION = new RegExp(String.raw`^${OPERAND}(?:\s*(?:[|~+*/%-]|[=!<>]=|[<>]|\s(?:if|is|in|not|and|or)\s).*)?$`, 's')
/** Words with which other languages begin an action. Jinja has them in tags only. */
const OTHERS = /^(?:if|else|elseif|end|range|with|define|block|template|break|continue|nil|true|false|each|unless)\b/
/** What Go templates have in an action, and Jinja has not: variables, fields of the cursor, texts in back quotes. */
const GO = /\$|(?:^|[\s(|])\.|`|:=/
const TAG =
  /^(?:if|elif|else|endif|for|endfor|set|endset|macro|endmacro|include|import|from|raw|endraw|block|endblock|extends|call|filter)\b/

/** Returns the first expression or tag of Jinja in a text. */
const jinjaIn = (text: string): Found | undefined => {
  for (const { 0: written, 1: expression, 2: tag, index } of text.matchAll(/(?<![${])\{(?:\{-?([^{}]*)-?\}|%-?([^{}%]*)-?%)\}(?!\})/g)) {
    const inside = (expression ?? tag ?? '').replace(/-$/, '').trim()
    if (tag !== undefined ? TAG.test(inside) : EXPRESSION.test(inside) && !OTHERS.test(inside) && !GO.test(inside))
      return { index, written, ...(expression !== undefined && /^[A-Za-z_]\w*(\.\w+)*$/.test(inside) && { name: inside }) }
  }
  return undefined
}

/** Variables of Ansible, and the references with the same value. */
const SAME: ReadonlyMap<string, string> = new Map(
  Object.entries({
    inventory_hostname: 'host.name',
    ansible_host: 'host.address',
    ansible_user: 'host.user',
    ansible_distribution_release: 'facts.codename',
    ansible_facts: 'facts.NAME',
    ansible_distribution: 'facts.distribution',
    role_name: 'role.name',
  }),
)

const fixFor = (name: string | undefined, list: List): string => {
  const shown = `\${${referenceTo(name ?? 'NAME', list)}}`
  return list === undefined
    ? `use an alias (\`&name\`, \`*name\`) or \${env:NAME:plain}; only \`resources\` read ${shown}`
    : `write ${shown}; \`template\` names a file with {{ … }} to render, \`source\` a file with literal text`
}

const referenceTo = (name: string, list: List): string => {
  const [root = '', ...more] = name.split('.')
  if (root === 'item' || (more.length > 0 && ROOTS.has(root))) return name
  return SAME.get(root) ?? `${list === 'role' ? 'options' : 'vars'}.${name}`
}

const ROOTS: ReadonlySet<string> = new Set(['vars', 'host', 'facts', 'options', 'role'])
