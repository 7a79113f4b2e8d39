import { describe, expect, test } from 'vitest'
import type { Options } from '../../../src/cli/command.ts'
import { parseArguments } from '../../../src/cli/parse.ts'
import { Problems } from '../../../src/problem.ts'

const options = {
  limit: { type: 'string', short: 'l', multiple: true, value: 'PATTERN', help: '' },
  output: { type: 'string', value: 'FORMAT', choices: ['plain', 'json'], help: '' },
  'dry-run': { type: 'boolean', help: '' },
} as const satisfies Options

const parse = (...argv: readonly string[]) => parseArguments('run', argv, { options, takesCommand: true })

describe('arguments', () => {
  test('parses long, short and repeated options, positionals and arguments after --', () => {
    const given = parse('site.yaml', '-l', 'web', '--limit=db', '--dry-run', 'more.yaml', '--', 'ls', '--all')
    expect(given).toEqual({
      positionals: ['site.yaml', 'more.yaml'],
      rest: ['ls', '--all'],
      values: expect.objectContaining({ limit: ['web', 'db'], 'dry-run': true }),
    })
  })

  test.each([
    ['ssh', 'web-01', 'sudo', 'sh', '-s'],
    ['ssh', 'web-01', '--', 'sudo', 'sh', '-s'],
    ['ssh', '-l', 'web', 'web-01', '--dry-run', 'sudo', 'sh', '-s'],
  ])('takes what follows the own arguments as a command, with or without --: %s %s %s %s %s', (...argv) => {
    const commandAfter = (first: string | undefined) => (first === 'ssh' ? 2 : undefined)
    const given = (words: readonly string[]) => parseArguments('lab', words, { options, takesCommand: true, commandAfter })
    expect(given(argv)).toMatchObject({ positionals: ['ssh', 'web-01'], rest: ['sudo', 'sh', '-s'] })
    expect(given(['reset', 'web-01', 'web-02'])).toMatchObject({ positionals: ['reset', 'web-01', 'web-02'], rest: [] })
    expect(() => given(['reset', 'web-01', 'sudo', '-s'])).toThrow('unknown option -s')
  })

  test('accepts a value that begins with !, and with - after =', () => {
    expect(parse('--limit', '!web-02', '--limit=-x').values.limit).toEqual(['!web-02', '-x'])
  })

  test.each([
    ['a misspelt option', ['--dryrun'], 'unknown option --dryrun', 'did you mean `--dry-run`?'],
    ['an unknown short option', ['-x'], 'unknown option -x', expect.stringContaining('provision run --help')],
    ['an option of another tool', ['--check'], 'unknown option --check', 'did you mean `--dry-run`?'],
    ['a short option of another tool', ['-V'], 'unknown option -V', 'did you mean `--version`?'],
    [
      'an option of another tool that this command has not',
      ['--private-key'],
      'unknown option --private-key',
      expect.stringContaining('available: '),
    ],
    ['a short option in the other case', ['-L'], 'unknown option -L', 'did you mean `-l`?'],
    ['a missing value at the end', ['--limit'], '--limit needs a value', 'write --limit PATTERN'],
    ['an option in place of a value', ['--limit', '--dry-run'], '--limit needs a value', 'write --limit PATTERN'],
    ['an empty value', ['--limit='], '--limit needs a value', 'write --limit PATTERN'],
    ['a value for a boolean option', ['--dry-run=yes'], '--dry-run takes no value', 'write --dry-run without a value'],
    ['a value that is not a choice', ['--output', 'jsn'], '--output does not accept "jsn"', 'did you mean `json`?'],
    ['a property of every object', ['--constructor'], 'unknown option --constructor', expect.anything()],
  ])('%s', (_, argv, what, fix) => {
    expect(() => parse(...argv)).toThrow(Problems)
    try {
      parse(...argv)
    } catch (error) {
      expect((error as Problems).problems).toEqual([expect.objectContaining({ class: 'input', what, fix })])
    }
  })

  test('arguments after -- are positionals of a command that takes no command', () => {
    expect(parseArguments('run', ['--dry-run', 'a', '--', '--b'], { options })).toMatchObject({ positionals: ['a', '--b'], rest: [] })
  })

  test.each([
    ['an empty argument', [''], 'an argument is empty'],
    ['an argument too many', ['a', 'b'], 'unexpected argument b'],
    ['an argument too many after --', ['a', '--', 'b'], 'unexpected argument b'],
    ['an option given twice', ['--output=json', '--output', 'plain'], '--output is given twice'],
  ])('%s', (_, argv, what) => {
    expect(() => parseArguments('run', argv, { options, maxPositionals: 1 })).toThrow(what)
  })

  test('reports all problems together', () => {
    expect(() => parse('--one', '--two', '--output=x')).toThrow(/--one.*\n.*--two.*\n.*"x"/)
  })
})
