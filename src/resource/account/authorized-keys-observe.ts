import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import { walk } from '../kind/walk.ts'
import { AS_USER } from './as-user/as-user.ts'
import { fieldsOf } from './keys-fields.ts'
import { KEYS_PLACES } from './keys-places.ts'

/** A file that sshd reads keys from. Texts are strings of bytes (see `bytesAsText`). */
export interface KeysFile {
  /** The word of AuthorizedKeysFile, such as `.ssh/authorized_keys`. */
  readonly pattern: string
  /** Empty if the user does not exist (yet). */
  readonly path: string
  readonly inode: InodeState
  /** Empty if the file is absent or was not read. */
  readonly text: string
  /** Why the file was not read, with its path and owner; its content is then unknown. */
  readonly unread: string | undefined
}

export interface KeysState {
  /** Undefined if the user does not exist (yet). */
  readonly home: string | undefined
  readonly inodes: { readonly home: InodeState; readonly ssh: InodeState }
  /** Every file that sshd reads for the user. */
  readonly files: readonly KeysFile[]
  /** Identities of the keys that provision wrote. */
  readonly ours: readonly string[]
  /** This run logged in as the user. */
  readonly isRunAccount: boolean
  /** The data of the key with which this run logged in. If an agent offered several keys, the data of all: sshd accepted one of them. */
  readonly loginKeys?: readonly string[]
}

/** Records which keys provision wrote; one file per user. */
export const RECORDS = '/var/lib/provision/authorized-keys'

/** Limit of a file of keys, in bytes: about two thousand keys. */
export const MAX_KEYS_BYTES = 1_048_576

/**
 * One process for any number of users. Everything in a home directory is examined and read with the rights of its user, so a link there
 * reaches only what the user can reach. Reads are bounded and do not wait for named pipes. sudo sets SUDO_USER; the shell that answers
 * requests has SSH_CONNECTION in `connection`, and the keys of the login in `login_keys`.
 */
export const keysScript = (users: readonly string[]): Script =>
  sh`set -- "\${SUDO_USER:-root}" "\${login_keys-}" "\${connection:-127.0.0.1}"
${walk(READ_KEYS, RECORDS, ...users)} "$@"
`

/** Perl routine that reads at most `MAX_KEYS_BYTES` of a regular file. */
export const READ_TEXT = `
sub read_text {
  my ($h) = @_; my $text = '';
  return '' unless S_ISREG((stat $h)[2]);
  1 while sysread $h, $text, ${MAX_KEYS_BYTES} + 1 - length $text, length $text;
  return $text;
}
sub too_large { my ($file, $h) = @_; my @s = stat $h; "$file exceeds the maximum size of a file of keys (owner: " . account($s[4]) . ')' }
`

