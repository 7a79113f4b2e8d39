import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commands } from '../../../src/cli/commands.ts'
import { parseArguments } from '../../../src/cli/parse.ts'
import { problemsIn } from '../../../src/problem.ts'
import { blocks, inlineCode, pages, read, root } from './pages.ts'

/** Words of a command line. Quoted words stay together; pipes, redirections and comments end it. */
const wordsOf = (line: string): readonly string[] => {
  const [command = ''] = line.split(/ (?:\||&&|>|#) ?|;/)
  return [...command.matchAll(/'[^']*'|\S+/g)].map(([word]) => word.replaceAll("'", ''))
}

/** Every `provision …` that a page tells its reader to run. */
const commandLines = (page: string): readonly string[] => {
  const typed = blocks(page, 'sh').flatMap((block) => block.split('\n'))
  const transcripts = blocks(page, '').flatMap((block) => block.split('\n').flatMap((line) => /^\$ (.*)$/.exec(line)?.[1] ?? []))
  const inline = inlineCode(page).filter((code) => /^(npx )?provision [a-z]/.test(code))
  return [...typed, ...transcripts, ...inline].map((line) => line.replace(/^npx /, '')).filter((line) => line.startsWith('provision '))
}

/** Words that can follow a command, from its usage: `secrets edit | encrypt`. */
const actionsOf = (usage: readonly string[]): readonly string[] =>
  usage.flatMap((line) => [...line.replaceAll(/\[[^\]]*\]/g, '').matchAll(/ ([a-z][a-z-]*)/g)].map(([, word = '']) => word))

/** Faults of a command line; empty if `provision` accepts it. */
const faultsOf = async (line: string): Promise<readonly string[]> => {
  const [, name = '', ...rest] = wordsOf(line)
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) return [`${line}: there is no command ${name}`]
  const { command } = await entry.load()
  // An option that a sentence mentions alone needs no value.
  const last = command.options[rest.at(-1)?.replace(/^--/, '') ?? '']
  const argv = last?.type === 'string' ? [...rest, 'VALUE'] : rest
  const actions = actionsOf(command.usage)
  try {
    const { positionals } = parseArguments(name, argv, command)
    const [first] = positionals
    return first === undefined || actions.length === 0 || actions.includes(first) ? [] : [`${line}: ${name} has no ${first}`]
  } catch (error) {
    return (problemsIn(error) ?? []).map(({ what }) => `${line}: ${what}`)
  }
}

test('every command line in the documentation is valid', async () => {
  const lines = pages.flatMap((path) => commandLines(read(path)).map((line) => `${path}: ${line}`))
  expect(lines.length).toBeGreaterThan(50)
  const faults = await Promise.all(lines.map((line) => faultsOf(line.slice(line.indexOf(': ') + 2))))
  expect(faults.flat()).toEqual([])
})

test.each([
  ['a command', 'provision deploy', 'there is no command deploy'],
  ['an option', 'provision run --check', '--check'],
  ['an action', 'provision lab start', 'lab has no start'],
])('%s that does not exist is found', async (_, line, fault) => {
  expect(await faultsOf(line)).toEqual([expect.stringContaining(fault)])
})

test('the README lists every command, with its summary, and options and actions that it has', async () => {
  const [table = ''] = blocks(read('README.md'), '').filter((block) => block.startsWith('provision run '))
  const entries = table.split(/^provision /m).slice(1)
  expect(entries.map((entry) => entry.split(' ')[0])).toEqual(Object.keys(commands))
  for (const entry of entries) {
    const [name = ''] = entry.split(' ')
    const command = await commands[name]?.load().then((module) => module.command)
    expect(entry.slice(name.length).trimStart().split('  ')[0]).toBe(commands[name]?.summary)
    const options = [...entry.matchAll(/--([a-z][a-z-]*)/g)].map(([, option = '']) => option)
    expect(options.filter((option) => command?.options[option] === undefined)).toEqual([])
    const actions = actionsOf(command?.usage ?? [])
    const listed = [...entry.replaceAll(/\[[^\]]*\]/g, '').matchAll(/(?: {2}|\| )([a-z][a-z-]*)(?= \||$| HOST)/gm)].map(([, word]) => word)
    expect(actions.length === 0 ? [] : listed.filter((word) => !actions.includes(word ?? ''))).toEqual([])
  }
})

test('every npm script and every playbook that the documentation names exists', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Readonly<Record<string, string>> }
  const code = pages.flatMap((path) => [...inlineCode(read(path)), ...blocks(read(path), 'sh')])
  const named = code.flatMap((text) => [...text.matchAll(/npm (?:run )?((?:test|demo|bench|check|format|build)[a-z:]*)/g)])
  expect(named.map(([, script = '']) => script).filter((script) => scripts[script] === undefined)).toEqual([])
  const files = code.flatMap((text) => [...text.matchAll(/(?<![\w/.])(?:playbooks|scripts)\/[\w./-]+\w/g)].map(([path]) => path))
  expect(files.length).toBeGreaterThan(5)
  expect([...new Set(files)].filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('options of the fault tests exist', () => {
  const lines = pages.flatMap((path) => blocks(read(path), 'sh').flatMap((block) => block.split('\n')))
  const options = lines.filter((line) => line.startsWith('npm run test:faults --')).flatMap((line) => [...line.matchAll(/--([a-z]+)/g)])
  const source = read('test/faults/main.ts')
  expect(options.length).toBeGreaterThan(0)
  expect(options.map(([, option = '']) => option).filter((option) => !source.includes(`${option}: { type: 'string'`))).toEqual([])
})
