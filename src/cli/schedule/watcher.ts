import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { PRIVATE } from '../../disk/folder.ts'
import { writeWhole } from '../../disk/write.ts'
import { readSite } from '../../engine/prepare.ts'
import { openShell } from '../../host/shell/open.ts'
import { resolveTarget } from '../../host/target/target.ts'
import { Problem, type Problem as ProblemType, problemsIn } from '../../problem.ts'
import { METRICS } from '../../role/metrics.ts'
import { nameOf } from '../../schedule/renewal.ts'
import { monitoringServers, WATCH_PREFIX } from '../../schedule/watch.ts'
import { sh } from '../../shell/sh.ts'
import type { CommandContext } from '../command.ts'
import { usageError } from '../parse.ts'
import { configHome } from '../renewer.ts'

/** The watch of a project: its name, and its files on this machine. */
export interface Watcher {
  readonly name: string
  readonly directory: string
  readonly sshKey: string
}

/** Inventory and playbooks that the watch reads; without them, the defaults. */
export interface WatchedFiles {
  readonly inventory?: string | undefined
  readonly playbooks: readonly string[]
}

export const watcherOf = ({ directory: root, env }: CommandContext): Watcher => {
  const name = nameOf(root, WATCH_PREFIX)
  const directory = join(configHome(env), 'provision', 'schedule', name)
  return { name, directory, sshKey: join(directory, 'id_ed25519') }
}

/** Remembers the files, so that the watch can be removed without naming them again. */
export const keepFiles = ({ directory }: Watcher, files: WatchedFiles): void => {
  writeWhole(join(directory, FILES), `${JSON.stringify(files)}\n`, { mode: 0o600, directory: PRIVATE })
}

export const keptFiles = ({ directory }: Watcher): WatchedFiles | undefined => {
  const path = join(directory, FILES)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as WatchedFiles) : undefined
}

const FILES = 'watch.json'

/** Options of the engine for these files. */
export const projectOptions = ({ inventory, playbooks }: WatchedFiles, { directory: root, env }: CommandContext) => ({
  root: resolve(root),
  env,
  ...(inventory === undefined ? {} : { inventory }),
  ...(playbooks.length === 0 ? {} : { playbooks }),
})

/** Throws a `Problem` if the playbook has no monitoring server, because nobody would be told of a difference. */
export const serversIn = ({ bindings, site }: Pick<Awaited<ReturnType<typeof readSite>>, 'bindings' | 'site'>): readonly string[] => {
  const servers = monitoringServers(bindings, site)
  if (servers.length > 0) return servers
  throw usageError(
    'schedule',
    'the playbook has no monitoring server, which would raise the alert',
    'add the role monitoring and hosts of its group `servers`, or name the playbook that has them',
  )
}

/** The directory of the results of all watches, on the monitoring servers. Root owns it and the one above. */
const RESULTS = `${METRICS}/watch`

/** Script that replaces the result of a watch by its standard input. The collector never reads a half-written file. */
export const writingScript = (name: string): string =>
  String(sh`set -eu; umask 022
[ -d ${METRICS} ] || { echo 'the role monitoring has not been applied here' >&2; exit 1; }
mkdir -p ${RESULTS}; cd ${RESULTS}
new=$(mktemp ./.new.XXXXXX); cat >"$new"; chmod 644 "$new"; mv -f "$new" ${`${name}.prom`}`)

const deletingScript = (name: string): string => String(sh`rm -f ${`${RESULTS}/${name}.prom`}; rmdir ${RESULTS} 2>/dev/null; :`)

/** Deletes the result of the watch on the monitoring servers. Returns the problems of servers on which it remains. */
export const deleteResults = async ({ name }: Watcher, files: WatchedFiles, context: CommandContext): Promise<readonly ProblemType[]> => {
  const { site, bindings } = await readSite(projectOptions(files, context))
  const problems = await Promise.all(
    monitoringServers(bindings, site).map(async (server): Promise<readonly ProblemType[]> => {
      const connection = site.hosts.get(server)?.connection
      if (connection === undefined) return []
      try {
        const shell = await openShell(await resolveTarget(server, connection), { signal: context.signal })
        const { code, stderr } = await shell.request(deletingScript(name)).finally(() => shell.close())
        return code === 0 ? [] : [notDone(server, `the result of the watch could not be deleted`, stderr)]
      } catch (error) {
        const found = problemsIn(error)
        if (found === undefined) throw error
        return found
      }
    }),
  )
  return problems.flat()
}

export const notDone = (host: string, what: string, stderr: string): ProblemType =>
  new Problem({
    class: 'task',
    where: { host },
    what,
    why: stderr.trim().slice(0, 500),
    fix: 'correct the cause, then run the command again',
  })
