import { suggestion } from '../../site/source/suggest.ts'
import { type Command, type CommandEntry, defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { candidatesFor } from './candidates.ts'
import { printed } from './printed.ts'
import { projectNames } from './project-names.ts'
import { completionScripts, SHELLS } from './scripts.ts'

/** `provision completion`: prints the completion script of a shell, or the words that can follow on a command line. */
export const completionOf = (commands: Readonly<Record<string, CommandEntry>>): { readonly command: Command } => ({
  command: defineCommand({
    usage: [`completion ${SHELLS.join(' | ')}`],
    options: {
      line: { type: 'string', value: 'TEXT', help: 'print the words that can follow this command line' },
    },
    maxPositionals: 1,
    notes: [
      'bash: source <(provision completion bash)',
      'zsh: source <(provision completion zsh)',
      'fish: provision completion fish | source',
      'It completes commands, options, and the hosts, groups, roles and kinds of the project in the working directory.',
    ],
    run: async ({ positionals: [name], values: { line } }, context) => {
      const shell = SHELLS.find((one) => one === name)
      if (shell === undefined)
        throw usageError(
          'completion',
          name === undefined ? 'no shell is given' : `unknown shell ${name}`,
          suggestion(name ?? '', SHELLS, 'name a shell'),
        )
      if (line === undefined) context.out(completionScripts[shell])
      else {
        const inventory = /\s(?:-i|--inventory)[\s=]+(\S+)\s/.exec(line)?.[1]
        context.out(printed[shell](await candidatesFor(line, { commands, ...projectNames(context, inventory) }), line))
      }
      return 0
    },
  }),
})
