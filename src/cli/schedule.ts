import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { recipes } from '../schedule/recipes.ts'
import { ACCOUNT } from '../schedule/renewal.ts'
import { type Job, RENEWAL } from '../schedule/units.ts'
import { DEFAULT_INTERVAL, INTERVALS } from '../schedule/watch.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type Arguments, type CommandContext, type CommandResult, defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { createKeys, deleteKeys, type Renewer, renewal, renewerOf } from './renewer.ts'
import { accountInstructions, userName } from './schedule/instructions.ts'
import { installJob, jobStatus, journalOf, removeJob, systemdOf, textsOf } from './schedule/systemd.ts'
import { installWatch, removeWatch, watchOnce } from './schedule/watch.ts'
import { watcherOf } from './schedule/watcher.ts'

const options = {
  ...inventoryOption,
  watch: { type: 'boolean', help: 'with install: compare the hosts with the playbook; with remove: remove only this' },
  every: {
    type: 'string',
    value: 'HOURS',
    choices: INTERVALS,
    help: `with --watch: hours between two comparisons (default: ${DEFAULT_INTERVAL})`,
  },
} as const satisfies Options

type Given = Arguments<typeof options>
type Action = (given: Given, context: CommandContext) => Promise<CommandResult>

const actions: Readonly<Record<string, Action>> = {
  install: async (given, context) => {
    if (given.values.watch) return installWatch(projectFiles(given), hoursOf(given), context)
    const { env, directory: root, out } = context
    const systemd = systemdOf(env)
    const { run, pattern, secretsPath, missingAccount } = await renewal(projectFiles(given), context)
    const renewer = renewerOf(context)
    const job: Job = {
      name: renewer.name,
      root,
      command: [process.execPath, realpathSync(process.argv[1] ?? ''), ...run, '--key', renewer.sshKey],
      environment: { HOME: env.HOME ?? '/', PROVISION_AGE_KEY_FILE: renewer.ageKey },
      environmentFile: join(renewer.directory, 'environment'),
      purpose: RENEWAL,
    }
    const texts = textsOf(job)
    const publicKey = await createKeys(renewer, secretsPath, context)
    installJob(systemd, job, texts)
    out(`${job.name}.timer renews the certificates of ${pattern} twice a day, as user ${userName(env)}.\n`)
    out(secretsStatement(renewer, secretsPath))
    if (!systemd.isForAll) out('To let it run while you are logged out: loginctl enable-linger\n')
    out(accountInstructions(missingAccount(publicKey), { pattern, account: ACCOUNT }))
    return 0
  },

  print: async (given, context) => {
    const { run, pattern, secretsPath, missingAccount } = await renewal(projectFiles(given), context)
    const renewer = renewerOf(context)
    const { out, directory } = context
    const text = recipes(run, directory)
    const publicKey = await createKeys(renewer, secretsPath, context)
    out(text)
    out(
      `\nThe keys are ${renewer.sshKey} and ${renewer.ageKey}.\nStore them as secrets where the run is scheduled, and commit identities/.\n`,
    )
    out(secretsStatement(renewer, secretsPath))
    out(accountInstructions(missingAccount(publicKey), { pattern, account: ACCOUNT }))
    return 0
  },

  watch: async (given, context) => watchOnce(projectFiles(given), hoursOf(given), context),

  status: async (_, context) => {
    const { out, view } = context
    const systemd = systemdOf(context.env)
    const jobs = [renewerOf(context).name, watcherOf(context).name].map((name) => ({ name, ...jobStatus(systemd, name) }))
    const installed = jobs.filter((job) => job.installed)
    if (installed.length === 0) out('nothing is scheduled for this project\n')
    for (const { name, lines, failed } of installed) {
      out(`${[view.paint.bold(name), ...lines].join('\n')}\n`)
      if (failed) out(`\n${journalOf(systemd, name)}`)
    }
    return installed.length > 0 && !installed.some(({ failed }) => failed) ? 0 : 1
  },

  remove: async ({ values }, context) => {
    if (!values.watch) await removeRenewal(context)
    return removeWatch(context, values.watch ?? false)
  },
}

const removeRenewal = async (context: CommandContext): Promise<void> => {
  const renewer: Renewer = renewerOf(context)
  removeJob(systemdOf(context.env), renewer.name)
  await deleteKeys(renewer, context)
  context.out(
    `The schedule is removed. To delete its account, replace its entry in the inventory with { name: ${ACCOUNT}, state: absent }.\n`,
  )
}

/** `provision schedule`: renews certificates and compares hosts with the playbook automatically. */
export const command = defineCommand({
  usage: [
    'schedule install | print [PLAYBOOK...] [OPTIONS]',
    'schedule install --watch [PLAYBOOK...] [OPTIONS]',
    'schedule watch [PLAYBOOK...] [OPTIONS]',
    'schedule status | remove [--watch]',
  ],
  options,
  notes: [
    '`install` creates a systemd timer on this machine that renews certificates twice a day. `print` shows the same for cron and CI.',
    `Both create two keys. The SSH key logs in as ${ACCOUNT}, on the load balancers only. The age key decrypts only the ACME account and the edge authority in identities/, and secrets.yaml if the inventory uses it.`,
    '`install --watch` creates a timer that makes a dry run every few hours and writes the result to the monitoring servers, which raise an alert. `watch` does so once.',
    '`status` shows the last and the next run. `remove` deletes the timers, their keys and the result of the watch.',
  ],
  run: async (given, context) => {
    const [name] = given.positionals
    const names = Object.keys(actions)
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action !== undefined) {
      refuseUnused(name ?? '', given.values)
      return action(given, context)
    }
    throw name === undefined
      ? usageError('schedule', 'no subcommand is given', `write one of: ${list(names)}`)
      : usageError('schedule', `unknown subcommand ${name}`, suggestion(name, names, 'use a subcommand of schedule'))
  },
})

/** Throws a `Problem` for an option that the subcommand would ignore. */
const refuseUnused = (name: string, { watch, every }: Given['values']): void => {
  if (watch && !['install', 'remove'].includes(name))
    throw usageError('schedule', `--watch does not apply to ${name}`, 'use it with install or remove')
  if (every !== undefined && name !== 'watch' && !(name === 'install' && watch))
    throw usageError('schedule', `--every does not apply to ${name}`, 'use it with install --watch')
}

const hoursOf = ({ values }: Given): number => Number(values.every ?? DEFAULT_INTERVAL)

const projectFiles = ({ positionals: [, ...playbooks], values }: Given) => ({ playbooks, inventory: values.inventory })

const secretsStatement = ({ ageKey }: Renewer, path: string | undefined): string =>
  path === undefined
    ? ''
    : `The inventory uses ${path}, so ${ageKey} decrypts every secret in it. Commit the file: it is encrypted for this key now.\n`
