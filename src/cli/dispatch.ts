import packageJson from '../../package.json' with { type: 'json' }
import { problemsIn } from '../problem.ts'
import { suggestion } from '../site/source/suggest.ts'
import type { Arguments, Command, CommandContext, CommandResult, Options } from './command.ts'
import { commands } from './commands.ts'
import { commandHelp, overview } from './help.ts'
import { parseArguments, usageError } from './parse.ts'

/** Runs the command that the arguments name. */
export const dispatch = async (argv: readonly string[], context: CommandContext): Promise<CommandResult> => {
  const { out, view } = context
  const [name, ...rest] = argv
  if (name === undefined || name === '--help' || name === '-h' || (name === 'help' && rest.length === 0)) {
    out(overview(commands, view))
    return name === undefined ? 3 : 0
  }
  if (name === '--version' || name === 'version') {
    out(`${packageJson.version}\n`)
    return 0
  }
  if (name === 'help') return dispatch([...rest.slice(0, 1), '--help'], context)
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) throw unknownCommand(name)

  const { command } = await entry.load()
  const given = parseOrReport(name, rest, command, context)
  if (given.values.help) {
    out(commandHelp(entry.summary, command, view))
    return 0
  }
  if (given.values.version) return dispatch(['--version'], context)
  return command.run(given, context)
}

const parseOrReport = (name: string, argv: readonly string[], command: Command, context: CommandContext): Arguments<Options> => {
  try {
    return parseArguments(name, argv, command)
  } catch (error) {
    command.reportInvalid?.(argv, problemsIn(error) ?? [], context)
    throw error
  }
}

const COMMAND_FIRST = 'write the command first, for example provision run --dry-run'

const unknownCommand = (name: string): Error =>
  name.startsWith('-')
    ? usageError('', `option ${name} precedes the command`, name === '-V' ? 'did you mean `--version`?' : COMMAND_FIRST)
    : usageError('', `unknown command ${name}`, suggestion(name, Object.keys(commands), 'run provision --help'))
