import { z } from 'zod'
import { absolutePath } from '../kind/path.ts'
import type { FstabEntry, Mounted } from './mount-table.ts'

const option = z
  .string()
  .regex(/^[^\s\p{Cc},]+$/u, 'must be one option without commas, such as noatime')
  .refine(
    (value) => !/^(pass|passwd|password)=/.test(value),
    'must not have a password, because every account can read it: use credentials=FILE',
  )

export const schema = z
  .strictObject({
    path: absolutePath
      .refine((path) => !/["'\\]/.test(path), 'must not have quotes or backslashes')
      .meta({ description: 'where the filesystem is mounted; the directory is created if it is missing', examples: ['/srv/data'] }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: unmounted, and not mounted at boot' }),
    source: z
      .string()
      .regex(/^[^\s\p{Cc}"'\\]+$/u, 'must be a device, a directory, SERVER:/PATH, or UUID=…')
      .optional()
      .meta({
        description: 'device, `UUID=…`, `SERVER:/PATH` (NFS), a directory (with the option bind), or tmpfs',
        examples: ['UUID=0a3407de-014b-458b-b5c1-848e92a327a3'],
      }),
    type: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be a type such as ext4')
      .optional()
      .meta({ description: 'type of the filesystem; none for a directory (bind)', examples: ['ext4', 'nfs', 'tmpfs'] }),
    options: z
      .array(option)
      .default([])
      .meta({ description: 'options as in mount(8)', examples: [['noatime', 'nofail']] }),
    pass: z.int().min(0).max(2).default(0).meta({ description: 'order in which the filesystem is checked at boot; 0: never' }),
  })
  .superRefine(({ state, source, type, options }, context) => {
    if (state === 'absent') return
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    if (source === undefined) issue('source', 'is missing')
    if (type === undefined) issue('type', 'is missing')
    if (type === 'swap') issue('type', 'must be a filesystem: use the kind swap')
    if (options.some((one) => one === 'bind' || one === 'rbind') && source?.startsWith('/') === false)
      issue('source', 'must be a directory with the option bind')
  })

export type MountSpec = z.output<typeof schema>

/** A mount point on a host. */
export interface MountState {
  /** Entries of /etc/fstab with this path. */
  readonly entries: readonly FstabEntry[]
  readonly live: Mounted | undefined
  /** Whether the declared source is what is mounted. */
  readonly isSource: boolean
  /** A path that does not exist on the host and that the mount needs: the device, the directory, or a program. */
  readonly missing?: string
  /** A path of the run or the system that the mount would cover, or whose unmounting would take away. */
  readonly covers?: string
}

export const isBind = ({ options }: Pick<MountSpec, 'options'>): boolean => options.some((one) => one === 'bind' || one === 'rbind')

/** The entry of /etc/fstab. */
export const entryOf = ({ path, source = '', type = '', options, pass }: MountSpec): FstabEntry => ({
  ...{ source, path, type, pass },
  options: options.length === 0 ? 'defaults' : options.join(','),
})

/** The device of a name such as UUID=…, by udev's links. */
export const deviceOf = (source: string): string | undefined => {
  const [, tag = '', value = ''] = /^(UUID|LABEL|PARTUUID|PARTLABEL)=(.+)$/.exec(source) ?? []
  if (tag !== '') return `/dev/disk/by-${tag.toLowerCase()}/${value}`
  return source.startsWith('/') ? source : undefined
}

/** NFS has two names for one type. */
export const isType = (spec: MountSpec, live: Mounted): boolean =>
  isBind(spec) || spec.type === 'auto' || spec.type === live.type || (spec.type === 'nfs' && live.type === 'nfs4')
