import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { ABSENT, planUnreached, typeName } from '../kind/inode.ts'
import { type Change, type Difference, defineKind } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { inodeAt } from '../kind/queries.ts'
import { HostRefusal } from '../kind/step.ts'
import { walk } from '../kind/walk.ts'
import { readFstabLine } from './mount-table.ts'
import { applySwaps } from './swap-apply.ts'
import { entryOf, isDevice, needsFile, type SwapSpec, type SwapState, schema } from './swap-spec.ts'

const [SWAPS, FSTAB, CONTAINER] = ['/proc/swaps', '/etc/fstab', '/run/systemd/container']

/** Prints the size of each file and device, and whether it has the mark of a swap area at the end of a page (mkswap(8)). */
const SIGNATURES = String.raw`
for (@ARGV) {
  my ($h, $start) = (undef, '');
  my $is_device = m{^/dev/};
  my ($dir, $name) = $is_device ? ('', $_) : parted($_);
  my $is_open = ($is_device ? -b $name : enter($dir) && $other eq '' && -f $name && !-l $name) && sysopen $h, $name, O_RDONLY | O_NONBLOCK;
  sysread $h, $start, 65536 if $is_open;
  my $mark = grep { length $start >= $_ && substr($start, $_ - 10, 10) eq 'SWAPSPACE2' } 4096, 16384, 65536;
  print $is_open ? -s $h : '-', $mark ? " swap\n" : " other\n";
}`

/** A swap area, now and after a boot: a file that provision makes, or a device. */
export const swap = defineKind({
  name: 'swap',
  summary: 'swap file or device, now and after a boot',
  schema,
  id: ({ path }) => path,

  observe: (specs: readonly SwapSpec[]) => {
    const files = specs.map(({ path }) => path)
    return {
      shared: { inodes: [...files, CONTAINER], guarded: files.filter((path) => !isDevice(path)), texts: [SWAPS, FSTAB] },
      script: sh`${walk(SIGNATURES, ...files)}
set --; for directory in ${files.map(parentOf)}; do [ -d "$directory" ] || directory=/; set -- "$@" "$directory"; done
df -B 1M --output=avail -- "$@"; echo end`,
      parse: (stdout, answers) => {
        const lines = stdout.toString().split('\n')
        // df prints a heading.
        if (lines.length !== 2 * specs.length + 3 || lines.at(-2) !== 'end' || !answers.texts.has(SWAPS))
          throw new Error('the host did not report its swap areas')
        const areas = (answers.texts.get(SWAPS) ?? []).map((line) => line.split(/\s+/))
        const entries = (answers.texts.get(FSTAB) ?? []).map(readFstabLine).filter((entry) => entry !== undefined)
        return new Map(
          specs.map((spec, i): [string, SwapState] => {
            const [size = '', mark] = (lines[i] ?? '').split(' ')
            const live = areas.find(([path]) => path === spec.path)?.[4]
            return [
              spec.path,
              {
                inode: inodeAt(answers, spec.path),
                bytes: size === '-' ? 0 : Number(size),
                freeMB: Number(lines[specs.length + 1 + i]),
                live: live === undefined ? undefined : Number(live),
                entries: entries.filter(({ source, type }) => type === 'swap' && source === spec.path),
                isSwap: mark === 'swap',
                isContainer: inodeAt(answers, CONTAINER) !== ABSENT,
              },
            ]
          }),
        )
      },
    }
  },

  plan: (spec, state: SwapState): Change | undefined => {
    const { inode, live, entries } = state
    const hasFile = !isDevice(spec.path) && inode !== ABSENT
    if (spec.state === 'absent') {
      const now = [
        ...(live === undefined ? [] : [{ key: 'used', from: 'yes' }]),
        ...(entries.length === 0 ? [] : [{ key: 'used at boot', from: 'yes' }]),
        ...(hasFile ? [{ key: 'file', from: `${Math.ceil(state.bytes / 2 ** 20)} MB` }] : []),
      ]
      return now.length === 0 ? undefined : { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: now }
    }
    const unreached = isDevice(spec.path) ? undefined : planUnreached(inode)
    if (unreached !== undefined) return unreached
    const wanted = entryOf(spec)
    const differences: readonly Difference[] = [
      ...(needsFile(spec, state)
        ? [{ key: 'size', ...(hasFile && { from: sizeOf(state.bytes) }), to: sizeOf((spec.sizeMB ?? 0) * 2 ** 20) }]
        : []),
      ...(hasFile && inode.type === 'f' ? differing({ mode: '600', owner: 'root', group: 'root' }, inode) : []),
      ...(live === undefined ? [{ key: 'used', from: 'no', to: 'yes' }] : []),
      ...(live !== undefined && hasOtherPriority(spec, live) ? [{ key: 'priority', from: `${live}`, to: `${spec.priority}` }] : []),
      ...(entries.length === 1 && entries[0]?.options === wanted.options ? [] : [{ key: 'used at boot', to: wanted.options }]),
    ]
    if (differences.length === 0) return undefined
    const isNew = live === undefined && entries.length === 0
    return {
      action: isNew ? 'create' : 'update',
      certainty: 'exact',
      reason: isNew ? 'not used' : describeDifferences(differences),
      differences,
    }
  },

  forbids: (spec, state) => {
    const { path, sizeMB = 0 } = spec
    const { inode, freeMB, bytes, isSwap, isContainer } = state
    if (!isDevice(path) && planUnreached(inode) !== undefined) return undefined
    const refusal = (reason: string, fix: string): HostRefusal =>
      new HostRefusal(`${path} ${spec.state === 'absent' ? 'is not deleted' : 'does not become a swap area'}`, reason, fix)
    if (!isDevice(path) && inode !== ABSENT && inode.type === 'f' && !isSwap && bytes > 0)
      return refusal('the file is no swap area, and its content would be lost', 'choose another path, or delete the file')
    if (spec.state === 'absent') return undefined
    if (isContainer)
      return refusal(
        'the host is a container, and swap belongs to the machine that runs it',
        'declare it on that machine, or remove it from the role',
      )
    if (isDevice(path)) {
      if (inode === ABSENT) return refusal('the device does not exist', 'correct the path')
      if (inode.type !== 'b' && inode.type !== 'l') return refusal(`it is ${typeName(inode.type)}`, 'name a block device')
      return isSwap
        ? undefined
        : refusal('the device has no swap area, and its data would be lost', `run mkswap ${path} on the host if the device is free`)
    }
    if (inode !== ABSENT && inode.type !== 'f') return refusal(`it is ${typeName(inode.type)}`, 'choose another path')
    // The new file is complete before the old one is deleted.
    if (needsFile(spec, state) && freeMB < sizeMB)
      return refusal(`${sizeMB} MB are needed, and its file system has ${freeMB} MB left`, 'declare a smaller size, or free some space')
    return undefined
  },

  contained: true,
  apply: applySwaps,
  orphan: { keep: 'programs may need the memory; to remove the area, declare it with state: absent' },
})

/** The kernel gives areas without a priority negative ones of its choice. */
const hasOtherPriority = ({ priority }: SwapSpec, live: number): boolean => (priority < 0 ? live >= 0 : live !== priority)

const sizeOf = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MB`
