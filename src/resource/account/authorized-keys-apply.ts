import { sh } from '../../shell/sh.ts'
import { ABSENT } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { doneOf } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, outputExcerpt, type Step, type Steps } from '../kind/step.ts'
import { CHANGED, UNSAFE, walk } from '../kind/walk.ts'
import { AS_USER } from './as-user/as-user.ts'
import { type KeysFile, type KeysState, MAX_KEYS_BYTES, READ_TEXT, RECORDS } from './authorized-keys-observe.ts'
import type { AuthorizedKeysSpec } from './authorized-keys-spec.ts'
import { desiredText, onlyThese, targetOf } from './desired-keys.ts'
import { asBlocks } from './keys-fields.ts'
import { KEYS_PLACES } from './keys-places.ts'
import { identityOf } from './public-key.ts'

type KeysWork = Work<AuthorizedKeysSpec, KeysState>

/** Writes the keys of all users in one request, in order. A user whose keys cannot be written holds up no other. */
export const applyKeys = function* (work: readonly KeysWork[]): Steps {
  const readable = work.filter((one) => unreadOf(one) === undefined)
  const [unread] = work.filter((one) => !readable.includes(one))
  const answer = readable.length === 0 ? undefined : yield writeStep(readable)
  const isWritten = answer === undefined || answer.code === 0
  const done = isWritten ? readable.map(({ id }) => id) : doneOf(readable, answer)
  if (unread !== undefined)
    throw new HostRefusal(
      `authorized keys of ${unread.id} not changed`,
      unreadOf(unread) ?? '',
      'delete that file, or set `exclusive: true` to replace all of its keys',
      { done, culprit: unread.id, account: ownFileUnread(unread) ? unread.id : undefined },
    )
  if (isWritten) return
  const failed = work.find(({ id }) => !done.includes(id))?.id ?? ''
  throw new HostRefusal(`authorized keys of ${failed} not written`, outputExcerpt(answer.stderr), FIXES[answer.code], {
    done,
    culprit: failed,
    account: controllerOf(failed, answer),
  })
}

/** The account that controls the path of a user whose keys were not written (`culprit`, NUL, user, NUL, `account`, NUL, name, NUL). */
const controllerOf = (user: string, { stdout }: Answer): string | undefined => {
  const fields = stdout.toString().split('\0')
  const at = fields.findIndex((field, i) => field.endsWith('culprit') && fields[i + 1] === user && fields[i + 2] === 'account')
  return at < 0 ? undefined : fields[at + 3]
}

/** Whether the file that was not read is below the home of the user. */
const ownFileUnread = ({ state }: KeysWork): boolean =>
  state.files.some(({ unread, path }) => unread !== undefined && state.home !== undefined && path.startsWith(`${state.home}/`))

/** Why a file of the user was not read. Its keys are then unknown, which does not matter if all of them go. */
const unreadOf = ({ spec, state }: KeysWork): string | undefined =>
  spec.exclusive ? undefined : state.files.find(({ unread }) => unread !== undefined)?.unread

const writeStep = (work: readonly KeysWork[]): Step => ({
  do: 'shell',
  script: sh`umask 077; mkdir -p ${RECORDS} && ${walk(PUT_KEYS, RECORDS)}`,
  input: inputFor(work),
  doing: 'writing authorized keys',
})

const FIXES: Readonly<Record<number, string>> = {
  1: 'check on the host that the user may change the file (`lsattr`, `df`)',
  [UNSAFE]: 'check who created it: a home directory must belong to its user and be below directories of root',
  [CHANGED]: 'run again: the next plan starts from the present keys',
}

/** For each user: name, our keys, and for each file its pattern, what was observed, the observed bytes, what to do, and the new bytes. */
const inputFor = (work: readonly KeysWork[]): Uint8Array =>
  asBlocks(
    work.flatMap(({ spec, state }) => {
      const files = state.files.map((file) => [file.pattern, ...wordsFor(spec, state, file)])
      const ours = spec.keys.map((key) => `${identityOf(key)}\n`).join('')
      return [spec.user, ours, `${files.length}`, ...files.flat()]
    }),
  )

