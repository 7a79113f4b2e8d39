import { firstNames } from '../../first-names.ts'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { argumentLists } from './chunks.ts'
import { PATHS_AT_ONCE } from './inode.ts'
import { ENTER, walk } from './walk.ts'

/** Maximum length, in bytes, of a file to digest that another account may have made and for which no size is expected. */
export const READ_AT_MOST = 1_048_576

/** Maximum length, in bytes, of a text in a directory of another account. */
const TEXT_AT_MOST = 65_536

/** Maximum number of names that are read from a directory: from one that another account can write to, and from one that only root can. */
const MAX_NAMES = 1000
const MAX_OWN_NAMES = 10_000

/** Stands for the entries above the limit. No entry has this name. */
export const MORE = '/'

/** The first names in a directory for a message: `a, b, c and 2 more`. */
export const namesText = (names: readonly string[]): string => {
  const known = names.filter((name) => name !== MORE)
  if (known.length === names.length) return firstNames(known)
  return known.length === 0 ? `more than ${MAX_NAMES} entries` : `${known.slice(0, 3).join(', ')} and many more`
}

/**
 * Routines: `open_file` opens a regular file that has at most a number of bytes, and `copy` reads no more than that. In a directory of
 * another account they do not wait for a named pipe, read an endless sparse file, or accept a hard link to a file of a third account.
 */
export const OPEN_FILE = `
sub open_file {
  my ($path, $at_most, $links) = @_;
  my ($dir, $name) = parted($path);
  enter($dir) or return;
  my @s = lstat $name or return;
  if (S_ISLNK($s[2])) {
    return if $other ne '' || $s[4] != 0 || $links > 20;
    my $to = readlink $name;
    return open_file($to =~ m{^/} ? $to : "$at/$to", $at_most, $links + 1);
  }
  return unless S_ISREG($s[2]);
  sysopen(my $h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return;
  @s = stat $h;
  return if !S_ISREG($s[2]) || $s[7] > $at_most || ($other ne '' && $s[3] > 1 && $s[4] != $other_uid);
  return $h;
}
sub copy {
  my ($from, $to, $left) = @_;
  while ($left > 0) { my $n = sysread $from, my $part, $left < 65536 ? $left : 65536; last unless $n; $left -= $n; syswrite $to, $part }
}
`

/**
 * Program that reads below directories of other accounts. Arguments: a question, the directory with the lists `others.*` of places where
 * root is not alone, the expected sizes (`digests`), and the paths.
 * Questions: `held` prints paths behind a link of another account (`held`) or in a directory of another account (`others`), `guarded` paths
 * that another account can replace, `names` the entries of
 * directories, `digests` the output of `sha256sum -z`, `texts` that of `grep -HZ ''`.
 */
export const READ_OTHERS = String.raw`${ENTER}
my ($asked, $scratch, $sizes, @paths) = @ARGV;
my @sizes = split / /, $sizes;
my %others;
for my $list (glob "$scratch/others.*") { open my $h, '<', $list or next; while (<$h>) { chomp; s{^/+}{/}; s{/[.]$}{}; $others{$_} = 1 } }
sub above { my @up; my $p = $_[0]; while ($p =~ s{/[^/]*$}{}) { push @up, $p } @up }
sub is_theirs { my ($p) = @_; grep { $others{$_} } $p, above($p) }
${OPEN_FILE}
if ($asked eq 'held') {
  for my $path (@paths) {
    next unless grep { $others{$_} } above($path);
    if (enter((parted($path))[0])) { print "others\0$path\0" if $other ne '' }
    elsif ($held[2] ne 'does not exist') { print join("\0", 'held', $path, @held), "\0" }
  }
} elsif ($asked eq 'guarded') {
  for my $path (@paths) {
    next unless enter((parted($path))[0]) && $other ne '';
    print join("\0", 'held', $path, $at, $other, 'can be replaced by another account'), "\0";
  }
} elsif ($asked eq 'names') {
  for my $path (@paths) {
    my ($dir, $name) = parted($path); my ($d, $n, $list) = (undef, 0);
    my @s = enter($dir) ? lstat $name : ();
    next unless @s && S_ISDIR($s[2]);
    if (!(sysopen($d, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) && (@s = stat $d) && chdir $d && opendir $list, '.')) {
      # The account has replaced it meanwhile.
      next if $other ne '';
      die "$path: $!\n";
    }
    note_others(@s);
    my $most = $other eq '' ? ${MAX_OWN_NAMES} : ${MAX_NAMES};
    while (defined(my $one = readdir $list)) { next if $one =~ /^[.]{1,2}\z/; if ($n++ == $most) { print "$path\0${MORE}\0"; last } print "$path\0$one\0" }
  }
} elsif ($asked eq 'texts') {
  for my $path (@paths) {
    my $h;
    if (is_theirs($path)) { $h = open_file($path, ${TEXT_AT_MOST}, 0) } elsif (-f $path) { open $h, '<', $path }
    next unless $h;
    my $text = is_theirs($path) ? do { sysread $h, my $some, ${TEXT_AT_MOST}; $some // '' } : do { local $/; <$h> // '' };
    my @lines = split /\n/, $text, -1;
    pop @lines if @lines && $lines[-1] eq '';
    print "$path\0$_\n" for @lines;
  }
} else {
  my (@plain, @theirs);
  for my $i (0 .. $#paths) { if (is_theirs($paths[$i])) { push @theirs, $i } elsif (-f $paths[$i]) { push @plain, $paths[$i] } }
  # Its status is 1 if a path is no file any more.
  if (@plain) { system 'sha256sum', '-z', '--', @plain; die "sha256sum: status $?\n" if $? && $? != 256 }
  exit unless @theirs;
  # One sha256sum for all of them: it reads two pipes by turns, and none of these files by its name.
  require POSIX;
  my @pipes = ("$scratch/pipe.0", "$scratch/pipe.1");
  unlink @pipes; POSIX::mkfifo($_, 0600) or die for @pipes;
  # Without a reader, a pipe would be waited for without end.
  my $busy = 1; $SIG{CHLD} = sub { die "sha256sum ended early\n" if $busy };
  my $child = fork // die;
  if (!$child) { open STDOUT, '>', "$scratch/sums" or die; exec 'sha256sum', '-z', '--', map { $pipes[$_ % 2] } 0 .. $#theirs }
  my @read;
  for my $n (0 .. $#theirs) {
    my $i = $theirs[$n]; my $at_most = $sizes[$i] || ${READ_AT_MOST};
    my $h = open_file($paths[$i], $at_most, 0);
    open my $pipe, '>', $pipes[$n % 2] or die;
    copy($h, $pipe, $at_most) if $h;
    $busy = 0 if $n == $#theirs;
    close $pipe;
    push @read, $h ? $paths[$i] : undef;
  }
  waitpid $child, 0; die "sha256sum: status $?\n" if $?;
  local $/ = "\0"; open my $sums, '<', "$scratch/sums" or die;
  for my $path (@read) { my $line = <$sums> // last; print substr($line, 0, 64), "  $path\0" if defined $path }
}
`

