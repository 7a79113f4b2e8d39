import { z } from 'zod'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import { absolutePath } from '../kind/path.ts'
import type { FstabEntry } from './mount-table.ts'

export const schema = z
  .strictObject({
    path: absolutePath
      .refine((path) => !/[\s"'\\]/.test(path), 'must not have blanks, quotes or backslashes')
      .meta({ description: 'the swap file, or a device', examples: ['/swapfile', '/dev/vdb'] }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: '`absent`: not used, and the file deleted' }),
    sizeMB: z
      .int()
      .min(1)
      .max(1_048_576)
      .optional()
      .meta({ description: 'size of the file in megabytes; none for a device', examples: [2048] }),
    priority: z
      .int()
      .min(-1)
      .max(32_767)
      .default(-1)
      .meta({ description: 'areas with a higher priority are used first; -1: the kernel decides' }),
  })
  .superRefine(({ path, state, sizeMB }, context) => {
    const issue = (message: string): unknown => context.addIssue({ code: 'custom', path: ['sizeMB'], message })
    if (isDevice(path) && sizeMB !== undefined) issue('must not be given for a device')
    if (!isDevice(path) && sizeMB === undefined && state === 'present') issue('is missing')
  })

export type SwapSpec = z.output<typeof schema>

export interface SwapState {
  readonly inode: InodeState
  /** Size of a file, in bytes. */
  readonly bytes: number
  /** Free space of the file system that has or gets the file, in megabytes. */
  readonly freeMB: number
  /** Priority of the area that the kernel uses, negative if it chose it; undefined if it uses none. */
  readonly live: number | undefined
  readonly entries: readonly FstabEntry[]
  /** The signature that mkswap writes. A device that has another content is not overwritten. */
  readonly isSwap: boolean
  readonly isContainer: boolean
}

export const isDevice = (path: string): boolean => path.startsWith('/dev/')

export const entryOf = ({ path, priority }: SwapSpec): FstabEntry => ({
  ...{ source: path, path: 'none', type: 'swap', pass: 0 },
  options: priority < 0 ? 'sw' : `sw,pri=${priority}`,
})

/** Whether the file has to be made. */
export const needsFile = ({ path, sizeMB = 0 }: SwapSpec, { inode, bytes, isSwap }: SwapState): boolean =>
  !isDevice(path) && (inode === ABSENT || !isSwap || bytes !== sizeMB * 2 ** 20)
