import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { exists } from './cache.ts'

/**
 * The mount points of this machine's cgroup hierarchies, the unified one first: one with version 2, several on a hybrid machine. Hosts that
 * shared one of them would share their units. `cpuset`, `devices` and `freezer` do not matter for that.
 */
export const hierarchies = async (): Promise<readonly string[]> => {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').map((line) => line.split(' '))
  const points = (type: string) => mounts.filter((mount) => mount[2] === type).map((mount) => mount[1] ?? '')
  return [...points('cgroup2'), ...points('cgroup').filter((point) => !/(cpuset|devices|freezer)/.test(point))]
}

/** The processes in a cgroup and below it. */
export const membersOf = async (group: string): Promise<readonly number[]> => {
  const [unified = ''] = await hierarchies()
  return membersBelow(join(unified, group))
}

/** Kills everything in a cgroup, and removes the cgroup from all hierarchies. */
export const endGroup = async (group: string): Promise<void> => {
  const points = (await hierarchies()).map((point) => join(point, group))
  const dying = new Set<number>()
  for (let round = 0; round < 3000; round++) {
    const pids = (await Promise.all(points.map(membersBelow))).flat()
    for (const pid of pids) kill(pid)
    for (const pid of pids) dying.add(pid)
    // A process leaves the group some time before it releases its sockets and mounts.
    for (const pid of dying) if (!(await isDying(pid, group))) dying.delete(pid)
    if (pids.length + dying.size === 0) {
      await Promise.all(points.map(removeTree))
      if (!(await Promise.all(points.map(exists))).includes(true)) return
    }
    await sleep(10)
  }
  throw new Error(`processes of ${group} do not end: ${(await membersOf(group)).join(' ')}`)
}

/** Creates a cgroup in every hierarchy, and returns their paths. */
export const makeGroup = async (group: string): Promise<readonly string[]> => {
  const points = await hierarchies()
  for (const point of points) {
    await mkdir(join(point, group), { recursive: true })
    await enableControllers(point, group)
  }
  return points.map((point) => join(point, group))
}

// A v2 group has only the controllers that every group above it enables for its children.
const enableControllers = async (point: string, group: string) => {
  const steps = group.split('/')
  for (let depth = 0; depth < steps.length; depth++) {
    const above = join(point, ...steps.slice(0, depth))
    const available = (await readFile(join(above, 'cgroup.controllers'), 'utf8').catch(() => '')).trim().split(' ')
    for (const controller of available.filter((each) => ['cpu', 'io', 'memory', 'pids'].includes(each)))
      await writeFile(join(above, 'cgroup.subtree_control'), `+${controller}`).catch(() => {})
  }
}

/** The arguments that start a command in a cgroup. */
export const inGroup = async (group: string, argv: readonly string[]): Promise<readonly string[]> => {
  const points = await makeGroup(group)
  // Zero means the writing process. The builtin `echo` of the shell starts no other process.
  return ['sh', '-c', 'for p in $1; do echo 0 > "$p/cgroup.procs"; done; shift; exec "$@"', 'sh', points.join(' '), ...argv]
}

const isDying = async (pid: number, group: string) => {
  const [groups, status] = await Promise.all(['cgroup', 'status'].map((file) => readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '')))
  return Boolean(groups?.includes(group) && !/^State:\tZ/m.test(status ?? ''))
}

const kill = (pid: number) => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // The process has ended meanwhile.
  }
}

const membersBelow = async (directory: string): Promise<number[]> => {
  const text = await readFile(join(directory, 'cgroup.procs'), 'utf8').catch(() => '')
  const below = await Promise.all((await subgroups(directory)).map(membersBelow))
  return [...text.split('\n').filter(Boolean).map(Number), ...below.flat()]
}

const removeTree = async (directory: string): Promise<void> => {
  for (const group of await subgroups(directory)) await removeTree(group)
  // The group may be busy for a moment after its last process, or gone already. The caller retries.
  await rmdir(directory).catch(() => {})
}

const subgroups = async (directory: string) => {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(directory, entry.name))
}
