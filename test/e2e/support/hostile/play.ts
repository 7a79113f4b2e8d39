import { file } from '../../../../src/resource/file/file.ts'
import { keyOf } from '../../../../src/resource/kind/kind.ts'
import type { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { quote } from '../../../../src/shell/quote.ts'
import type { Attack, Place, Scene } from './attacks.ts'
import type { Ground } from './ground.ts'
import type { Target } from './kinds.ts'
import { gainedBetween, measure, type Scope } from './measure.ts'
import { endProcess, scriptAs, startPerl } from './root.ts'
import { foreignScript, WATCH } from './sentinels.ts'

/** One attack on one path of one target, and how often a loop is tried. */
export interface Cell {
  readonly target: Target
  readonly place: Place
  readonly attack: Attack
  readonly rounds: number
}

/** Result of a cell. `faults` is empty if the account gained nothing and the run reported what it must. */
export interface Outcome {
  readonly faults: readonly string[]
  readonly ended: 'done' | 'refused' | 'both'
}

/** More than any honest round reads; a sparse file holds fifty times as much. */
const MOST_BYTES = 64_000_000
const DEADLINE_MS = 40_000

/** The place of a target. */
export const atOf = (target: Target, id: string): string => target.home ?? `/srv/attic/${id}/in`

export const play = async (ground: Ground, id: string, cell: Cell): Promise<Outcome> => {
  const { target, place, attack } = cell
  const scene: Scene = { ...place, account: target.account ?? 'mallory', foreign: `/srv/foreign/${id}`, away: `/srv/attic/${id}.away` }
  const at = atOf(target, id)
  await lay(ground, scene, cell, at)
  const scope = scopeOf(scene)
  const before = await measure(ground.root, scope)
  const watcher = await startPerl(ground.root, scene.account, [WATCH, `${scene.away}/learned`])
  const words = attack.loop?.(scene)
  const loop = words === undefined ? undefined : await startPerl(ground.root, scene.account, words)
  const rounds: Round[] = []
  try {
    for (let n = 1; n <= (loop === undefined ? 1 : cell.rounds); n++) {
      if (n > 1 && target.again !== undefined) await ground.root(`${scriptAs(scene.account, target.again(at))} || :`)
      rounds.push(await round(ground, cell, at, n))
    }
  } finally {
    for (const pid of [watcher, loop]) if (pid !== undefined) await endProcess(ground.root, pid)
  }
  const isOwn = (path: string): boolean => [`/srv/attic/${id}/`, `${scene.away}/`, `${at}/`].some((own) => path.startsWith(own))
  const gained = gainedBetween(before, await measure(ground.root, scope), isOwn).filter(
    (line) => target.mayChange?.test(line.split(':')[0] ?? '') !== true,
  )
  await clear(ground, scene, target, at)
  const silent = rounds.flatMap(({ refusal }) =>
    refusal === undefined ? [] : unnamed(refusal, cell, [at, `/srv/attic/${id}`], scene.account),
  )
  return { faults: [...new Set([...gained, ...rounds.flatMap(({ faults }) => faults), ...silent])], ended: endOf(rounds) }
}

const scopeOf = ({ account, foreign }: Scene): Scope => ({
  accounts: [account],
  roots: ['/srv', '/home', '/root', '/etc', '/var', '/run', '/tmp', '/usr/local'],
  guarded: ['/etc', '/root', '/home/victim', '/usr/local', foreign],
  foreign: [foreign],
})

/** Root creates the honest state and gives it to the account, which then attacks. */
const lay = async ({ root, host }: Ground, scene: Scene, { target, attack }: Cell, at: string): Promise<void> => {
  const { account, foreign, away, path } = scene
  const [directory, base] = [path.slice(0, path.lastIndexOf('/')), path.slice(path.lastIndexOf('/') + 1)]
  await root(`mkdir -p ${at} ${away} /srv/foreign; chown ${account}:${account} ${away}
${target.home === undefined ? '' : `find ${at} -mindepth 1 -delete; chown ${account}:${account} ${at}`}`)
  if (target.before !== undefined) {
    const { apply } = await host()
    for (const resource of target.before(at)) await apply([resource])
  }
  const commands = [
    target.home === undefined ? `chown ${account}:${account} ${at} ${at}/..` : '',
    scriptAs(account, `set -e; cd ${at}; ${target.lay ?? ':'}`),
    `(${foreignScript(foreign, base, directory === at ? target.lay : '')}\n)`,
    target.found?.(at) ?? '',
    attack.found?.(scene) ?? '',
    scriptAs(account, `set -e; mkdir -p ${quote(directory)}; ${attack.play?.(scene) ?? ':'}`),
  ]
  await root(commands.join('\n'))
}

const clear = ({ root }: Ground, { foreign, away }: Scene, target: Target, at: string): Promise<string> =>
  root(`set +e; ${target.clear ?? ':'}
rm -rf ${foreign} ${away} ${target.home === undefined ? `${at}/..` : ''}
find /srv/attic -mindepth 1 -maxdepth 1 -exec rm -rf {} +
${target.home === undefined ? '' : `find ${at} -mindepth 1 -delete`}
rm -f /srv/bystander; :`)

interface Round {
  readonly faults: readonly string[]
  readonly refusal?: HostRefusal
}

/** One run, with a deadline: the plan, which also names what is declared beside it, and the changes. */
const round = async (ground: Ground, { target, attack }: Cell, at: string, n: number): Promise<Round> => {
  const resources = target.resources(at, n)
  const bystander = file({ path: '/srv/bystander', content: 'honest\n' })
  const read = await ground.bytesRead()
  const within = <T>(work: Promise<T>): Promise<T | 'late'> => ground.within(work, DEADLINE_MS)
  const host = await ground.host()
  const planned = await within(host.plan([...resources, bystander])).catch((error: Error) => error)
  if (planned === 'late') return { faults: ['the plan hangs'] }
  if (planned instanceof Error) return { faults: [`the plan stops: ${planned.message.slice(0, 200)}`] }
  const faults = planned.some((line) => line.includes('/srv/bystander')) ? [] : ['what is declared beside it is not planned']
  if (target.planOnly === true) return { faults: [...faults, ...(await greed(ground, read))] }
  const applied = await within(host.apply(resources)).catch((error: Error) => error)
  if (applied === 'late') return { faults: [...faults, 'the run hangs'] }
  const read_ = await greed(ground, read)
  if (applied instanceof Error && applied.name !== 'HostRefusal')
    return { faults: [...faults, ...read_, `the run stops: ${applied.message.slice(0, 200)}`] }
  if (applied instanceof Error) return { faults: [...faults, ...read_], refusal: applied as HostRefusal }
  const isDone = attack.loop !== undefined || target.staysDue === true
  const left = isDone ? [] : await host.plan(resources)
  const keys = resources.map(keyOf)
  const undone = left.filter((line) => keys.some((key) => line.includes(key))).map((line) => `still due after the run: ${line}`)
  return { faults: [...faults, ...read_, ...undone] }
}

const greed = async (ground: Ground, before: number): Promise<readonly string[]> => {
  const read = (await ground.bytesRead()) - before
  return read > MOST_BYTES ? [`reads ${Math.round(read / 1e6)} MB`] : []
}

/**
 * A refusal names a path of the account and its owner, which is root where a directory of root was moved to the path. While the account
 * changes the path, the host may find nothing that has an owner.
 */
const unnamed = ({ what, why }: HostRefusal, { attack }: Cell, own: readonly string[], account: string): readonly string[] => {
  const namesPath = own.some((path) => `${what}\n${why}`.includes(path))
  const owners = attack.name === 'foreign moved in' ? [account, '(owner: root)'] : [account]
  return namesPath && (attack.loop !== undefined || owners.some((owner) => why.includes(owner)))
    ? []
    : [`refused without naming path and owner: ${what}: ${why}`]
}

const endOf = (rounds: readonly Round[]): Outcome['ended'] => {
  const refused = rounds.filter(({ refusal }) => refusal !== undefined).length
  return refused === 0 ? 'done' : refused === rounds.length ? 'refused' : 'both'
}
