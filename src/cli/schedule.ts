import { spawnSync } from 'node:child_process'
import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { words } from '../report/text.ts'
import { recipes } from '../schedule/recipes.ts'
import { ACCOUNT } from '../schedule/renewal.ts'
import { readProperties, SERVICE_PROPERTIES, statusOf, TIMER_PROPERTIES } from '../schedule/status.ts'
import { type Job, serviceText, timerText } from '../schedule/units.ts'
import { list, suggestion } from '../site/source/suggest.ts'
import { type Arguments, defineCommand, type Ended, type Surroundings } from './command.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { configHome, dismiss, enrol, type Renewer, renewal, renewerOf } from './renewer.ts'

type Given = Arguments<typeof inventoryOption>
type Action = (given: Given, surroundings: Surroundings) => Promise<Ended>

const actions: Readonly<Record<string, Action>> = {
  install: async (given, surroundings) => {
    const { env, directory: root, out } = surroundings
    const systemd = systemdOf(env)
    const found = await renewal(asked(given), surroundings)
    const renewer = renewerOf(surroundings)
    const job: Job = {
      name: renewer.name,
      root,
      command: [process.execPath, realpathSync(process.argv[1] ?? ''), ...found.run, '--key', renewer.sshKey],
      environment: { HOME: env.HOME ?? '/', PROVISION_AGE_KEY_FILE: renewer.ageKey },
      environmentFile: join(renewer.directory, 'environment'),
    }
    const texts = { service: serviceText(job), timer: timerText(job) }
    const publicKey = await enrol(renewer, surroundings)
    for (const [suffix, text] of Object.entries(texts))
      writeWhole(join(systemd.directory, `${job.name}.${suffix}`), text, { mode: 0o644, directory: 0o755 })
    systemd.must('daemon-reload')
    systemd.must('enable', '--now', `${job.name}.timer`)
    out(`${job.name}.timer renews the certificates of ${found.pattern} twice a day, as you: ${userName(env)}.\n`)
    if (!systemd.isForAll) out('For runs while you are not logged in: loginctl enable-linger\n')
    out(letIn(found.linesFor(publicKey), found.pattern))
    return 0
  },

  status: async (_, surroundings) => {
    const { out, view } = surroundings
    const systemd = systemdOf(surroundings.env)
    const { name } = renewerOf(surroundings)
    const shown = (unit: string, properties: string) => readProperties(systemd.ask('show', `--property=${properties}`, unit))
    const status = statusOf({ service: shown(`${name}.service`, SERVICE_PROPERTIES), timer: shown(`${name}.timer`, TIMER_PROPERTIES) })
    out(`${[view.paint.bold(name), ...status.lines].join('\n')}\n`)
    if (status.failed) {
      const journal = [...(systemd.isForAll ? [] : ['--user']), '--unit', `${name}.service`, '--lines=20', '--no-pager', '--output=cat']
      out(`\n${words(spawnSync('journalctl', journal, { encoding: 'utf8' }).stdout ?? '')}`)
    }
    return status.installed && !status.failed ? 0 : 1
  },

  remove: async (_, surroundings) => {
    const systemd = systemdOf(surroundings.env)
    const renewer: Renewer = renewerOf(surroundings)
    systemd.ask('disable', '--now', `${renewer.name}.timer`)
    for (const suffix of ['service', 'timer']) rmSync(join(systemd.directory, `${renewer.name}.${suffix}`), { force: true })
    systemd.must('daemon-reload')
    await dismiss(renewer, surroundings)
    surroundings.out(
      `Nothing is scheduled any more. In the inventory, let the account go: { name: ${ACCOUNT}, keys: [], state: absent }.\n`,
    )
    return 0
  },

  print: async (given, surroundings) => {
    const found = await renewal(asked(given), surroundings)
    const renewer = renewerOf(surroundings)
    const { out, directory } = surroundings
    const text = recipes(found.run, directory)
    const publicKey = await enrol(renewer, surroundings)
    out(text)
    out(`\nIts keys: ${renewer.sshKey} and ${renewer.ageKey}.\nMove them to where it runs, as secrets, and commit identities/.\n`)
    out(letIn(found.linesFor(publicKey), found.pattern))
    return 0
  },
}

/** `provision schedule`: certificates renew without a person. */
export const command = defineCommand({
  usage: ['schedule install | print [PLAYBOOK...] [OPTIONS]', 'schedule status | remove'],
  options: inventoryOption,
  notes: [
    '`install` lets a systemd timer of this machine renew certificates twice a day, `print` shows how to let cron or a CI do it.',
    `Either makes two keys of its own: one logs in as ${ACCOUNT}, on the balancers only; the other opens the ACME account`,
    'and the edge authority in identities/, and nothing else.',
  ],
  run: async (given, surroundings) => {
    const [name] = given.positionals
    const names = Object.keys(actions)
    const action = name !== undefined && Object.hasOwn(actions, name) ? actions[name] : undefined
    if (action !== undefined) return action(given, surroundings)
    throw name === undefined
      ? wrong('schedule', 'it needs to be told what to do', `write one of ${list(names)}`)
      : wrong('schedule', `it knows no ${name}`, suggestion(name, names, 'write one of them'))
  },
})

const asked = ({ positionals: [, ...playbooks], values }: Given) => ({ playbooks, inventory: values.inventory })

const userName = (env: Surroundings['env']): string => env.USER || (process.getuid?.() === 0 ? 'root' : 'this user')

const letIn = (lines: string | undefined, pattern: string): string =>
  lines === undefined
    ? 'The inventory lets it in already.\n'
    : `\nLet it in: write this into the inventory (the list stands for that of outer groups, so it names everybody), then run\nprovision run --role base --limit ${pattern}\n\n${lines}`

/** This machine's systemd: root's own, or the one of whoever calls. */
const systemdOf = (env: Surroundings['env']) => {
  const isForAll = process.getuid?.() === 0
  const scope = isForAll ? [] : ['--user']
  const call = (...words: readonly string[]) => spawnSync('systemctl', [...scope, ...words], { encoding: 'utf8' })
  const otherwise = 'let cron or a CI do it: provision schedule print'
  if (!existsSync('/run/systemd/system')) throw wrong('schedule', 'systemd does not run this machine', otherwise)
  if (!isForAll && call('show-environment').status !== 0)
    throw wrong('schedule', 'systemd keeps no services for this user (systemctl --user)', `run it as root, or ${otherwise}`)
  return {
    isForAll,
    directory: isForAll ? '/etc/systemd/system' : join(configHome(env), 'systemd', 'user'),
    ask: (...words: readonly string[]): string => call(...words).stdout ?? '',
    must: (...words: readonly string[]): void => {
      const { status, stderr } = call(...words)
      if (status === 0) return
      const what = `systemctl ${words.join(' ')} failed`
      throw new Problem({ class: 'task', where: { command: 'provision schedule' }, what, why: stderr.trim(), fix: 'correct what it says' })
    },
  }
}
