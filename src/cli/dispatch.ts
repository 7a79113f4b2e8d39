import packageJson from '../../package.json' with { type: 'json' }
import { problemsIn } from '../problem.ts'
import { suggestion } from '../site/source/suggest.ts'
import type { Arguments, Command, Ended, Options, Surroundings } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, overview } from './help.ts'
import { parseArguments, wrong } from './parse.ts'

/** From the words behind `provision` to the command that they mean. */
export const dispatch = async (argv: readonly string[], surroundings: Surroundings): Promise<Ended> => {
  const { out, view } = surroundings
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    out(overview(commands, view))
    return name === undefined ? 3 : 0
  }
  if (name === '--version' || name === 'version') {
    out(`${packageJson.version}\n`)
    return 0
  }
  if (name === 'help') return dispatch([...rest.slice(0, 1), '--help'], surroundings)
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) throw unknown(name)

  const { command } = await entry.load()
  const given = parsed(name, rest, command, surroundings)
  if (given.values.help) {
    out(commandHelp(entry.summary, command, view))
    return 0
  }
  if (given.values.version) return dispatch(['--version'], surroundings)
  return command.run(given, surroundings)
}

const parsed = (name: string, argv: readonly string[], command: Command, surroundings: Surroundings): Arguments<Options> => {
  try {
    return parseArguments(name, argv, command)
  } catch (error) {
    command.refused?.(argv, problemsIn(error) ?? [], surroundings)
    throw error
  }
}

const unknown = (name: string): Error =>
  name.startsWith('-')
    ? wrong('', `${name} stands before the command`, 'write the command first: provision run --dry-run')
    : wrong('', `there is no command ${name}`, suggestion(name, Object.keys(commands), 'provision --help lists the commands'))
