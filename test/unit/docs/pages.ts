import { globSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../../..')

/** Names of the shipped roles. */
export const shipped = readdirSync(join(root, 'roles'))

/** Paths of all documentation, relative to the project. */
export const pages = [
  'README.md',
  'CONTRIBUTING.md',
  ...globSync('docs/**/*.md', { cwd: root }).toSorted(),
  ...shipped.map((name) => `roles/${name}/README.md`),
]

export const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Fenced blocks of a language; '' is a block without a language. Blocks can be indented, as in a list. */
export const blocks = (page: string, language: string): readonly string[] =>
  [...page.matchAll(/^( *)```(\w*)\n(.*?)^\1```$/gms)].flatMap(([, indent = '', found, block = '']) =>
    found === language ? [block.replaceAll(new RegExp(`^${indent}`, 'gm'), '')] : [],
  )

/** Examples that begin with the path of a file in a project: `// roles/shop/role.ts`. */
export const filesIn = (page: string): Readonly<Record<string, string>> =>
  Object.fromEntries(
    blocks(page, 'ts').flatMap((block) => (/^\/\/ (\S+\.ts)\n/.exec(block)?.[1] ? [[block.slice(3, block.indexOf('\n')), block]] : [])),
  )

/** A page without its fenced blocks. */
export const prose = (page: string): string => page.replaceAll(/^( *)```\w*\n.*?^\1```$/gms, '')

/** Inline code, with line breaks in it as spaces. */
export const inlineCode = (page: string): readonly string[] =>
  [...prose(page).matchAll(/`([^`]+)`/g)].map(([, code = '']) => code.replaceAll(/\s+/g, ' '))
