import { ABSENT, type InodeState, typeName } from '../../resource/kind/inode.ts'
import type { Change, PlanContext, Resource } from '../../resource/kind/kind.ts'
import { parentOf } from '../../resource/kind/path.ts'
import { directoriesAbove } from '../../resource/kind/path-queries.ts'
import { HostRefusal } from '../../resource/kind/step.ts'
import { DIRECTORIES, OTHERS } from '../observe/directories.ts'
import type { Observation } from '../observe/host-query.ts'

type Directories = ReadonlyMap<string, InodeState>

const known = (observation: Observation): Directories => (observation.get(DIRECTORIES) as Directories | undefined) ?? new Map()

const othersIn = (observation: Observation): ReadonlySet<string> =>
  (observation.get(OTHERS) as ReadonlySet<string> | undefined) ?? new Set()

/** Whether root alone can replace what is in a directory, as far as it exists: otherwise an account of the host decides what is there. */
export const isRootsAlone = (observation: Observation, directory: string): boolean => {
  const all = [...directoriesAbove(directory), directory]
  const ours = all
    .flatMap((path) => known(observation).get(path) ?? [])
    .every(
      (state) => state === ABSENT || (state.owner === 'root' && (state.type === 'l' || (Number.parseInt(state.mode, 8) & 0o022) === 0)),
    )
  // A link of root may lead to a directory of another account.
  return ours && ![...othersIn(observation)].some((path) => all.includes(path) || parentOf(path) === directory)
}

/** The first directory that a resource needs, and that is not there after the earlier changes of this run. */
const missing = (resource: Resource, observation: Observation, context: PlanContext): readonly [string, InodeState] | undefined => {
  const { changes } = context
  const isGone = (path: string): boolean => context.deletes?.(path) === true
  const isComing = (path: string): boolean => !isGone(path) && (changes(`directory:${path}`) || changes(`link:${path}`))
  const found = (resource.kind.directories?.(resource.spec) ?? []).flatMap((path) => {
    const [state, above] = [isGone(path) ? ABSENT : known(observation).get(path), directoriesAbove(path)]
    const isThere = state === undefined || (state !== ABSENT && (state.type === 'd' || state.type === 'l' || state.type === 'unreached'))
    // Below a link that this run makes, a directory may be there already.
    return isThere || isComing(path) || above.some((one) => changes(`link:${one}`)) ? [] : [[path, state] as const]
  })
  return found[0]
}

/**
 * Returns the refusal of a change whose directory neither exists nor is made before it. Undefined if an earlier change of this run may make
 * it, such as a package or a command, and where an account of the host decides what is there.
 */
export const missingDirectory = (resource: Resource, observation: Observation, context: PlanContext): HostRefusal | undefined => {
  const [path, state] = context.mayBringMore === true ? [] : (missing(resource, observation, context) ?? [])
  if (path === undefined || state === undefined || !isRootsAlone(observation, path)) return undefined
  if (state !== ABSENT)
    return new HostRefusal(
      `${path} is ${typeName(state.type)}`,
      'a resource in this directory is declared',
      'correct the path, or move it away by hand',
    )
  const what = `directory ${path} does not exist`
  if (context.deletes?.(path) === true)
    return new HostRefusal(what, 'an earlier change of this run deletes it', 'correct the path, or the order of both resources')
  return new HostRefusal(
    what,
    'no earlier resource of this run creates it',
    'correct the path, or declare the directory before this resource',
  )
}

/** Returns the change, as dependent if only a package or another opaque change of this run can make its directory, which the reason names. */
export const dependingOnDirectories = (change: Change, resource: Resource, observation: Observation, context: PlanContext): Change => {
  const [path] = change.certainty === 'opaque' || change.action === 'delete' ? [] : (missing(resource, observation, context) ?? [])
  return path === undefined ? change : { ...change, certainty: 'dependent', reason: `${change.reason}, no directory ${path} yet` }
}
