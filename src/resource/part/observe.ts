import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { argumentLists } from '../kind/chunks.ts'
import { ABSENT, type InodeState, PATHS_AT_ONCE } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import { walk } from '../kind/walk.ts'
import { OPEN_FILE } from '../kind/walk-read.ts'
import { journalPath } from './journal.ts'

/** Maximum length of a file whose parts are declared, in bytes. */
export const MAX_BYTES = 1_048_576

/** Maximum length of all these files of a host together. */
const MAX_BYTES_IN_ALL = 33_554_432

/** A file whose parts are declared. */
export interface PartState {
  readonly file: InodeState
  /** Its content; undefined if it does not exist, or was not read. */
  readonly bytes?: Uint8Array
  /** Why it was not read. */
  readonly unread?: string
  /** The journal of its parts. */
  readonly journal?: Uint8Array
  /** The account other than root that owns the file, or controls its directory. */
  readonly account?: string
}

/** What a host reported of a file. */
export interface ReadFile {
  /** `PartState.account` */
  readonly account?: string
  readonly mode: string
  readonly owner: string
  readonly group: string
  readonly bytes?: Uint8Array
  readonly unread?: string
}

/** What a host reported of a path without a file. */
export interface NoFile {
  readonly mode: typeof ABSENT
  readonly account?: string
}

/** Observes files by one program for all of them, whichever account controls their directories. */
export const observeParts = (specs: readonly { readonly path: string; readonly id: string }[]): KindQuery<PartState> => {
  const paths = [...new Set(specs.map(({ path }) => path))]
  return {
    shared: { inodes: paths },
    script: readScript([...paths, ...paths.map(journalPath)]),
    parse: (stdout, answers) => {
      const read = readFiles(stdout)
      const found = (path: string): { readonly bytes?: Uint8Array; readonly unread?: string; readonly account?: string } => {
        const one = read.get(path)
        if (one === undefined) throw new Error(`the host did not report the content of ${path}`)
        return one
      }
      return new Map(
        specs.map(({ path, id }): [string, PartState] => {
          const { bytes, unread, account } = found(path)
          const journal = found(journalPath(path)).bytes
          const file = inodeAt(answers, path)
          return [
            id,
            {
              file,
              ...(bytes !== undefined && { bytes }),
              ...(unread !== undefined && { unread }),
              ...(journal !== undefined && { journal }),
              ...(account !== undefined && { account }),
            },
          ]
        }),
      )
    },
  }
}

/** The end of an answer. A path begins with a slash. */
const END = 'end'

/** Prints files: path, `absent` and account; or path, mode, owner, group, the reason why the file is not read, account, length and content. */
export const readScript = (paths: readonly string[]): Script =>
  sh`${argumentLists(paths, PATHS_AT_ONCE).map((some) => walk(READ, String(MAX_BYTES), String(MAX_BYTES_IN_ALL), ...some))}`

const READ = String.raw`${OPEN_FILE}
my ($at_most, $in_all, @paths) = @ARGV;
sub content_of {
  my ($path, $name) = @_;
  my @s = lstat $name;
  return (undef, 'is not a regular file') unless S_ISREG($s[2]);
  return (undef, "has more than $at_most bytes") if $s[7] > $at_most;
  my $h = open_file($path, $at_most, 0) or return (undef, 'cannot be read, or is a hard link to a file of another account');
  my ($text, $n) = ('', 0);
  do { $n = sysread $h, $text, $at_most + 1 - length $text, length $text } while $n;
  defined $n or return (undef, "cannot be read: $!");
  return (undef, "has more than $at_most bytes") if length $text > $at_most;
  return ($text, '') if ($in_all -= length $text) >= 0;
  return (undef, 'was not read, because the files before it are too large together');
}
for my $path (@paths) {
  my ($dir, $name) = parted($path);
  my @s = enter($dir) ? lstat $name : ();
  my $account = ($other // '') ne '' ? $other : @s && $s[4] != 0 ? account($s[4]) : '';
  if (!@s) { print "$path\0absent\0$account\0"; next }
  my ($text, $why) = content_of($path, $name);
  print join("\0", $path, sprintf('%o', $s[2] & 07777), getpwuid($s[4]) // $s[4], getgrgid($s[5]) // $s[5], defined $text ? '' : $why, $account, length($text // ''), $text // '');
}
print '${END}';
`

/** Reads the output of `readScript`. Throws for an incomplete answer. */
export const readFiles = (stdout: Buffer): ReadonlyMap<string, ReadFile | NoFile> => {
  const found = new Map<string, ReadFile | NoFile>()
  let at = 0
  const word = (): string => {
    const end = stdout.indexOf(0, at)
    if (end < 0) throw new Error('the host sent incomplete files')
    const text = stdout.subarray(at, end).toString()
    at = end + 1
    return text
  }
  let isWhole = stdout.length === 0
  while (at < stdout.length) {
    isWhole = stdout.subarray(at, at + END.length).toString() === END
    if (isWhole) {
      at += END.length
      continue
    }
    const [path, mode] = [word(), word()]
    const controlledBy = (account: string): { readonly account?: string } => (account === '' ? {} : { account })
    if (mode === ABSENT) {
      found.set(path, { mode, ...controlledBy(word()) })
      continue
    }
    const [owner, group, unread, account, size] = [word(), word(), word(), word(), Number(word())]
    if (!Number.isSafeInteger(size) || size < 0 || at + size > stdout.length) throw new Error('the host sent incomplete files')
    const content = unread === '' ? { bytes: stdout.subarray(at, at + size) } : { unread }
    found.set(path, { mode, owner, group, ...controlledBy(account), ...content })
    at += size
  }
  if (!isWhole) throw new Error('the host sent incomplete files')
  return found
}