/** Files to read for a diff, and how many bytes of each. */
export interface Excerpts {
  readonly paths: readonly string[]
  readonly bytes: number
}

/** Returns a script that prints the beginning of each file that every account may read: path, length, bytes. */
export const excerptScript = ({ paths, bytes }: Excerpts): Script => (paths.length === 0 ? sh`` : walk(EXCERPTS, String(bytes), ...paths))

const EXCERPTS = String.raw`${OPEN_FILE}
my ($bytes, @paths) = @ARGV;
for my $path (@paths) {
  my $h = open_file($path, 9e15, 0) or next;
  my @s = stat $h;
  next unless $s[2] & 04;
  my $text = ''; my $n;
  do { $n = sysread $h, $text, $bytes - length $text, length $text } while $n && length $text < $bytes;
  print "$path\0", length $text, "\0$text";
}
`

/** Reads the output of `excerptScript`, up to the first incomplete part. */
export const readExcerpts = (stdout: Buffer): ReadonlyMap<string, Buffer> => {
  const found = new Map<string, Buffer>()
  for (let at = 0; at < stdout.length; ) {
    const [end, start] = [stdout.indexOf(0, at), stdout.indexOf(0, stdout.indexOf(0, at) + 1) + 1]
    const length = Number(stdout.subarray(end + 1, start - 1).toString())
    if (end < 0 || start === 0 || !Number.isSafeInteger(length) || length < 0 || start + length > stdout.length) break
    found.set(stdout.subarray(at, end).toString(), stdout.subarray(start, start + length))
    at = start + length
  }
  return found
}

/**
 * Prints the entries of those paths that are directories, up to a limit, and `MORE` if a directory has more. No process starts if none of
 * them is a directory. It uses `$reader` of `path-queries`, and enters a directory of another account by its descriptor.
 */
export const namesScript = (paths: readonly string[]): Script => sh`${argumentLists(paths, PATHS_AT_ONCE).map(
  (some) => sh`set -- ${some}
for p do shift; [ ! -d "$p" ] || [ -L "$p" ] || set -- "$@" "$p"; done
[ "$#" = 0 ] || perl -e "$reader" -- names "$T" '' "$@"
`,
)}printf 'end\\0'
`

/** Returns the names by directory, with `MORE` if there are others. Leaves out empty directories and other paths. Throws for an incomplete answer. */
export const readNames = (stdout: string): ReadonlyMap<string, readonly string[]> => {
  const fields = stdout.split('\0')
  if (fields.pop() !== '' || fields.pop() !== 'end' || fields.length % 2 !== 0) throw new Error('the host did not list all directories')
  const names = new Map<string, string[]>()
  for (let i = 0; i < fields.length; i += 2) {
    const [directory = '', name = ''] = fields.slice(i, i + 2)
    const known = names.get(directory)
    if (known === undefined) names.set(directory, [name])
    else known.push(name)
  }
  return names
}
