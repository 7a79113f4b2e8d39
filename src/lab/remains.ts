import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { exists } from './machine/cache.ts'
import { endGroup, hierarchies, membersOf } from './machine/cgroup.ts'
import { conflictingInterface, networkDown } from './network.ts'
import { CGROUP, type LabSpec, type Layout, type Parts, partsOf, STATE, userDirectory } from './spec.ts'

/** The project of a lab, recorded beside the overlays because a lab may outlive its project. */
interface Owner {
  readonly name: string
  readonly root: string
  /** The release of its hosts at its last start. */
  readonly release?: string
}

/** Removes a lab from this machine: processes, network, cgroups, overlays. Missing parts are skipped. */
export const removeLab = async (parts: Parts): Promise<void> => {
  await endGroup(parts.cgroup)
  await networkDown(parts)
  await rm(parts.state, { recursive: true, force: true })
  // Fails while other labs have groups below it.
  for (const point of await hierarchies()) await rmdir(join(point, CGROUP)).catch(() => {})
}

/** Records the project of a lab, and removes labs whose project directory does not exist any more. */
export const claim = async (spec: LabSpec, layout: Layout, release: string): Promise<void> => {
  const owner: Owner = { name: spec.name, root: spec.root, release }
  makeDirectory(layout.state, 0o755)
  writeWhole(join(layout.state, 'owner.json'), JSON.stringify(owner), { mode: 0o644 })
  for (const id of await readdir(STATE)) {
    const other = await ownerOf(id)
    if (other && !(await exists(userDirectory(other)))) await removeLab(partsOf(id))
  }
}

/**
 * Throws a problem if another lab or network of this machine uses the lab's addresses. Removes the network of a lab in which nothing runs any
 * more, and keeps its disks.
 */
export const checkAddressesFree = async (spec: LabSpec, layout: Layout): Promise<void> => {
  const conflicting = await conflictingInterface(layout)
  if (conflicting === undefined) return
  const id = /^pv-([0-9a-f]{8})$/.exec(conflicting)?.[1]
  if (id !== undefined && (await membersOf(partsOf(id).cgroup)).length === 0) {
    await networkDown(partsOf(id))
    return checkAddressesFree(spec, layout)
  }
  const owner = id === undefined ? undefined : await ownerOf(id)
  throw new Problem({
    class: 'input',
    where: { command: `lab ${spec.name}` },
    what: `addresses of the lab are in use on the interface ${conflicting} of this machine`,
    ...(owner ? { why: `the interface belongs to lab "${owner.name}" of ${owner.root}` } : {}),
    fix: owner
      ? `stop that lab: (cd ${owner.root}; provision lab down), or give the hosts of this lab addresses in another subnet`
      : 'give the hosts of the lab addresses in another subnet',
  })
}

/** The release of a lab's hosts at its last start, or undefined if it was never started or is deleted. */
export const lastRelease = async ({ id }: Layout): Promise<string | undefined> => (await ownerOf(id))?.release

const ownerOf = async (id: string): Promise<Owner | undefined> => {
  const text = await readFile(join(STATE, id, 'owner.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : JSON.parse(text)
}
