import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { readText, writeFiles } from '../file/write.ts'
import type { Work } from '../kind/kind.ts'
import { FIX_CHANGED, inTurn } from '../kind/one-by-one.ts'
import { parentOf } from '../kind/path.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED, guardScript } from '../kind/walk.ts'
import { entryOf, isBind, isType, type MountSpec, type MountState } from './mount-spec.ts'
import { fstabLine, readFstabLine, withEntry } from './mount-table.ts'

type MountWork = Work<MountSpec, MountState>

/**
 * Mounts first, and changes /etc/fstab last: options that the kernel does not report are compared there, so a run that was interrupted
 * before mounts again.
 */
export function* applyMounts(work: readonly MountWork[]): Steps {
  yield* inTurn(work, scriptOf, {
    doing: 'mounting filesystems',
    before: sh`${COMPARE}\n${work.map(({ id, spec, state }) => sh`compare ${id} ${spec.path} ${state.live === undefined ? '' : `${state.live.type} ${state.live.source}`}`)}`,
    failed: (id) => `${id} not changed`,
    fix: (code) =>
      code === BUSY
        ? 'stop the programs that use it, then run again; it is never unmounted while it is in use'
        : 'fix the problem that mount reports, then run again',
  })
  const fstab = yield* readText('/etc/fstab')
  let text = fstab.content
  for (const { id, spec, state } of work) {
    const lines = (entries: MountState['entries']): string => entries.map(fstabLine).join('\n')
    const now = text
      .split('\n')
      .map(readFstabLine)
      .filter((entry) => entry !== undefined)
      .filter(({ path }) => path === spec.path)
    if (lines(now) !== lines(state.entries) && lines(now) !== fstabLine(entryOf(spec)))
      throw new HostRefusal(
        `${id} not changed for the next boot`,
        `its entry in /etc/fstab is not as it was observed: ${lines(now)}`,
        FIX_CHANGED,
        { culprit: id },
      )
    text = withEntry(text, spec.path, spec.state === 'absent' ? undefined : entryOf(spec))
  }
  if (text === fstab.content) return
  yield* writeFiles([{ ...fstab, content: text }], 'writing /etc/fstab')
  requireSuccess(
    yield { do: 'shell', script: sh`! command -v systemctl >/dev/null || systemctl daemon-reload` },
    'systemd did not read /etc/fstab',
  )
}

/** Exit status of umount for a filesystem in use (mount(8): mount failure). */
const BUSY = 32

/** Function `compare`: refuses a mount point where something else is mounted than was observed. */
const COMPARE: Script = sh`live() {
  found=
  while IFS= read -r line; do
    set -f; set -- "$1" $line; set +f
    [ "$(printf %b "$6")" = "$1" ] || continue
    rest=\${line#* - }; type=\${rest%% *} rest=\${rest#* }; found="$type \${rest%% *}"
  done </proc/self/mountinfo
  printf %b "$found"
}
compare() {
  now=$(live "$2"); [ "$now" = "$3" ] || { printf 'culprit\\0%s\\0' "$1"; echo "$2 is not as it was observed: \${now:-nothing} is mounted there" >&2; exit ${CHANGED}; }
}`

/** Filesystems that nobody can write to. */
const READ_ONLY = ['iso9660', 'squashfs', 'erofs', 'cramfs', 'romfs']

/** mount keeps the present flags of a mount point that is mounted again, unless they are named. */
const usual = (type: string): readonly string[] => [
  ...(READ_ONLY.includes(type) ? [] : ['rw']),
  ...['suid', 'dev', 'exec', 'async', 'relatime', 'diratime'],
]

const scriptOf = ({ spec, state: { live, isSource } }: MountWork): Script => {
  const { path } = spec
  const unmount = sh`LC_ALL=C umount -- ${path}`
  if (spec.state === 'absent') return live === undefined ? sh`:` : unmount
  const { source, type, options } = entryOf(spec)
  if (live !== undefined && isSource && isType(spec, live))
    return sh`LC_ALL=C mount -o ${['remount', ...(isBind(spec) ? ['bind'] : []), ...usual(type), options].join(',')} -- ${path}`
  return sh`${live === undefined ? sh`` : unmount}
${guardScript([parentOf(path)])}
[ -d ${path} ] || mkdir -m 755 -- ${path}
LC_ALL=C mount -t ${type} -o ${options} -- ${source} ${path}`
}
