import { dirname } from 'node:path'
import { quote } from './shell/quote.ts'

/** A system call that failed, described for the user. */
export interface OsRefusal {
  readonly code: string
  /** The path in the error, if it has one. */
  readonly path: string | undefined
  /** The operation as a participle: `written`. */
  readonly asked: string
  readonly why: string
  readonly fix: string
}

/** The operation behind each system call. Network calls are missing on purpose: `host/` and `acme/` describe their failures. */
const CALLS: Readonly<Record<string, string>> = {
  ...{ open: 'opened', read: 'read', write: 'written', fsync: 'written', ftruncate: 'written', close: 'written' },
  ...{ mkdir: 'created', mkdtemp: 'created', link: 'created', symlink: 'created', rename: 'replaced', copyfile: 'copied', cp: 'copied' },
  ...{ unlink: 'deleted', rm: 'deleted', rmdir: 'deleted', scandir: 'listed', opendir: 'listed', readdir: 'listed' },
  ...{ stat: 'read', lstat: 'read', fstat: 'read', access: 'read', realpath: 'read', readlink: 'read' },
  ...{ chmod: 'changed', fchmod: 'changed', chown: 'changed', fchown: 'changed', lchown: 'changed', utime: 'changed' },
  ...{ chdir: 'entered', uv_cwd: 'read' },
}

type Remedy = readonly [why: string, fix: (path: string) => string]

const above = (path: string): string => quote(dirname(path))

const full: Remedy = [
  'its file system is full',
  (path) => `free some space (df -h ${above(path)}) or file numbers (df -i ${above(path)}), then run the command again`,
]
const forbidden: Remedy = [
  'this account has no permission',
  (path) =>
    `check owner and mode (ls -ld ${quote(path)} ${above(path)}) and flags (lsattr), then use the owner's account or change the permissions`,
]
const tooMany: Remedy = ['too many files are open', () => 'raise the limit (ulimit -n 4096), then run the command again']
const noMemory: Remedy = [
  'this machine is out of memory or processes',
  () => 'end other programs or raise the limits (ulimit -a), then run the command again',
]

const noProgram: Remedy = ['the program is not installed on this machine', (path) => `install ${path}, or add its directory to PATH`]

/** Errors caused by the state of the user's machine. */
const REMEDIES: Readonly<Record<string, Remedy>> = {
  ENOSPC: full,
  EDQUOT: ['your disk quota is used up', () => 'delete files (quota -s shows the limits), then run the command again'],
  EFBIG: ['the file would exceed the size limit of this account', () => 'raise the limit (ulimit -f), then run the command again'],
  EROFS: [
    'its file system is mounted read-only',
    (path) =>
      `use a directory on another file system, or mount this one writable (findmnt -T ${above(path)}); if the disk failed, dmesg shows it`,
  ],
  EACCES: forbidden,
  EPERM: forbidden,
  ENOENT: ['the file or a directory above it does not exist', (path) => `check the path: ls -ld ${above(path)}`],
  ENOTDIR: ['a part of its path is not a directory', (path) => `check the path: ls -ld ${above(path)}`],
  EISDIR: ['it is a directory', () => 'name a file'],
  ENOTEMPTY: ['the directory is not empty', (path) => `check the path: ls -la ${quote(path)}`],
  EEXIST: ['the name is taken', (path) => `check the path: ls -ld ${quote(path)}`],
  ELOOP: ['its path contains a symbolic link that cannot be followed', (path) => `check the link: readlink -f ${quote(path)}`],
  ENAMETOOLONG: ['its name is too long for the file system', () => 'use a shorter name'],
  EBUSY: [
    'it is in use, for example as a mount point',
    (path) => `mount its directory instead (findmnt -T ${quote(path)}), or end the program that uses it`,
  ],
  ETXTBSY: ['it is being executed', () => 'wait until that program ends, then run the command again'],
  EXDEV: ['it is on another file system', () => 'use a path on the same file system'],
  ESTALE: ['its network file system was replaced', () => 'mount it again, then run the command again'],
  EIO: ['the disk reports an error', () => 'read the kernel log (dmesg), and check your backups'],
  ENXIO: ['the device does not exist', () => 'name a regular file'],
  ENODEV: ['the device does not exist', () => 'name a regular file'],
  ENOTSUP: ['its file system does not support this operation', () => 'use a directory on another file system'],
  EOPNOTSUPP: ['its file system does not support this operation', () => 'use a directory on another file system'],
  EMFILE: tooMany,
  ENFILE: tooMany,
  ENOMEM: noMemory,
  EAGAIN: noMemory,
}

/**
 * Describes a failed file system or process call. Undefined for any other error: a defect, or a network failure.
 * @param file - the path as the user knows it
 */
export const osRefusal = (error: unknown, file?: string): OsRefusal | undefined => {
  if (!(error instanceof Error)) return undefined
  const { code, syscall, path, errno } = error as NodeJS.ErrnoException
  if (code === undefined || syscall === undefined || errno === undefined || !Object.hasOwn(REMEDIES, code)) return undefined
  const call = /^\w+/.exec(syscall)?.[0] ?? ''
  const asked = call.startsWith('spawn') ? 'started' : Object.hasOwn(CALLS, call) ? CALLS[call] : undefined
  if (asked === undefined) return undefined
  const [why, fix] = asked === 'started' && code === 'ENOENT' ? noProgram : (REMEDIES[code] ?? full)
  return { code, path, asked, why, fix: fix(file ?? path ?? '.') }
}
