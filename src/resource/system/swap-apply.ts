import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { readText, writeFiles } from '../file/write.ts'
import { ABSENT, refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { FIX_CHANGED, inTurn } from '../kind/one-by-one.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal, type Steps } from '../kind/step.ts'
import { CHANGED, guardScript } from '../kind/walk.ts'
import { fstabLine, readFstabLine, withEntryOf } from './mount-table.ts'
import { entryOf, isDevice, needsFile, type SwapSpec, type SwapState } from './swap-spec.ts'

type SwapWork = Work<SwapSpec, SwapState>

/** Changes the areas that the kernel uses first, and /etc/fstab last. */
export function* applySwaps(work: readonly SwapWork[]): Steps {
  for (const { id, spec, state } of work) if (!isDevice(spec.path)) refuseUnreached(id, state.inode)
  yield* inTurn(work, scriptOf, {
    doing: 'changing swap areas',
    failed: (id) => `${id} not changed`,
    fix: 'fix the problem that the host reports; swapoff fails if the memory has no room for what was swapped out',
  })
  const fstab = yield* readText('/etc/fstab')
  let text = fstab.content
  for (const { id, spec, state } of work) {
    const isEntry = (entry: ReturnType<typeof readFstabLine>): boolean => entry?.type === 'swap' && entry.source === spec.path
    const now = text.split('\n').filter((line) => isEntry(readFstabLine(line)))
    const known = [...state.entries.map(fstabLine), fstabLine(entryOf(spec))]
    const other = now.find((line) => !known.includes(fstabLine(readFstabLine(line) ?? entryOf(spec))))
    if (other !== undefined)
      throw new HostRefusal(
        `${id} not changed for the next boot`,
        `its entry in /etc/fstab is not as it was observed: ${other}`,
        FIX_CHANGED,
        {
          culprit: id,
        },
      )
    text = withEntryOf(text, isEntry, spec.state === 'absent' ? undefined : entryOf(spec))
  }
  if (text !== fstab.content) yield* writeFiles([{ ...fstab, content: text }], 'writing /etc/fstab')
}

/** Ends with `CHANGED` unless the kernel uses the area, and the file has the size, as observed. */
const compare = (path: string, { inode, bytes, live }: SwapState): Script => sh`used=
while read -r name _ _ _ priority _; do [ "$name" != ${path} ] || used=$priority; done </proc/swaps
size=; [ ! -f ${path} ] || size=$(stat -c %s -- ${path})
[ "$used $size" = ${`${live ?? ''} ${inode === ABSENT || inode.type !== 'f' ? '' : bytes}`} ] || { echo ${`${path} is not as it was observed`} >&2; exit ${CHANGED}; }`

const scriptOf = ({ spec, state }: SwapWork): Script => {
  const { path, sizeMB = 0, priority } = spec
  const isFile = !isDevice(path)
  const guard = isFile ? sh`${guardScript([parentOf(path)])}\n` : sh``
  const off = state.live === undefined ? sh`` : sh`swapoff -- ${path}\n`
  if (spec.state === 'absent') return sh`${guard}${compare(path, state)}\n${off}${isFile ? sh`rm -f -- ${path}` : sh``}`
  const made = `${path}.provision-new`
  // Blocks that are shared or missing are refused by swapon: copy-on-write is switched off where there is any, and all bytes are written.
  const make = sh`rm -f -- ${made}
(umask 077; : >${made}; chattr +C ${made} 2>/dev/null || :; dd if=/dev/zero of=${made} bs=1M count=${sizeMB} conv=fsync status=none; mkswap -- ${made} >/dev/null) || { rm -f -- ${made}; exit 1; }
${off}mv -fT -- ${made} ${path}`
  const on = sh`swapon ${priority < 0 ? [] : ['-p', String(priority)]} -- ${path}`
  return sh`${guard}${compare(path, state)}
${needsFile(spec, state) ? make : sh`${off}${isFile ? sh`chown 0:0 -- ${path}; chmod 600 -- ${path}` : sh``}`}
${on}`
}
