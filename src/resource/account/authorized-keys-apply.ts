import { sh } from '../../shell/sh.ts'
import type { Work } from '../kind/kind.ts'
import { doneOf } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { UNSAFE, walk } from '../kind/walk.ts'
import { AS_USER } from './as-user.ts'
import { desiredLines, type KeysState, MAX_KEYS_BYTES, RECORDS } from './authorized-keys-observe.ts'
import type { AuthorizedKeysSpec } from './authorized-keys-spec.ts'
import { identityOf } from './public-key.ts'

type KeysWork = Work<AuthorizedKeysSpec, KeysState>

/** Writes the keys of all users in one request, in order. */
export const applyKeys = function* (work: readonly KeysWork[]): Steps {
  for (const { id, spec, state } of work) {
    if (state.otherKeysFile !== undefined)
      throw new HostRefusal(
        `authorized keys of ${id} would have no effect`,
        `sshd on this host reads keys from ${state.otherKeysFile}`,
        'remove AuthorizedKeysFile from its sshd_config',
      )
    if (state.unread !== undefined && !spec.exclusive)
      throw new HostRefusal(
        `authorized keys of ${id} not changed`,
        state.unread,
        'delete that file, or set `exclusive: true` to replace all of its keys',
      )
  }
  const answer = yield {
    do: 'shell',
    script: sh`umask 077; mkdir -p ${RECORDS} && ${walk(PUT_KEYS, RECORDS)}`,
    input: inputFor(work),
    doing: 'writing authorized keys',
  }
  if (answer.code === 0) return
  const done = doneOf(work, answer)
  const failed = work.find(({ id }) => !done.includes(id))?.id ?? ''
  throw new HostRefusal(
    `authorized keys of ${failed} not written`,
    outputExcerpt(answer.stderr),
    answer.code === UNSAFE ? 'check who created it: a home directory must belong to its user and be below directories of root' : undefined,
    { done, culprit: failed },
  )
}

/** For each user: lines to remove, lines to add, and our keys; NUL-terminated. The host copies unchanged lines as the user, so they are not sent. */
const inputFor = (work: readonly KeysWork[]): Uint8Array =>
  Buffer.from(
    work
      .flatMap(({ spec, state }) => {
        const after = desiredLines(spec, state)
        const removed = state.lines.filter((line) => !after.includes(line))
        const added = spec.exclusive ? after : after.filter((line) => !state.lines.includes(line))
        const ours = spec.keys.map((key) => `${identityOf(key)}\n`).join('')
        return [spec.user, spec.exclusive ? 'all' : 'some', removed.join('\n'), added.join('\n'), ours]
      })
      .map((word) => `${word}\0`)
      .join(''),
  )

/**
 * Root repairs the directories by descriptor: a home that others may write to, a `.ssh` that root created. Everything else runs with the
 * rights of the user. A directory of root is given to the user only if everything in it already belongs to the user: otherwise a different
 * directory could have been renamed to this path.
 */
const PUT_KEYS = String.raw`${AS_USER}
my ($records) = @ARGV;
$| = 1;
sub word { local $/ = "\0"; my $w = <STDIN> // fail('the input was cut off'); chomp $w; $w }
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
  fail("$home belongs to " . account($s[4]) . ", and lies in a directory of $name", ${UNSAFE}) if $is_theirs && $s[4] != $one->{uid};
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
sub kept_lines {
  my ($file, $go) = @_; my %go = map { $_ => 1 } split /\n/, $go, -1; my ($h, $text) = (undef, '');
  if (!sysopen $h, 'authorized_keys', O_RDONLY | O_NONBLOCK) { return () if $!{ENOENT}; fail("$file cannot be read as its user: $!", ${UNSAFE}) }
  my @s = stat $h;
  return () unless S_ISREG($s[2]);
  1 while sysread $h, $text, ${MAX_KEYS_BYTES} + 1 - length $text, length $text;
  fail("$file exceeds the maximum size of a file of keys (owner: " . account($s[4]) . ")", ${UNSAFE}) if length $text > ${MAX_KEYS_BYTES};
  $text =~ s/\n\z//;
  return $text eq '' ? () : grep { !$go{$_} } split /\n/, $text, -1;
}
sub put {
  my ($name, $text) = @_; my $h;
  unlink ".$name.provision-new";
  (sysopen($h, ".$name.provision-new", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) && print $h $text) && $h->flush && $h->sync && close $h
    && rename ".$name.provision-new", $name;
}
until (eof STDIN) {
  my ($user, $which, $go, $come, $ours) = map { word() } 1 .. 5;
  my $one = person($user);
  fail('the user does not exist') if $one->{uid} < 0;
  open_way($one);
  become($one);
  my $file = "$one->{home}/.ssh/authorized_keys";
  chdir $one->{home} && (mkdir '.ssh' or $!{EEXIST}) && chdir '.ssh' or fail("$one->{home}/.ssh cannot be entered as $user: $!", ${UNSAFE});
  my @s = stat '.'; chmod $s[2] & 07755, '.' if $s[2] & 022;
  my @lines = ($which eq 'some' ? kept_lines($file, $go) : (), split /\n/, $come);
  put('authorized_keys', join '', map { "$_\n" } @lines) or fail("$file cannot be written as $user: $!", ${UNSAFE});
  to_disk('.');
  be_root();
  chdir $records && put($user, $ours) or fail("$records/$user: $!");
  print "done\0$user\0";
}
`
