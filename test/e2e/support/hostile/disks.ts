import { execFileSync } from 'node:child_process'
import { boot, end, type LabSpec, overlayOf } from '../../../../src/lab/index.ts'
import { rootOf } from './root.ts'

/** Keeps the disks of all hosts as they are now; their power is off meanwhile. */
export const saveDisks = async (spec: LabSpec): Promise<void> => {
  for (const { name } of spec.hosts) await rootOf(spec, name)('sync')
  await inTheDark(spec, (disk) => copy(disk, `${disk}.saved`))
}

/** Cuts the power of all hosts and boots them with the disks that were kept. */
export const restoreDisks = (spec: LabSpec): Promise<void> => inTheDark(spec, (disk) => copy(`${disk}.saved`, disk))

const inTheDark = async (spec: LabSpec, work: (disk: string) => void): Promise<void> => {
  const names = spec.hosts.map(({ name }) => name)
  await Promise.all(names.map((name) => end(spec, name)))
  for (const name of names) work(overlayOf(spec, name))
  await Promise.all(names.map((name) => boot(spec, name)))
}

// Whiteouts and the extended attributes of an overlay have to be kept, which cpSync does not.
const copy = (from: string, to: string): void => {
  execFileSync('sh', ['-ec', 'rm -rf "$2"; cp -a --sparse=always "$1" "$2"', 'sh', from, to])
}
