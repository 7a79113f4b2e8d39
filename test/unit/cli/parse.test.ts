import { describe, expect, test } from 'vitest'
import type { Options } from '../../../src/cli/command.ts'
import { parseArguments } from '../../../src/cli/parse.ts'
import { Problems } from '../../../src/problem.ts'

const options = {
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: '' },
  output: { type: 'string', value: 'FORMAT', choices: ['plain', 'json'], help: '' },
  'dry-run': { type: 'boolean', help: '' },
} as const satisfies Options

const parse = (...argv: readonly string[]) => parseArguments('run', argv, { options, passesOn: true })

describe('arguments', () => {
  test('options, short ones, repeated ones, positionals, and what stands behind --', () => {
    const given = parse('site.yaml', '-l', 'web', '--limit=db', '--dry-run', 'more.yaml', '--', 'ls', '--all')
    expect(given).toEqual({
      positionals: ['site.yaml', 'more.yaml'],
      rest: ['ls', '--all'],
      values: expect.objectContaining({ limit: ['web', 'db'], 'dry-run': true }),
    })
  })

  test('a pattern that begins with ! or - is taken where it is written as one', () => {
    expect(parse('--limit', '!web-02', '--limit=-x').values.limit).toEqual(['!web-02', '-x'])
  })

  test.each([
    ['an option misspelt', ['--dryrun'], '--dryrun is not an option of it', 'did you mean `--dry-run`?'],
    ['a short option that is none', ['-x'], '-x is not an option of it', expect.stringContaining('provision run --help')],
    ['a value that is missing at the end', ['--limit'], '--limit needs a value', 'write --limit PATTERN'],
    ['a value that is another option', ['--limit', '--dry-run'], '--limit needs a value', 'write --limit PATTERN'],
    ['an empty value', ['--limit='], '--limit needs a value', 'write --limit PATTERN'],
    ['a value for what takes none', ['--dry-run=yes'], '--dry-run takes no value', 'write --dry-run alone'],
    ['a value that is no choice', ['--output', 'jsn'], '--output cannot be "jsn"', 'did you mean `json`?'],
    ['an option of every object', ['--constructor'], '--constructor is not an option of it', expect.anything()],
  ])('%s', (_, argv, what, fix) => {
    expect(() => parse(...argv)).toThrow(Problems)
    try {
      parse(...argv)
    } catch (error) {
      expect((error as Problems).problems).toEqual([expect.objectContaining({ class: 'input', what, fix })])
    }
  })

  test('what stands behind -- are words too where no command of the user’s own is expected', () => {
    expect(parseArguments('run', ['--dry-run', 'a', '--', '--b'], { options })).toMatchObject({ positionals: ['a', '--b'], rest: [] })
  })

  test.each([
    ['a word that is empty', [''], 'one of its words is empty'],
    ['a word too many', ['a', 'b'], 'it takes no b'],
    ['a word too many behind --', ['a', '--', 'b'], 'it takes no b'],
    ['a value of which only the last would count', ['--output=json', '--output', 'plain'], '--output is given twice'],
  ])('%s', (_, argv, what) => {
    expect(() => parseArguments('run', argv, { options, words: 1 })).toThrow(what)
  })

  test('all that is wrong is told at once', () => {
    expect(() => parse('--one', '--two', '--output=x')).toThrow(/--one.*\n.*--two.*\n.*"x"/)
  })
})