const READ_KEYS = String.raw`${AS_USER}${KEYS_PLACES}${READ_TEXT}
my $client = (split ' ', pop @ARGV)[0] // '127.0.0.1';
my $login_keys = pop @ARGV;
my ($login, $records, @users) = (pop @ARGV, @ARGV);
sub look {
  my ($path, $name) = @_;
  my @s = lstat($name // $path) or return print "absent\0$path\0";
  my $type = S_ISREG($s[2]) ? 'f' : S_ISDIR($s[2]) ? 'd' : S_ISLNK($s[2]) ? 'l' : 'p';
  print join("\0", 'inode', $path, $type, sprintf('%o', $s[2] & 07777), account($s[4]), getgrgid($s[5]) // $s[5], $type eq 'l' ? readlink($name // $path) : ''), "\0";
}
sub say_text { my ($text, $why) = @_; print "$why\0", length $text, "\0$text" }
# The user's own file in a .ssh that root created and the user cannot enter. 'absent' if the directory has none.
sub open_behind_root {
  my ($one, $file) = @_; my ($h, @s); my ($dir, $name) = parted($file);
  return unless enter($dir);
  @s = lstat $name or return $!{ENOENT} ? 'absent' : undef;
  return unless S_ISREG($s[2]) && $s[4] == $one->{uid};
  sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $h) && $s[4] == $one->{uid} && $s[3] == 1 or return;
  return $h;
}
sub say_file_of_user {
  my ($file, $one) = @_; my $h;
  become($one);
  my $why = sysopen($h, $file, O_RDONLY | O_NONBLOCK) || $!{ENOENT} || $!{ENOTDIR} ? '' : "$!";
  my $behind = $why ne '' && !lstat $file;
  look($file) unless $behind;
  be_root();
  if ($behind) {
    $h = open_behind_root($one, $file);
    $why = '' if defined $h;
    if (!defined $h || $h eq 'absent') { undef $h; print "absent\0$file\0" } else { look($file, (parted($file))[1]) }
  }
  my $text = $why eq '' && fileno($h // *NONE) ? read_text($h) : '';
  $why = "$file cannot be read as $one->{name}: $why" if $why ne '';
  $why = too_large($file, $h) if length $text > ${MAX_KEYS_BYTES};
  say_text($why eq '' ? $text : '', $why);
}
# A file elsewhere: only where root alone can replace it.
sub say_file_of_root {
  my ($file) = @_; my ($h, $why) = (undef, ''); my ($dir, $name) = parted($file);
  if (!enter($dir)) { $why = "$held[0] $held[2]" if $held[2] ne 'does not exist'; print "absent\0$file\0"; return say_text('', $why) }
  look($file, $name);
  $why = "$file can be replaced by another account (owner: $other)" if $other ne '';
  $why = "$file cannot be read: $!" if $why eq '' && !sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && !$!{ENOENT};
  my $text = $why eq '' && fileno($h // *NONE) ? read_text($h) : '';
  $why = too_large($file, $h) if length $text > ${MAX_KEYS_BYTES};
  say_text($why eq '' ? $text : '', $why);
}
for my $one (map { person($_) } @users) {
  my $is_there = $one->{uid} >= 0;
  print join("\0", 'user', $one->{name}, $is_there ? "$one->{home}" : '', $one->{name} eq $login ? "login $login_keys" : ''), "\0";
  if ($is_there) { become($one); look($_) for $one->{home}, "$one->{home}/.ssh"; be_root() }
  else { print "absent\0\0absent\0\0" }
  my @patterns = eval { keys_places($one->{name}, $client) };
  my $fault = $@;
  if ($fault ne '') { $fault =~ s/\0.*//s; print "file\0.ssh/authorized_keys\0\0absent\0\0"; say_text('', $fault) }
  for my $pattern (@patterns) {
    my $path = path_of($pattern, $one);
    next if $pattern eq 'none';
    print 'file', "\0$pattern\0", $path // '', "\0";
    if (!defined $path) { print "absent\0\0"; say_text('', ''); next }
    defined below_home($path, $one) ? say_file_of_user($path, $one) : say_file_of_root($path);
  }
  my $h;
  say_text(open($h, '<', "$records/$one->{name}") ? read_text($h) : '', 'ours');
}
print "end\0";
`

/** Parses the output of `keysScript`. Throws if it is incomplete. */
export const readKeysStates = (answer: Buffer, users: readonly string[]): ReadonlyMap<string, KeysState> => {
  const { field, block, isAtEnd } = fieldsOf(answer)
  const inode = (): InodeState => {
    const word = field()
    const path = field()
    if (word === 'absent') return ABSENT
    if (word !== 'inode') throw new Error(`the host did not report the inode of ${path}`)
    const [type, mode, owner, group, target] = [field(), field(), field(), field(), field()]
    return { type, mode, owner, group, target }
  }
  const states = new Map<string, KeysState>()
  let word = field()
  for (; word === 'user'; word = field()) {
    const [name, home, login] = [field(), field(), field()]
    const [isLogin, ...keys] = login.split(' ')
    const inodes = { home: inode(), ssh: inode() }
    const files: KeysFile[] = []
    let next = field()
    for (; next === 'file'; next = field()) {
      const [pattern, path, state, unread, text] = [field(), field(), inode(), field(), block()]
      files.push({ pattern, path, inode: state, text, unread: unread === '' ? undefined : unread })
    }
    if (next !== 'ours') throw new Error(`the host did not list the keys of ${name}`)
    const ours = block()
      .split('\n')
      .filter((line) => line !== '')
    states.set(name, {
      home: home === '' ? undefined : home,
      inodes,
      files,
      ours,
      isRunAccount: isLogin === 'login',
      loginKeys: keys.filter((key) => key !== ''),
    })
  }
  if (word !== 'end' || !isAtEnd()) throw new Error('the host did not list its users and their keys')
  return new Map([...states].filter(([name]) => users.includes(name)))
}
