import { type Arguments, type CommandResult, defineCommand } from '../command.ts'
import { usageError } from '../parse.ts'
import { options as runOptions } from '../run/options.ts'
import { runSite } from '../run.ts'

const { inventory, 'dry-run': dryRun, yes, user, key, json, output, verbose, wait } = runOptions

const options = { inventory, 'dry-run': dryRun, yes, user, key, json, output, verbose, wait }

/** `provision apply`: plans and applies one resource of the command line. */
export const command = defineCommand({
  usage: ['apply PATTERN KIND OPTION=VALUE... [OPTIONS]'],
  options,
  notes: [
    'PATTERN selects hosts and groups: web-01, web:!web-02, lb-*, all.',
    `A value is text, or what YAML reads where the option takes no text: 10, true, [a, b]. It can have references: \${vars.NAME}, \${secret:NAME}.`,
    'Nothing is recorded of the resource: it is not deleted later. A resource that stays belongs into a playbook.',
  ],
  run: async (given, context): Promise<CommandResult> => {
    const [pattern, kind, ...values] = given.positionals
    if (pattern === undefined || kind === undefined)
      throw usageError('apply', 'no host pattern or kind is given', 'write, for example, provision apply web package name=htop')
    const [engine, { prepareAdHoc, reportedAt }] = await Promise.all([import('../../engine/run.ts'), import('../../engine/ad-hoc.ts')])
    const where = { command: `provision apply ${pattern} ${kind}` }
    const prepare: typeof engine.prepare = ({ playbooks: _, ...more }) =>
      reportedAt(where, prepareAdHoc({ pattern, kind, options: values, where }, more))
    const plan: typeof engine.plan = (...given) => reportedAt(where, engine.plan(...given))
    const run: Arguments<typeof runOptions> = { ...given, positionals: [] }
    return runSite({ ...engine, prepare, plan }, run, context)
  },
})
