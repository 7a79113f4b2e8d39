import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { bytesOf, sha256Hex, sha256Of } from '../kind/content.ts'
import { type InodeState, inodeWord } from '../kind/inode.ts'
import { NO_FILE } from '../kind/queries.ts'
import { CHANGED, DIGEST, OBSERVED, PARTLY, UNSAFE, walk } from '../kind/walk.ts'
import type { FileSpec } from './spec.ts'

/** List of staged files until they are in place. The next run deletes the files that a killed run left in it. */
export const STAGED_LIST = '/var/lib/provision/staged'

/** Name of a staged file beside the one it replaces. It is derived from the path, so the next write reuses the file of an interrupted run. */
export const stagedName = (path: string, what = ''): string => `.${sha256Hex(path).slice(0, 16)}${what}.provision-new`

/** A file to put in place. */
export type PlacedFile = Pick<FileSpec, 'path' | 'state' | 'mode' | 'owner' | 'group' | 'content' | 'isDerived' | 'isOnlyCreated'> & {
  /** Observed digest, or `absent`. A file that changed since is not replaced. */
  readonly observed?: string | undefined
  /** Observed type, mode, owner and group, if they are compared too. */
  readonly inode?: InodeState
}

/** The words before the length and the bytes of a file in the input of the programs below. */
export const wordsOf = (
  { path, mode, owner, group, observed = '', inode, isDerived, isOnlyCreated }: PlacedFile,
  sha256: string,
): readonly string[] => [
  ...[isOnlyCreated ? 'once' : isDerived ? 'edit' : 'file', path, observed, inodeWord(inode)],
  ...[stagedName(path), mode, owner, group, sha256],
]

/** Input of the programs below: for each file NUL-terminated words, then its bytes. Absent files come last. */
export const filesAsInput = (files: readonly PlacedFile[]): Uint8Array => {
  const words = (...some: readonly (string | number)[]): Buffer => Buffer.from(some.map((word) => `${word}\0`).join(''))
  const isAbsent = ({ state }: PlacedFile): boolean => state === 'absent'
  return Buffer.concat([
    ...files
      .filter((one) => !isAbsent(one))
      .flatMap((one) => {
        const bytes = bytesOf(one.content)
        return [words(...wordsOf(one, sha256Of(one.content) ?? ''), bytes.length), bytes]
      }),
    ...files.filter(isAbsent).map(({ path, observed = '', inode }) => words('gone', path, observed, inodeWord(inode))),
  ])
}