const wordsFor = (spec: AuthorizedKeysSpec, state: KeysState, file: KeysFile): readonly string[] => {
  const isTarget = file === targetOf(state)
  // The account could delay the removal of all its keys by changing the file again and again.
  if (spec.exclusive && spec.keys.length === 0) return ['unseen', '', 'delete', '']
  // An account that this run creates has the declared keys only, even if an earlier account has left a file in its home directory.
  if (state.home === undefined || file.unread !== undefined)
    return isTarget ? ['unseen', '', 'write', onlyThese(spec.keys)] : ['unseen', '', 'delete', '']
  const text = desiredText(spec, state, file)
  const observed = [file.inode === ABSENT ? 'absent' : 'there', file.text]
  if (isTarget && (text !== '' || file.inode !== ABSENT)) return [...observed, 'write', text]
  if (text === file.text) return [...observed, 'keep', '']
  return text === '' ? [...observed, 'delete', ''] : [...observed, 'write', text]
}

/**
 * Root repairs the directories by descriptor: a home that others may write to, a `.ssh` that root created. Everything else below a home
 * runs with the rights of the user. A directory of root is given to the user only if everything in it already belongs to the user: otherwise
 * a different directory could have been renamed to this path.
 */
const PUT_KEYS = String.raw`${AS_USER}${KEYS_PLACES}${READ_TEXT}
my ($records) = @ARGV;
$| = 1;
sub block { my $size = do { local $/ = ':'; <STDIN> } // fail('the input was truncated'); chop $size; my $b = ''; (read(STDIN, $b, $size + 1) // -1) == $size + 1 or fail('the input was truncated'); chop $b; $b }
sub open_way {
  my ($one) = @_; my ($home, $name, $h) = ($one->{home}, $one->{name});
  my ($dir) = parted($home);
  reach($dir);
  fail("$home can be replaced by another account (owner: $other)", ${UNSAFE}) if $other ne '' && $other_uid != $one->{uid};
  my $is_theirs = $other ne '';
  enter($home) or fail($held[2] eq 'does not exist' ? "its home directory $home does not exist" : "$held[0] $held[2] (owner: $held[1])", ${UNSAFE});
  sysopen $h, '.', O_RDONLY | O_DIRECTORY or fail("$home: $!");
  my @s = stat $h;
  # The user may have renamed a directory of another account to this path.
  fail("$home belongs to " . account($s[4]) . ", and is in a directory of $name", ${UNSAFE}) if $is_theirs && $s[4] != $one->{uid};
  chown $one->{uid}, -1, $h if $s[4] != $one->{uid} && $s[4] != 0;
  chmod $s[2] & 07755, $h if $s[2] & 022;
  @s = lstat '.ssh' or return;
  return if S_ISLNK($s[2]) || $s[4] == $one->{uid};
  sysopen $h, '.ssh', O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK or fail("$home/.ssh: $!");
  @s = stat $h; chdir $h; opendir my $list, '.' or fail("$home/.ssh: $!");
  for (readdir $list) {
    next if /^[.]{1,2}\z/;
    my @inner = lstat $_ or next;
    fail("$home/.ssh belongs to " . account($s[4]) . ", and holds $_ of another account (owner: " . account($inner[4]) . ")", ${UNSAFE}) if $inner[4] != $one->{uid};
  }
  fail("$home/.ssh belongs to " . account($s[4]), ${UNSAFE}) if $s[4] != 0;
  chown $one->{uid}, $one->{gid}, $h or fail("$home/.ssh: $!");
}
# Refuses a file that is not as it was observed. Returns its stat.
sub check {
  my ($file, $name, $observed, $before, $flags) = @_; my $h;
  my @s = lstat $name;
  return @s if $observed eq 'unseen';
  my $text = '';
  if (@s && !sysopen($h, $name, O_RDONLY | O_NONBLOCK | $flags)) { fail("$file cannot be read: $!", ${UNSAFE}) unless $!{ENOENT} }
  elsif (@s) { $text = read_text($h); fail(too_large($file, $h), ${UNSAFE}) if length $text > ${MAX_KEYS_BYTES} }
  fail("$file is not as it was observed", ${CHANGED}) if (@s ? 'there' : 'absent') ne $observed || $text ne $before;
  return @s;
}
sub put {
  my ($name, $text, $like) = @_; my $h; my $new = ".$name.provision-new";
  unlink $new;
  my $done = sysopen($h, $new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) && (print $h $text) && $h->flush && (!$like || chown($like->[4], $like->[5], $h) && chmod($like->[2] & 07755, $h))
    && $h->sync && close($h) && rename($new, $name);
  return 1 if $done;
  my $why = $!; unlink $new; $! = $why; return 0;
}
sub change {
  my ($file, $name, $what, $text, $like) = @_;
  if ($what eq 'delete') { unlink $name or $!{ENOENT} or fail("$file cannot be deleted: $!") }
  if ($what eq 'write') { put($name, $text, $like) or fail("$file cannot be written: $!") }
  to_disk('.') if $what ne 'keep';
}
sub change_as_user {
  my ($file, $below, $one, $observed, $before, $what, $text) = @_;
  my @way = split m{/}, $below; my $name = pop @way;
  become($one);
  my $is_there = chdir $one->{home} or fail("$one->{home} cannot be entered as $one->{name}: $!", ${UNSAFE});
  for my $part (@way) {
    if (!chdir $part) {
      if ($what ne 'write' && $!{ENOENT}) { $is_there = 0; last }
      (mkdir($part) or $!{EEXIST}) && chdir $part or fail("$one->{home}/$part cannot be entered as $one->{name}: $!", ${UNSAFE});
    }
    my @s = stat '.'; chmod $s[2] & 07755, '.' if $s[2] & 022 && $s[4] == $>;
  }
  if ($is_there) { check($file, $name, $observed, $before, 0); change($file, $name, $what, $text) }
  elsif ($observed eq 'there') { fail("$file is not as it was observed", ${CHANGED}) }
  be_root();
}
sub change_as_root {
  my ($file, $observed, $before, $what, $text) = @_; my ($dir, $name) = parted($file);
  return if $what ne 'write' && !enter($dir) && $held[2] eq 'does not exist';
  reach($dir);
  fail("$file can be replaced by another account (owner: $other)", ${UNSAFE}) if $other ne '';
  my @s = check($file, $name, $observed, $before, O_NOFOLLOW);
  change($file, $name, $what, $text, @s && S_ISREG($s[2]) ? \@s : [0, 0, 0644, 0, 0, 0]);
}
# Deletes what sshd could read as the user. No type or mode that the user gave these directories keeps the keys.
sub delete_as_user {
  my ($file, $below, $one) = @_;
  my @way = ($one->{home}, split m{/}, $below); my $name = pop @way;
  become($one);
  for my $part (@way) { chdir $part or $!{EACCES} && chmod(0700, $part) && chdir $part or return be_root() }
  unlink $name or $!{ENOENT} or $!{EISDIR} or fail("$file cannot be deleted: $!");
  to_disk('.');
  be_root();
}
sub put_keys_of {
  my ($user, $ours, @files) = @_;
  $current = $user;
  my $one = person($user);
  fail('the user does not exist') if $one->{uid} < 0;
  my $opened = 0;
  for (@files) {
    my ($pattern, @rest) = @$_;
    my $file = path_of($pattern, $one);
    my $below = below_home($file, $one);
    if (!defined $below) { change_as_root($file, @rest); next }
    next if $rest[2] eq 'keep' && $rest[0] eq 'absent';
    if ($rest[0] eq 'unseen' && $rest[2] eq 'delete') { $controller = $user; delete_as_user($file, $below, $one); next }
    open_way($one) unless $opened++;
    $controller = $user;
    change_as_user($file, $below, $one, @rest);
  }
  continue { $controller = '' }
  chdir $records && put($user, $ours) or fail("$records/$user: $!");
  print "done\0$user\0";
}
my (@all, $status);
until (eof STDIN) {
  my ($user, $ours, $count) = map { block() } 1 .. 3;
  push @all, [$user, $ours, map { [map { block() } 1 .. 5] } 1 .. $count];
}
# One process for each user: who changes the own file again and again delays no other.
for my $one (@all) {
  my $child = fork // fail("no process can be started: $!");
  if (!$child) { put_keys_of(@$one); exit 0 }
  waitpid $child, 0;
  $status ||= $? && ($? >> 8 || 1);
}
exit($status || 0);
`
