import { describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { commands } from '../../../src/cli/commands.ts'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { testContext } from './context.ts'

const run = async (...argv: readonly string[]) => {
  const context = testContext()
  const result = await dispatch(argv, context)
  return { result, ...context.output }
}

describe('provision', () => {
  test('--version prints the version, also behind a command', async () => {
    expect(await run('--version')).toEqual({ result: 0, out: `${packageJson.version}\n`, err: '' })
    expect(await run('run', '--version')).toEqual({ result: 0, out: `${packageJson.version}\n`, err: '' })
  })

  test('--help lists every command', async () => {
    const { result, out } = await run('--help')
    expect(result).toBe(0)
    for (const [name, { summary }] of Object.entries(commands)) expect(out).toMatch(new RegExp(`^ {2}${name} +${summary}$`, 'm'))
  })

  test('prints its help and fails without a command, and the help of a command on request', async () => {
    const { out } = await run('--help')
    for (const argv of [['-h'], ['help']]) expect(await run(...argv)).toEqual({ result: 0, out, err: '' })
    expect(await run()).toEqual({ result: 3, out, err: '' })
    for (const [status, meaning] of [
      ['0', 'done, or nothing to do'],
      ['2', '--dry-run found changes'],
      ['130', 'interrupted'],
    ])
      expect(out).toMatch(new RegExp(`^ {2}${status} +${meaning}$`, 'm'))
    expect(await run('help', 'run', 'x')).toEqual(await run('run', '--help'))
    expect(await run('version')).toEqual({ result: 0, out: `${packageJson.version}\n`, err: '' })
  })

  test('prints the short form, the value and the choices of an option', async () => {
    const { out } = await run('run', '--help')
    expect(out).toMatch(/^ {2}-i, --inventory \S+ +/m)
    expect(out).toMatch(/^ {6}--dry-run +/m)
    expect(out).toMatch(/^ {6}--role NAME .*\(repeatable\)$/m)
    expect(out).toMatch(/^ {6}--output FORMAT .*\(.*plain.*\)/m)
    expect(out).toMatch(/^ {2}-h, --help +print this help$/m)
  })

  test('suggests a command for a misspelt one', async () => {
    await expect(run('rnu')).rejects.toMatchObject({ class: 'input', what: 'unknown command rnu', fix: 'did you mean `run`?' })
    await expect(run('constructor')).rejects.toMatchObject({ class: 'input' })
    await expect(run('--dry-run')).rejects.toMatchObject({ class: 'input', fix: expect.stringContaining('provision run') })
  })
})

describe.each(Object.keys(commands))('provision %s', (name) => {
  test('--help prints usage and options, and nothing else', async () => {
    const { result, out, err } = await run(name, '--help')
    const { command } = (await commands[name]?.load()) ?? {}
    expect([result, err]).toEqual([0, ''])
    for (const line of command?.usage ?? []) expect(out).toContain(`provision ${line}`)
    for (const [option, { help }] of Object.entries(command?.options ?? {}))
      expect(out).toMatch(new RegExp(`--${option}\\b.*${help.slice(0, 10)}`))
  })

  test('--help has no line over 130 columns', async () => {
    const { out } = await run(name, '-h')
    expect(out.split('\n').filter((line) => line.length > 130)).toEqual([])
  })

  test('rejects an unknown option as an input error', async () => {
    await expect(run(name, '--no-such-option')).rejects.toMatchObject({
      problems: [{ class: 'input', what: 'unknown option --no-such-option' }],
    })
  })
})