/** Reads all words first, so nothing is written before every owner and directory is known. Bytes are read later, by position. */
const READ_FILES = String.raw`${DIGEST}${OBSERVED}
my (@new, @gone); my ($alone, $scratch) = splice @ARGV, 0, 2;
sub word { local $/ = "\0"; my $w = <STDIN> // fail('the input was truncated'); chomp $w; $w }
seek STDIN, 0, 0 or fail("the input cannot be read: $!");
until (eof STDIN) {
  my ($what, $path, $observed, $inode) = map { word() } 1 .. 4;
  my ($dir, $name) = parted($path);
  my %place = (path => $path, observed => $observed, inode => $inode, dir => $dir, name => $name, scratch => $what eq 'edit' ? '' : $scratch);
  $current = $path;
  if ($what eq 'gone') { push @gone, { %place }; next }
  my ($staged, $mode, $owner, $group, $digest, $size) = map { word() } 1 .. 6;
  my %wanted = (mode => oct $mode, uid => uid_of($owner), gid => gid_of($group), digest => $digest, size => $size);
  my $at = tell STDIN;
  seek STDIN, $size, 1;
  # A package of this run may have created what is only to be created.
  if ($what eq 'once' && enter($dir) && lstat $name) { done($path); next }
  push @new, { %place, %wanted, staged => $staged, at => $at };
}
# Skip the walk if the next file is in the same directory.
my $here = '?';
sub go { my ($dir) = @_; return if $dir eq $here; $here = '?'; reach($dir); $here = $dir }
sub is_in { my ($dir) = @_; my $is_there = $dir eq $here || enter($dir); $here = $is_there ? $dir : '?'; return $is_there }
sub check_places {
  for my $one (@new, $alone ? @gone : ()) {
    $current = $one->{path};
    if ($one->{staged}) { go($one->{dir}); $one->{real} = $at }
    else { $here = '?'; next if !enter($one->{dir}) && $held[2] eq 'does not exist'; reach($one->{dir}) }
    fail("$one->{path} can be replaced by another account (owner: $other); declare files of a service where only root can write", ${UNSAFE}) if $alone && $other ne '';
  }
}
sub digest_now {
  my ($one) = @_; my $h;
  my $is_file = sysopen($h, $one->{name}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && S_ISREG((stat $h)[2]);
  return $is_file ? digest_of($h, $one->{size}) : '${NO_FILE}';
}
sub is_as_wanted {
  my ($one) = @_;
  my @s = lstat $one->{name} or return !$one->{staged};
  return $one->{staged} && S_ISREG($s[2]) && $s[4] == $one->{uid} && $s[5] == $one->{gid} && ($s[2] & 07777) == $one->{mode}
    && $one->{digest} ne '' && digest_now($one) eq $one->{digest};
}
sub is_unchanged {
  my ($one) = @_;
  return 1 if $one->{observed} eq '' && $one->{inode} eq '';
  if (!is_in($one->{dir})) { return $held[2] eq 'does not exist' && $one->{observed} =~ /^(absent)?$/ && $one->{inode} =~ /^(absent)?$/ }
  # Where the new content was derived from the observed one, what this run has made since is a change too.
  my ($observed, $inode, $scratch) = @$one{'observed', 'inode', 'scratch'};
  return 0 if $observed eq '${NO_FILE}';
  return 1 if is_as_wanted($one);
  return 0 unless is_as_observed($one->{name}, $inode, $scratch);
  return 1 if is_deleted($current, $scratch) && !lstat $one->{name};
  return is_as_observed($one->{name}, 'absent', $scratch) if $observed eq 'absent';
  return $observed eq '' || digest_now($one) eq $observed || is_of_this_run($one->{name}, $scratch, 1);
}
sub mark_of { my (@s) = @_; return @s ? join(' ', @s[0, 1, 2, 4, 5, 7, 9, 10]) : 'absent' }
my $checked;
sub check_observed {
  $checked = time;
  for my $one (@new, @gone) {
    $current = $one->{path};
    is_unchanged($one) or changed($one->{path}, $one->{name});
    my @s = is_in($one->{dir}) ? lstat $one->{name} : ();
    $one->{mark} = mark_of(@s);
    next if !@s || S_ISREG($s[2]) || S_ISLNK($s[2]);
    fail("$one->{path} is " . (S_ISDIR($s[2]) ? 'a directory' : 'a special file') . owned($one->{name}) . ': a file is declared there, and provision replaces only files and links; move it away by hand');
  }
}
# Compares again after a long write. It reads the content of a file only if its time changed since, or is so late that a change could have the same time in seconds.
sub is_still {
  my ($one) = @_;
  my @s = is_in($one->{dir}) ? lstat $one->{name} : ();
  return mark_of(@s) eq $one->{mark} && (!@s || $s[10] < $checked - 1) || is_unchanged($one);
}
# Copies the access control list of the file that is replaced (fsetxattr(2), lgetxattr(2)). The mode, which is set afterwards, limits it.
# Where another account may have made the file, the list is not a decision of root.
my %calls = (x86_64 => [192, 190], aarch64 => [9, 7]);
sub keep_acl {
  my ($one, $h) = @_;
  require Config;
  no warnings 'once';
  my $calls = $calls{(split /-/, $Config::Config{archname})[0]};
  my @old = lstat $one->{name} or return 1;
  return 1 if !$calls || $other ne '' || !S_ISREG($old[2]) || ($old[4] != 0 && $old[4] != $one->{uid});
  my ($name, $list) = ('system.posix_acl_access', "\0" x 65536);
  my $length = syscall($calls->[0], $one->{name}, $name, $list, length $list);
  return 1 if $length <= 0;
  return syscall($calls->[1], fileno $h, $name, substr($list, 0, $length), $length + 0, 0) == 0;
}
# Creates the file exclusively, so no other account created it or reads it before it is complete. Returns the error, read before close
# changes it.
sub create {
  my ($one, $name) = @_; my $h;
  unlink $name;
  sysopen($h, $name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600) or return "$!";
  seek STDIN, $one->{at}, 0;
  my $left = $one->{size};
  while ($left > 0) {
    my $n = read STDIN, my $part, $left < 1048576 ? $left : 1048576;
    last unless $n && print $h $part;
    $left -= $n;
  }
  my $why = $left == 0 && $h->flush && chown($one->{uid}, $one->{gid}, $h) && keep_acl($one, $h) && chmod($one->{mode}, $h) ? '' : "$!" || 'the input was truncated';
  return close $h || $why ? $why : "$!";
}
`

