import { statSync } from 'node:fs'
import { type Folder, type Owner, openFolderBelow } from '../disk/folder.ts'
import { readPlain } from '../disk/read.ts'
import { reporting, writeIn } from '../disk/write.ts'
import { type LabSpec, userDirectory } from './spec.ts'

/** Limit above the size of keys, certificates and the configuration of ssh. */
const MAX_BYTES = 1_048_576

/**
 * The lab's directory in the user's project, for root. The owner of the project can place links to root's files there: no link is followed,
 * only files of that owner are read, and written files belong to that owner.
 */
export const userSide = (spec: LabSpec) => {
  const { uid, gid } = statSync(spec.root)
  return {
    read: (name: string): string | undefined =>
      within(spec, { uid, gid }, (folder) => readPlain(folder.at(name), MAX_BYTES, (of) => of === uid)),
    write: (name: string, text: string, mode = 0o644): void =>
      within(spec, { uid, gid }, (folder) => void writeIn(folder, name, text, { mode, owner: { uid, gid } })),
  }
}

const within = <T>(spec: LabSpec, owner: Owner, act: (folder: Folder) => T): T =>
  reporting(userDirectory(spec), () => {
    const folder = openFolderBelow(spec.root, ['.provision', 'lab', spec.name], owner)
    try {
      return act(folder)
    } finally {
      folder.close()
    }
  })
