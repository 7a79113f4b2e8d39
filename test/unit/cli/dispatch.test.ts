import { describe, expect, test } from 'vitest'
import packageJson from '../../../package.json' with { type: 'json' }
import { commands } from '../../../src/cli/commands.ts'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { surroundings } from './surroundings.ts'

const say = async (...argv: readonly string[]) => {
  const given = surroundings()
  const ended = await dispatch(argv, given)
  return { ended, ...given.said }
}

describe('provision', () => {
  test('--version prints the version, of every command too', async () => {
    expect(await say('--version')).toEqual({ ended: 0, out: `${packageJson.version}\n`, err: '' })
    expect(await say('run', '--version')).toEqual({ ended: 0, out: `${packageJson.version}\n`, err: '' })
  })

  test('--help lists every command', async () => {
    const { ended, out } = await say('--help')
    expect(ended).toBe(0)
    for (const [name, { summary }] of Object.entries(commands)) expect(out).toMatch(new RegExp(`^ {2}${name} +${summary}$`, 'm'))
  })

  test('a command that does not exist is guessed', async () => {
    await expect(say('rnu')).rejects.toMatchObject({ class: 'input', what: 'there is no command rnu', fix: 'did you mean `run`?' })
    await expect(say('constructor')).rejects.toMatchObject({ class: 'input' })
    await expect(say('--dry-run')).rejects.toMatchObject({ class: 'input', fix: expect.stringContaining('provision run') })
  })
})

describe.each(Object.keys(commands))('provision %s', (name) => {
  test('--help shows its usage and every option with what it does, and does nothing else', async () => {
    const { ended, out, err } = await say(name, '--help')
    const { command } = (await commands[name]?.load()) ?? {}
    expect([ended, err]).toEqual([0, ''])
    for (const line of command?.usage ?? []) expect(out).toContain(`provision ${line}`)
    for (const [option, { help }] of Object.entries(command?.options ?? {}))
      expect(out).toMatch(new RegExp(`--${option}\\b.*${help.slice(0, 10)}`))
  })

  test('lines of its help fit a terminal', async () => {
    const { out } = await say(name, '-h')
    expect(out.split('\n').filter((line) => line.length > 130)).toEqual([])
  })

  test('an option that it does not have is an input error', async () => {
    await expect(say(name, '--no-such-option')).rejects.toMatchObject({
      problems: [{ class: 'input', what: '--no-such-option is not an option of it' }],
    })
  })
})