/**
 * Writes all staged files to disk, then renames them, then deletes files that are declared absent. Prints which files are done. If one
 * fails, deletes the staged files of the others.
 */
const PLACE = String.raw`${READ_FILES}
my $list = shift @ARGV;
check_places();
check_observed();
my @left = @new;
sub give_up {
  my ($one, $why, $status) = @_; my $account = controller();
  for (@left) { unlink $_->{staged} if enter($_->{dir}) }
  unlink $list;
  $current = $one->{path}; fail("$one->{path}$why", $status, $account);
}
if (@new) {
  $current = '';
  open my $h, '>', $list or fail("$list: $!", 1, '');
  print $h "$_->{real}/$_->{staged}\n" for @new;
  $h->flush && $h->sync && close $h or fail("$list: $!", 1, '');
}
for my $one (@new) {
  $current = $one->{path}; go($one->{dir});
  my $why = create($one, $one->{staged}) or next;
  give_up($one, ": $why", 1);
}
for (@new) { $current = $_->{path}; go($_->{dir}); to_disk($_->{staged}) }
for my $one (@new, @gone) {
  $current = $one->{path};
  is_still($one) or give_up($one, ' is not as it was observed' . owned($one->{name}), ${CHANGED});
}
while (my $one = $left[0]) {
  $current = $one->{path}; go($one->{dir});
  rename $one->{staged}, $one->{name} or give_up($one, ": $!", @left < @new ? ${PARTLY} : 1);
  done($one->{path}); shift @left;
}
for (@gone) {
  $current = $_->{path};
  if ($_->{dir} ne $here && !enter($_->{dir}) && $held[2] eq 'does not exist') { done($_->{path}); next }
  $here = '?'; go($_->{dir});
  unlink $_->{name} or $!{ENOENT} or give_up($_, " cannot be removed: $!" . owned($_->{name}), @new ? ${PARTLY} : 1);
  deleted($_->{path}, $scratch);
}
my %seen;
for (grep { !$seen{$_->{dir}}++ } @new, @gone) { to_disk('.') if enter($_->{dir}) }
unlink $list;
`

/** Writes the files into a copy of their tree, for the checker. Links are refused, because they could lead out of the copy. */
const LAY_OVER = `${READ_FILES}
my ($root, $copy) = @ARGV;
check_places();
check_observed();
$current = ''; reach($copy);
my $real = readlink '/proc/self/cwd';
for (@new, @gone) {
  $current = $_->{path};
  my $rest = substr $_->{dir}, length $root;
  # A relative link can lead to nothing in the copy.
  next if !enter("$copy$rest") && $held[2] eq 'does not exist' && !enter($_->{dir});
  fail("$_->{path} is below a link, which a set of files that is checked together must not contain", ${UNSAFE}) if readlink('/proc/self/cwd') ne "$real$rest";
  if (!exists $_->{staged}) { unlink $_->{name}; next }
  my $why = create($_, $_->{name});
  fail("$_->{path}: $why") if $why;
}
`

/** A script that puts the files of its input in place: all of them, or none; with `PARTLY`, a disk or a flag of a file refused the rest. */
export const placeScript = ({ alone }: { readonly alone: boolean }): Script =>
  sh`${walk(PLACE, alone ? 'alone' : '')} "\${T-}" ${STAGED_LIST}`

/** A script that writes the files of its input into a copy of their tree. `copy` is a variable of the shell. */
export const layOverScript = (root: string, copy: Script): Script => sh`${walk(LAY_OVER, 'alone')} "\${T-}" ${root} ${copy}`

/** Deletes the files on the list, then the list. Short, because every run sends it. A directory whose real path differs is skipped. */
export const CLEAR_STAGED = sh`while IFS= read -r path; do
  directory=\${path%/*}
  ( cd -P -- "$directory/" && [ "$(pwd -P)" = "\${directory:-/}" ] && case $path in *.provision-new) rm -f -- "./\${path##*/}" ;; esac )
done <${STAGED_LIST}; rm -f ${STAGED_LIST}`
