import { existsSync, realpathSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { readSite } from '../../engine/prepare.ts'
import type { Run } from '../../engine/run-state.ts'
import { ageKeyFile } from '../../keystore/age-key.ts'
import { lineOf, type Problem } from '../../problem.ts'
import { count, inLine } from '../../report/text.ts'
import { type Drift, driftOf, lasting, metricsOf } from '../../schedule/drift.ts'
import { missingAccount } from '../../schedule/renewal.ts'
import type { Job } from '../../schedule/units.ts'
import { dueAfter, patternOf, WATCH_ACCOUNT, watchArguments, watchPurpose } from '../../schedule/watch.ts'
import type { CommandContext, CommandResult } from '../command.ts'
import { configHome, createSshKey } from '../renewer.ts'
import { warn } from '../site.ts'
import { statusOf, unlessInterrupted } from '../status.ts'
import { accountInstructions, userName } from './instructions.ts'
import { installJob, removeJob, systemdOf, textsOf } from './systemd.ts'
import {
  deleteResults,
  keepFiles,
  keptFiles,
  notDone,
  projectOptions,
  serversIn,
  type WatchedFiles,
  watcherOf,
  writingScript,
} from './watcher.ts'

/** Installs the timer that compares the hosts with the playbook every so many hours. */
export const installWatch = async (files: WatchedFiles, hours: number, context: CommandContext): Promise<CommandResult> => {
  const { env, directory: root, out } = context
  const systemd = systemdOf(env)
  const checked = await readSite(projectOptions(files, context))
  warn(checked.warnings, context)
  const { site, bindings } = checked
  const servers = serversIn(checked)
  const watcher = watcherOf(context)
  const hosts = [...new Set(site.plays.flatMap((play) => play.hosts))]
  const isAlone = hosts.every((host) => site.hosts.get(host)?.connection.transport !== 'local')
  const job: Job = {
    name: watcher.name,
    root,
    command: [process.execPath, realpathSync(process.argv[1] ?? ''), ...watchArguments(files.playbooks, files.inventory, hours)],
    environment: { HOME: env.HOME ?? '/', XDG_CONFIG_HOME: configHome(env), PROVISION_AGE_KEY_FILE: ageKeyFile(env) },
    environmentFile: join(watcher.directory, 'environment'),
    purpose: watchPurpose(hours, { isForAll: systemd.isForAll, isAlone }),
  }
  const texts = textsOf(job)
  const publicKey = await createSshKey(watcher)
  keepFiles(watcher, files)
  installJob(systemd, job, texts)
  out(
    `${job.name}.timer compares ${count(hosts.length, 'host')} with the playbook every ${hours === 1 ? 'hour' : `${hours} hours`}, as user ${userName(env)}.\n` +
      `The result goes to ${servers.join(', ')}. The alert HostDiffers names what differs.\n` +
      `Its key ${watcher.sshKey} logs in as ${WATCH_ACCOUNT}, which may become root on all these hosts.\n`,
  )
  if (!systemd.isForAll) out('To let it run while you are logged out: loginctl enable-linger\n')
  const base = new Map(bindings.bound.filter(({ role }) => role.name === 'base').map(({ host, written }) => [host, written.value]))
  const pattern = patternOf(hosts, site)
  const missing = missingAccount({ pattern, hosts: new Map(hosts.map((host) => [host, base.get(host)])) }, publicKey, WATCH_ACCOUNT)
  out(accountInstructions(missing, { pattern, account: WATCH_ACCOUNT }))
  return 0
}

/** Time after which a difference is looked for again: a restart or an upgrade can be under way. */
const CONFIRM_MS = 15_000

/** Compares the hosts with the playbook once, and writes the result to the monitoring servers. Changes nothing else. */
export const watchOnce = async (files: WatchedFiles, hours: number, context: CommandContext): Promise<CommandResult> => {
  const { signal, out, err } = context
  const engine = await import('../../engine/run.ts')
  const watcher = watcherOf(context)
  const login = existsSync(watcher.sshKey) ? { user: WATCH_ACCOUNT, key: watcher.sshKey } : {}
  const prepared = await unlessInterrupted(signal, engine.prepare({ ...projectOptions(files, context), login }))
  const servers = serversIn(prepared)
  const compare = () => unlessInterrupted(signal, engine.plan(prepared, { listen: () => undefined, signal }))

  const run = await compare()
  try {
    let drift = driftOf(run)
    let held = heldIn(run)
    if (held === undefined && differencesIn(drift) > 0) {
      await sleep(CONFIRM_MS, undefined, { signal })
      const second = await compare()
      drift = lasting(drift, driftOf(second))
      held = heldIn(second)
      await second.close()
    }
    if (held !== undefined) {
      out(`skipped: a run is under way on ${held}\n`)
      return 0
    }
    const done = Math.floor(Date.now() / 1000)
    const text = metricsOf(watcher.name, drift, { done, due: done + dueAfter(hours) })
    const problems = await writeResult({ run, servers, name: watcher.name, text })
    for (const problem of run.unreachable) err(`${inLine(lineOf(problem))}\n`)
    out(`${summaryOf(drift)}\n`)
    return { status: statusOf(problems), problems }
  } finally {
    await run.close()
  }
}

/** Removes the timer, its result on the monitoring servers and its key. Without these servers the key stays, so that it can be repeated. */
export const removeWatch = async (context: CommandContext, tells: boolean): Promise<CommandResult> => {
  const watcher = watcherOf(context)
  const files = keptFiles(watcher)
  removeJob(systemdOf(context.env), watcher.name)
  if (files === undefined) {
    if (tells) context.out('no watch is installed for this project\n')
    return 0
  }
  const problems = await deleteResults(watcher, files, context)
  if (problems.length > 0) {
    context.err('The timer is removed, but its result is still on a monitoring server. Run the command again when the host is up.\n')
    return { status: statusOf(problems), problems }
  }
  rmSync(watcher.directory, { recursive: true, force: true })
  context.out(
    `The watch is removed. To delete its account, replace its entry in the inventory with { name: ${WATCH_ACCOUNT}, state: absent }.\n`,
  )
  return 0
}

/** The first host on which another run holds the lock. */
const heldIn = ({ hosts }: Pick<Run, 'hosts'>): string | undefined =>
  [...hosts].find(([, { session }]) => session.underWay !== undefined)?.[0]

const differencesIn = (drift: Drift): number => [...drift.values()].reduce((sum, changes) => sum + (changes?.size ?? 0), 0)

interface Result {
  readonly run: Pick<Run, 'hosts' | 'unreachable'>
  readonly servers: readonly string[]
  readonly name: string
  readonly text: string
}

/** Writes the result to each monitoring server. Returns the problems of those that did not get it. */
const writeResult = async ({ run, servers, name, text }: Result): Promise<readonly Problem[]> => {
  const written = await Promise.all(
    servers.map(async (server): Promise<readonly Problem[]> => {
      const session = run.hosts.get(server)?.session
      if (session === undefined) return run.unreachable.filter(({ where }) => 'host' in where && where.host === server)
      const { code, stderr } = await session.shell.request(writingScript(name), { input: Buffer.from(text) })
      return code === 0 ? [] : [notDone(server, 'the result of the watch could not be written', stderr)]
    }),
  )
  return written.flat()
}

/** One line per host that differs or could not be observed, and a total. */
const summaryOf = (drift: Drift): string => {
  const lines = [...drift].flatMap(([host, changes]) => {
    if (changes === undefined) return [`${host}: not observed`]
    return [...changes].map(([resource, action]) => `${host}: ${action} ${resource}`)
  })
  const compared = [...drift.values()].filter((changes) => changes !== undefined).length
  return [...lines.map(inLine), `${count(compared, 'host')} compared, ${count(differencesIn(drift), 'difference')}`].join('\n')
}
