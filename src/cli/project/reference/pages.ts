import type { Role } from '../../../role/role.ts'
import type { Declarable, Kinds } from '../../../role/yaml/entries.ts'
import { kindOptions } from './in-yaml.ts'
import { below, type OptionNode, optionTree } from './option-tree.ts'

const MADE = '<!-- Written by `npm run docs`: change the schema instead. -->'

/** Returns the pages of the reference by their paths in docs/reference/: an index, a page per role and a page per kind. */
export const referencePages = (roles: ReadonlyMap<string, Role>, kinds: Kinds): ReadonlyMap<string, string> => {
  const sorted = [...kinds].toSorted(([one], [other]) => (one < other ? -1 : 1))
  return new Map([
    ['README.md', indexPage(roles, sorted)],
    ...[...roles].map(([name, role]) => [`roles/${name}.md`, rolePage(name, role)] as const),
    ...sorted.map(([name, kind]) => [`kinds/${name}.md`, kindPage(name, kind)] as const),
  ])
}

const indexPage = (roles: ReadonlyMap<string, Role>, kinds: readonly (readonly [string, Declarable])[]): string =>
  page('Reference', [
    'Options of all roles and kinds, from their schemas. `provision roles NAME` and `provision kinds NAME` print the same, also for the roles and kinds of your project.',
    '## Roles',
    table(
      ['role', 'purpose'],
      [...roles].map(([name, { summary }]) => [`[${name}](roles/${name}.md)`, prose(summary)]),
    ),
    '## Kinds of resources',
    table(
      ['kind', 'content'],
      kinds.map(([name, { summary = '' }]) => [`[${name}](kinds/${name}.md)`, prose(summary)]),
    ),
  ])

const rolePage = (name: string, { summary, options }: Role): string =>
  page(`Role ${name}`, [
    `${sentence(summary)} [How to use it](../../../roles/${name}/README.md).`,
    `Variables of the inventory under \`${name}:\`, or options of the role in a playbook.`,
    optionTable(optionTree(options)),
  ])

const kindPage = (name: string, kind: Declarable): string =>
  page(`Kind ${name}`, [
    sentence(kind.summary ?? ''),
    `An entry \`- ${name}: {…}\` of \`resources\` in a play or a role ([resources in YAML](../../resources.md)).`,
    optionTable(kindOptions(kind)),
  ])

const page = (title: string, parts: readonly string[]): string => `${[MADE, `# ${title}`, ...parts].join('\n\n')}\n`

const sentence = (text: string): string => `${prose(text.charAt(0).toUpperCase() + text.slice(1))}.`

const optionTable = (options: readonly OptionNode[]): string =>
  options.length === 0 ? 'It has no options.' : table(['option', 'type', 'default', 'description'], rowsOf(options))

const rowsOf = (options: readonly OptionNode[], above = ''): readonly (readonly string[])[] =>
  options.flatMap((option) => {
    const name = below(above, option.name)
    const usual = option.required ? 'required' : option.default === undefined ? '' : code(option.default)
    const example = option.example === undefined ? '' : `for example ${code(option.example)}`
    const text = [prose(option.description), example].filter((part) => part !== '').join('; ')
    return [[code(name), code(option.type), usual, text], ...rowsOf(option.options, name)]
  })

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')

/** Code in a table of Markdown. Text with a backtick is set between two of them. */
const code = (text: string): string => {
  const line = text.replaceAll('\n', '⏎').replaceAll('|', '\\|')
  return line.includes('`') ? `\`\` ${line} \`\`` : `\`${line}\``
}

/** Prose in a table of Markdown, without tags, links and emphasis outside of code. */
const prose = (text: string): string =>
  text
    .replaceAll('\n', ' ')
    .split(/(`[^`]*`)/)
    .map((part) => (part.startsWith('`') ? part : part.replaceAll(/[<>[\]*_]/g, String.raw`\$&`)))
    .join('')
    .replaceAll('|', '\\|')
