import { readdir, readFile, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { Problem } from '../problem.ts'
import { exists } from './machine/cache.ts'
import { endGroup, hierarchies, membersOf } from './machine/cgroup.ts'
import { networkDown, rivalOf } from './network.ts'
import { CGROUP, type LabSpec, type Layout, type Parts, partsOf, STATE, userDirectory } from './spec.ts'

/** Whose lab it is: written beside its overlays, since a lab may outlive its project. */
interface Owner {
  readonly name: string
  readonly root: string
}

/** Takes everything of a lab off this machine: processes, wire, cgroups, overlays. It does not matter how much of it there is. */
export const removeLab = async (parts: Parts): Promise<void> => {
  await endGroup(parts.cgroup)
  await networkDown(parts)
  await rm(parts.state, { recursive: true, force: true })
  // The last lab puts out the light; other labs' groups keep this one busy.
  for (const point of await hierarchies()) await rmdir(join(point, CGROUP)).catch(() => {})
}

/** Notes whose lab this is, and removes the labs whose project directory is gone: nobody could take them down otherwise. */
export const claim = async (spec: LabSpec, layout: Layout): Promise<void> => {
  const owner: Owner = { name: spec.name, root: spec.root }
  makeDirectory(layout.state, 0o755)
  writeWhole(join(layout.state, 'owner.json'), JSON.stringify(owner), { mode: 0o644 })
  for (const id of await readdir(STATE)) {
    const other = await ownerOf(id)
    if (other && !(await exists(userDirectory(other)))) await removeLab(partsOf(id))
  }
}

/**
 * Complains when another lab, or a network of the user's, already has our addresses: it would answer in our hosts' place.
 * The wire of a lab in which nothing runs any more, as after a kill, is taken away; its disks stay.
 */
export const checkAddressesFree = async (spec: LabSpec, layout: Layout): Promise<void> => {
  const rival = await rivalOf(layout)
  if (rival === undefined) return
  const id = /^pv-([0-9a-f]{8})$/.exec(rival)?.[1]
  if (id !== undefined && (await membersOf(partsOf(id).cgroup)).length === 0) {
    await networkDown(partsOf(id))
    return checkAddressesFree(spec, layout)
  }
  const owner = id === undefined ? undefined : await ownerOf(id)
  throw new Problem({
    class: 'input',
    where: { command: `lab ${spec.name}` },
    what: `its addresses are in use on this machine, on the interface ${rival}`,
    ...(owner ? { why: `that is the lab "${owner.name}" of ${owner.root}` } : {}),
    fix: owner
      ? `take it down there (cd ${owner.root}; provision lab down), or give this lab's hosts addresses in another subnet`
      : "give the lab's hosts addresses in another subnet",
  })
}

const ownerOf = async (id: string): Promise<Owner | undefined> => {
  const text = await readFile(join(STATE, id, 'owner.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : JSON.parse(text)
}
