import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { bytesOf, sha256Hex } from '../kind/content.ts'
import { NO_FILE } from '../kind/queries.ts'
import { CHANGED, DIGEST, UNSAFE, walk } from '../kind/walk.ts'
import type { FileSpec } from './spec.ts'

/** List of staged files until they are in place. The next run deletes the files that a killed run left in it. */
export const STAGED_LIST = '/var/lib/provision/staged'

/** Name of a staged file beside the one it replaces. It is derived from the path, so the next write reuses the file of an interrupted run. */
export const stagedName = (path: string, what = ''): string => `.${sha256Hex(path).slice(0, 16)}${what}.provision-new`

/** A file to put in place. */
export type PlacedFile = Pick<FileSpec, 'path' | 'state' | 'mode' | 'owner' | 'group' | 'content'> & {
  /** Observed digest, or `absent`. A file that changed since is not replaced. */
  readonly observed?: string | undefined
}

/** Input of the programs below: for each file NUL-terminated words, then its bytes. Absent files come last. */
export const filesAsInput = (files: readonly PlacedFile[]): Uint8Array => {
  const words = (...some: readonly (string | number)[]): Buffer => Buffer.from(some.map((word) => `${word}\0`).join(''))
  const isAbsent = ({ state }: PlacedFile): boolean => state === 'absent'
  return Buffer.concat([
    ...files
      .filter((one) => !isAbsent(one))
      .flatMap(({ path, mode, owner, group, content, observed = '' }) => {
        const bytes = bytesOf(content)
        return [words('file', path, observed, stagedName(path), mode, owner, group, bytes.length), bytes]
      }),
    ...files.filter(isAbsent).map(({ path, observed = '' }) => words('gone', path, observed)),
  ])
}

/** Reads all words first, so nothing is written before every owner and directory is known. Bytes are read later, by position. */
const READ_FILES = String.raw`
my (@new, @gone); my $alone = shift @ARGV;
sub word { local $/ = "\0"; my $w = <STDIN> // fail('the input was cut off'); chomp $w; $w }
seek STDIN, 0, 0 or fail("the input cannot be read: $!");
until (eof STDIN) {
  my ($what, $path, $observed) = (word(), word(), word());
  my ($dir, $name) = parted($path);
  my %place = (path => $path, observed => $observed, dir => $dir, name => $name);
  if ($what eq 'gone') { push @gone, { %place }; next }
  my ($staged, $mode, $owner, $group, $size) = map { word() } 1 .. 5;
  push @new, { %place, staged => $staged, mode => oct $mode, uid => uid_of($owner), gid => gid_of($group), at => tell STDIN, size => $size };
  seek STDIN, $size, 1;
}
# Skip the walk if the next file is in the same directory.
my $here = '';
sub go { my ($dir) = @_; return if $dir eq $here; $here = ''; reach($dir); $here = $dir }
sub check_places {
  for my $one (@new, $alone ? @gone : ()) {
    if ($one->{staged}) { go($one->{dir}); $one->{real} = $at }
    else { $here = ''; next if !enter($one->{dir}) && $held[2] eq 'does not exist'; reach($one->{dir}) }
    fail("$one->{path} can be replaced by another account (owner: $other); declare files of a service where only root can write", ${UNSAFE}) if $alone && $other ne '';
  }
}
sub check_observed {
  for my $one (grep { $_->{observed} ne '' } @new, @gone) {
    $here = '';
    my $now = 'absent';
    if (enter($one->{dir}) && lstat $one->{name}) {
      my $h;
      $now = sysopen($h, $one->{name}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && S_ISREG((stat $h)[2]) ? digest_of($h) : '${NO_FILE}';
    }
    fail("$one->{path} is not as it was observed" . (enter($one->{dir}) ? owned($one->{name}) : ''), ${CHANGED}) if $now ne $one->{observed} || $now eq '${NO_FILE}';
  }
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
  my $why = $left == 0 && $h->flush && chown($one->{uid}, $one->{gid}, $h) && chmod($one->{mode}, $h) ? '' : "$!" || 'the input was cut off';
  return close $h || $why ? $why : "$!";
}
`

/** Writes all staged files to disk, then renames them, then deletes files that are declared absent. */
const PLACE = String.raw`${READ_FILES}${DIGEST}
my $list = shift @ARGV;
check_places();
check_observed();
if (@new) {
  open my $h, '>', $list or fail("$list: $!");
  print $h "$_->{real}/$_->{staged}\n" for @new;
  $h->flush && $h->sync && close $h or fail("$list: $!");
}
for my $one (@new) {
  go($one->{dir});
  my $why = create($one, $one->{staged}) or next;
  for (@new) { unlink $_->{staged} if enter($_->{dir}) }
  unlink $list; fail("$one->{path}: $why");
}
for (@new) { go($_->{dir}); to_disk($_->{staged}) }
for (@new) { go($_->{dir}); rename $_->{staged}, $_->{name} or fail("$_->{path}: $!") }
for (@gone) {
  next if $_->{dir} ne $here && !enter($_->{dir}) && $held[2] eq 'does not exist';
  $here = ''; go($_->{dir});
  unlink $_->{name} or $!{ENOENT} or fail("$_->{path} cannot be removed: $!" . owned($_->{name}));
}
my %seen;
for (grep { !$seen{$_->{dir}}++ } @new, @gone) { to_disk('.') if enter($_->{dir}) }
unlink $list;
`

/** Writes the files into a copy of their tree, for the checker. Links are refused, because they could lead out of the copy. */
const LAY_OVER = `${READ_FILES}
my ($root, $copy) = @ARGV;
check_places();
reach($copy);
my $real = readlink '/proc/self/cwd';
for (@new, @gone) {
  my $rest = substr $_->{dir}, length $root;
  next if !enter("$copy$rest") && $held[2] eq 'does not exist';
  fail("$_->{path} is below a link, which a set of files that is checked together must not contain", ${UNSAFE}) if readlink('/proc/self/cwd') ne "$real$rest";
  if (!exists $_->{staged}) { unlink $_->{name}; next }
  my $why = create($_, $_->{name});
  fail("$_->{path}: $why") if $why;
}
`

/** A script that puts the files of its input in place: all of them, or none. */
export const placeScript = ({ alone }: { readonly alone: boolean }): Script => walk(PLACE, alone ? 'alone' : '', STAGED_LIST)

/** A script that writes the files of its input into a copy of their tree. `copy` is a variable of the shell. */
export const layOverScript = (root: string, copy: Script): Script => sh`${walk(LAY_OVER, 'alone', root)} ${copy}`

/** Deletes the files on the list, then the list. Short, because every run sends it. A directory whose real path differs is skipped. */
export const CLEAR_STAGED = sh`while IFS= read -r path; do
  directory=\${path%/*}
  ( cd -P -- "$directory/" && [ "$(pwd -P)" = "\${directory:-/}" ] && case $path in *.provision-new) rm -f -- "./\${path##*/}" ;; esac )
done <${STAGED_LIST}; rm -f ${STAGED_LIST}`
