import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { ABSENT, type InodeState, readInodes } from '../kind/inode.ts'
import { walk } from '../kind/walk.ts'
import { AS_USER } from './as-user.ts'
import { identityOf, type PublicKey, readKey } from './public-key.ts'

export interface KeysState {
  /** Undefined if the user does not exist (yet). */
  readonly home: string | undefined
  readonly inodes: { readonly home: InodeState; readonly ssh: InodeState; readonly file: InodeState }
  /** The lines of the file. */
  readonly lines: readonly string[]
  /** Identities of the keys that provision wrote. */
  readonly ours: readonly string[]
  /** The file that sshd reads keys from, if it is not the default. */
  readonly otherKeysFile: string | undefined
  /** Why the file could not be read, with its path and owner; its content is then unknown. */
  readonly unread: string | undefined
}

/** Records which keys provision wrote; one file per user. */
export const RECORDS = '/var/lib/provision/authorized-keys'

const fileIn = (home: string): string => `${home}/.ssh/authorized_keys`

/** Limit of an authorized_keys file, in bytes: about two thousand keys. */
export const MAX_KEYS_BYTES = 1_048_576

/**
 * Two processes for any number of users. Everything in a home directory is examined and read with the rights of its user, so a link there
 * reaches only what the user can reach. Reads are bounded and do not wait for named pipes.
 */
export const keysScript = (users: readonly string[]): Script => sh`
printf 'sshd\\0'; grep -hisE '^[[:space:]]*AuthorizedKeysFile[[:space:]=]' /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config || [ $? -lt 3 ]; printf '\\0'
${walk(READ_KEYS, RECORDS, ...users)}
`

const READ_KEYS = String.raw`${AS_USER}
my ($records, @users) = @ARGV;
my @known = grep { $_->{uid} >= 0 } map { person($_) } @users;
print "user\0$_->{name}\0$_->{home}\0" for @known;
my $lines = '';
sub look {
  my ($path, $name) = @_;
  my @s = lstat($name // $path) or return print "absent\0$path\0";
  my $type = S_ISREG($s[2]) ? 'f' : S_ISDIR($s[2]) ? 'd' : S_ISLNK($s[2]) ? 'l' : 'p';
  print join("\0", 'inode', $path, $type, sprintf('%o', $s[2] & 07777), account($s[4]), getgrgid($s[5]) // $s[5], $type eq 'l' ? readlink($name // $path) : ''), "\0";
}
sub add_lines {
  my ($path, $h) = @_; my $text = '';
  1 while sysread $h, $text, ${MAX_KEYS_BYTES} + 1 - length $text, length $text;
  $text =~ s/\n\z//;
  $lines .= join '', map { "$path\0$_\n" } split /\n/, $text, -1 if $text ne '';
}
my @unread;
# The user's own file in a .ssh that root created and the user cannot enter.
sub open_behind_root {
  my ($one) = @_; my ($h, @s);
  return unless enter("$one->{home}/.ssh") && (@s = lstat 'authorized_keys') && S_ISREG($s[2]) && $s[4] == $one->{uid};
  sysopen($h, 'authorized_keys', O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $h) && $s[4] == $one->{uid} && $s[3] == 1 or return;
  return $h;
}
for my $one (@known) {
  my $file = "$one->{home}/.ssh/authorized_keys"; my $h;
  become($one);
  look($_) for $one->{home}, "$one->{home}/.ssh";
  my $why = sysopen($h, $file, O_RDONLY | O_NONBLOCK) || $!{ENOENT} || $!{ENOTDIR} ? '' : "$!";
  look($file) if $why eq '' || lstat $file;
  be_root();
  if ($why ne '' && ($h = open_behind_root($one))) { look($file, 'authorized_keys'); $why = '' }
  if ($why ne '') { push @unread, "$one->{name}\0$file cannot be read as $one->{name}: $why\0" }
  elsif (my @s = $h ? stat $h : ()) {
    if ($s[7] > ${MAX_KEYS_BYTES}) { push @unread, "$one->{name}\0$file exceeds the maximum size of a file of keys (owner: " . account($s[4]) . ")\0" }
    elsif (S_ISREG($s[2])) { add_lines($file, $h) }
  }
  add_lines("$records/$one->{name}", $h) if open $h, '<', "$records/$one->{name}";
}
print 'unread', "\0$_" for @unread;
print "lines\0$lines";
`

/** Parses the output of `keysScript`. */
export const readKeysStates = (answer: string, users: readonly string[]): ReadonlyMap<string, KeysState> => {
  const fields = answer.split('\0')
  const homes = new Map<string, string>()
  let i = 2
  for (; fields[i] === 'user'; i += 3) homes.set(fields[i + 1] ?? '', fields[i + 2] ?? '')
  const inodes = new Map<string, InodeState>()
  i = readInodes(fields, inodes, i)
  const unread = new Map<string, string>()
  for (; fields[i] === 'unread'; i += 3) unread.set(fields[i + 1] ?? '', fields[i + 2] ?? '')
  if (fields[0] !== 'sshd' || fields[i] !== 'lines') throw new Error('the host did not list its users and their keys')
  const lines = fields
    .slice(i + 1)
    .join('\0')
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('\0')), line.slice(line.indexOf('\0') + 1)] as const)
  const linesOf = (path: string): readonly string[] => lines.filter(([at]) => at === path).map(([, line]) => line)
  const inode = (path: string): InodeState => inodes.get(path) ?? ABSENT
  return new Map(
    users.map((user): [string, KeysState] => {
      const home = homes.get(user)
      const file = fileIn(home ?? '')
      return [
        user,
        {
          home,
          inodes: { home: inode(home ?? ''), ssh: inode(`${home ?? ''}/.ssh`), file: home === undefined ? ABSENT : inode(file) },
          lines: home === undefined ? [] : linesOf(file),
          ours: linesOf(`${RECORDS}/${user}`),
          otherKeysFile: otherKeysFile(fields[1] ?? ''),
          unread: unread.get(user),
        },
      ]
    }),
  )
}

// sshd uses the first value (sshd_config(5)). Debian's sshd_config includes the .d directory first.
const otherKeysFile = (settings: string): string | undefined => {
  const value = /AuthorizedKeysFile[\s=]+(.*)/i.exec(settings)?.[1]?.trim()
  const paths = value?.replaceAll('"', '').split(/\s+/) ?? []
  return value === undefined || paths.some((path) => path.replace(/^%h\//, '') === '.ssh/authorized_keys') ? undefined : value
}

/** Returns the desired lines of the file. Lines of others are kept, unless the file is exclusive. */
export const desiredLines = (
  { keys, exclusive }: { readonly keys: readonly PublicKey[]; readonly exclusive: boolean },
  { lines, ours }: KeysState,
): readonly string[] => {
  const wanted = new Map(keys.map((key) => [identityOf(key), [identityOf(key), key.comment].filter((part) => part !== '').join(' ')]))
  const blobs = new Set(keys.map(({ blob }) => blob))
  const found = new Set<string>()
  const kept = lines.filter((line) => {
    const key = readKey(line)
    if (key === undefined) return !exclusive
    found.add(identityOf(key))
    return wanted.has(identityOf(key)) || !(exclusive || ours.includes(identityOf(key)) || blobs.has(key.blob))
  })
  return [...kept, ...[...wanted].filter(([identity]) => !found.has(identity)).map(([, line]) => line)]
}
