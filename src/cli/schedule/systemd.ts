import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { writeWhole } from '../../disk/write.ts'
import { Problem } from '../../problem.ts'
import { words } from '../../report/text.ts'
import { readProperties, SERVICE_PROPERTIES, type Status, statusOf, TIMER_PROPERTIES } from '../../schedule/status.ts'
import { type Job, serviceText, timerText } from '../../schedule/units.ts'
import type { CommandContext } from '../command.ts'
import { usageError } from '../parse.ts'
import { configHome } from '../renewer.ts'

export type Systemd = ReturnType<typeof systemdOf>

/** Returns the systemd manager of this machine for root, or that of the user. */
export const systemdOf = (env: CommandContext['env']) => {
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

/** Writes the units of a job, and starts its timer. */
export const installJob = (systemd: Systemd, job: Job, texts = textsOf(job)): void => {
  for (const [suffix, text] of Object.entries(texts))
    writeWhole(join(systemd.directory, `${job.name}.${suffix}`), text, { mode: 0o644, directory: 0o755 })
  systemd.require('daemon-reload')
  systemd.require('enable', '--now', `${job.name}.timer`)
}

/** Returns the texts of both units. Throws a `Problem` if a value cannot be written. */
export const textsOf = (job: Job) => ({ service: serviceText(job), timer: timerText(job) })

/** Stops the timer of a job, and deletes its units. */
export const removeJob = (systemd: Systemd, name: string): void => {
  systemd.query('disable', '--now', `${name}.timer`)
  for (const suffix of ['service', 'timer']) rmSync(join(systemd.directory, `${name}.${suffix}`), { force: true })
  systemd.require('daemon-reload')
}

/** Returns the state of a job. */
export const jobStatus = (systemd: Systemd, name: string): Status => {
  const show = (unit: string, properties: string) => readProperties(systemd.query('show', `--property=${properties}`, unit))
  return statusOf({ service: show(`${name}.service`, SERVICE_PROPERTIES), timer: show(`${name}.timer`, TIMER_PROPERTIES) })
}

/** Returns the last lines that a job printed. */
export const journalOf = (systemd: Systemd, name: string): string => {
  const journal = [...(systemd.isForAll ? [] : ['--user']), '--unit', `${name}.service`, '--lines=20', '--no-pager', '--output=cat']
  return words(spawnSync('journalctl', journal, { encoding: 'utf8' }).stdout ?? '')
}
