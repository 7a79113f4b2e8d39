import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { words } from '../report/text.ts'
import { recipes } from '../schedule/recipes.ts'
import { ACCOUNT, type Missing } from '../schedule/renewal.ts'
import { readProperties, SERVICE_PROPERTIES, statusOf, TIMER_PROPERTIES } from '../schedule/status.ts'
import { type Job, serviceText, timerText } from '../schedule/units.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type Arguments, type CommandContext, type CommandResult, defineCommand } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { configHome, createKeys, deleteKeys, type Renewer, renewal, renewerOf } from './renewer.ts'

type Given = Arguments<typeof inventoryOption>
type Action = (given: Given, context: CommandContext) => Promise<CommandResult>

const actions: Readonly<Record<string, Action>> = {
  install: async (given, context) => {
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
    }
    const texts = { service: serviceText(job), timer: timerText(job) }
    const publicKey = await createKeys(renewer, secretsPath, context)
    for (const [suffix, text] of Object.entries(texts))
      writeWhole(join(systemd.directory, `${job.name}.${suffix}`), text, { mode: 0o644, directory: 0o755 })
    systemd.require('daemon-reload')
    systemd.require('enable', '--now', `${job.name}.timer`)
    out(`${job.name}.timer renews the certificates of ${pattern} twice a day, as user ${userName(env)}.\n`)
    out(secretsStatement(renewer, secretsPath))
    if (!systemd.isForAll) out('To let it run while you are logged out: loginctl enable-linger\n')
    out(accountInstructions(missingAccount(publicKey), pattern))
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
    out(accountInstructions(missingAccount(publicKey), pattern))
    return 0
  },

  status: async (_, context) => {
    const { out, view } = context
    const systemd = systemdOf(context.env)
    const { name } = renewerOf(context)
    const show = (unit: string, properties: string) => readProperties(systemd.query('show', `--property=${properties}`, unit))
    const status = statusOf({ service: show(`${name}.service`, SERVICE_PROPERTIES), timer: show(`${name}.timer`, TIMER_PROPERTIES) })
    out(`${[view.paint.bold(name), ...status.lines].join('\n')}\n`)
    if (status.failed) {
      const journal = [...(systemd.isForAll ? [] : ['--user']), '--unit', `${name}.service`, '--lines=20', '--no-pager', '--output=cat']
      out(`\n${words(spawnSync('journalctl', journal, { encoding: 'utf8' }).stdout ?? '')}`)
    }
    return status.installed && !status.failed ? 0 : 1
  },

  remove: async (_, context) => {
    const systemd = systemdOf(context.env)
    const renewer: Renewer = renewerOf(context)
    systemd.query('disable', '--now', `${renewer.name}.timer`)
    for (const suffix of ['service', 'timer']) rmSync(join(systemd.directory, `${renewer.name}.${suffix}`), { force: true })
    systemd.require('daemon-reload')
    await deleteKeys(renewer, context)
    context.out(
      `The schedule is removed. To delete its account, replace its entry in the inventory with { name: ${ACCOUNT}, state: absent }.\n`,
    )
    return 0
  },
}

/** `provision schedule`: renews certificates automatically. */
export const command = defineCommand({
  usage: ['schedule install | print [PLAYBOOK...] [OPTIONS]', 'schedule status | remove'],
  options: inventoryOption,
  notes: [
    '`install` creates a systemd timer on this machine that renews certificates twice a day. `print` shows the same for cron and CI.',
    `Both create two keys. The SSH key logs in as ${ACCOUNT}, on the load balancers only. The age key decrypts only the ACME account and the edge authority in identities/, and secrets.yaml if the inventory uses it.`,
    '`status` shows the last and the next run. `remove` deletes the timer and its keys.',
  ],
  run: async (given, context) => {
    const [name] = given.positionals
    const names = Object.keys(actions)
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action !== undefined) return action(given, context)
    throw name === undefined
      ? usageError('schedule', 'no subcommand is given', `write one of: ${list(names)}`)
      : usageError('schedule', `unknown subcommand ${name}`, suggestion(name, names, 'use a subcommand of schedule'))
  },
})

const projectFiles = ({ positionals: [, ...playbooks], values }: Given) => ({ playbooks, inventory: values.inventory })

const userName = (env: CommandContext['env']): string => env.USER || (process.getuid?.() === 0 ? 'root' : 'this user')

const secretsStatement = ({ ageKey }: Renewer, path: string | undefined): string =>
  path === undefined
    ? ''
    : `The inventory uses ${path}, so ${ageKey} decrypts every secret in it. Commit the file: it is encrypted for this key now.\n`

const accountInstructions = (missing: Missing | undefined, pattern: string): string => {
  if (missing === undefined) return 'The inventory already contains its account.\n'
  const run = `then run\nprovision run --role base --limit ${pattern}\n\n`
  if (missing.do === 'replace') return `\nThe inventory has another entry of ${ACCOUNT}. Replace it with this one, ${run}${missing.entry}\n`
  const repeats = 'The list replaces that of outer groups, so it repeats their entries. Change such an entry in both places later.\n'
  return `\nTo create its account, add these lines to the inventory, ${run}${missing.lines}${missing.repeats ? `\n${repeats}` : ''}`
}

/** Returns the systemd manager of this machine for root, or that of the user. */
const systemdOf = (env: CommandContext['env']) => {
  const isForAll = process.getuid?.() === 0
  const scope = isForAll ? [] : ['--user']
  const call = (...words: readonly string[]) => spawnSync('systemctl', [...scope, ...words], { encoding: 'utf8' })
  const useCron = 'use cron or CI instead: provision schedule print'
  if (!existsSync('/run/systemd/system')) throw usageError('schedule', 'this machine does not run systemd', useCron)
  if (!isForAll && call('show-environment').status !== 0)
    throw usageError('schedule', 'the systemd user manager does not answer (systemctl --user)', `run the command as root, or ${useCron}`)
  return {
    isForAll,
    directory: isForAll ? '/etc/systemd/system' : join(configHome(env), 'systemd', 'user'),
    query: (...words: readonly string[]): string => call(...words).stdout ?? '',
    require: (...words: readonly string[]): void => {
      const { status, stderr } = call(...words)
      if (status === 0) return
      const what = `systemctl ${words.join(' ')} failed`
      throw new Problem({
        class: 'task',
        where: { command: 'provision schedule' },
        what,
        why: stderr.trim(),
        fix: `correct the cause, then run systemctl ${words.join(' ')}`,
      })
    },
  }
}
