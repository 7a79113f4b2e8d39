import { ENTER, walk } from './walk.ts'

/** Bytes that are read of a file which another account may have made, where no size is expected. */
export const READ_AT_MOST = 1_048_576

/** Bytes that are read of a small file of ours in a directory of another account. */
const TEXT_AT_MOST = 65_536

/**
 * `open_file` opens a regular file for reading, of which no more than so many bytes may be there; `copy` reads no further. What another
 * account put there is neither waited for (a named pipe) nor read without end (a sparse file), nor is a second name of somebody else's
 * file taken for the file itself.
 */
const OPEN_FILE = `
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
 * Reads below directories of other accounts, for an observation. Arguments: what is asked, the directory with the lists `others.*` of
 * places that are not root's alone, expected sizes (of `digests`) or the most names (of `names`), and the paths.
 * `held`: prints paths that lie behind a link of another account. `guarded`: those that another account can replace. `names`: prints what lies in directories. `digests`: as `sha256sum -z`. `texts`: as `grep -HZ ''`.
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
    print join("\0", 'held', $path, @held), "\0" unless enter((parted($path))[0]) || $held[2] eq 'does not exist';
  }
} elsif ($asked eq 'guarded') {
  for my $path (@paths) {
    next unless enter((parted($path))[0]) && $other ne '';
    print join("\0", 'held', $path, $at, $other, 'lies where another account can replace it'), "\0";
  }
} elsif ($asked eq 'names') {
  for my $path (@paths) {
    my ($dir, $name) = parted($path); my ($d, $n) = (undef, 0);
    next unless enter($dir) && sysopen($d, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) && chdir $d && opendir my $list, '.';
    while ($n < $sizes && defined(my $one = readdir $list)) { next if $one =~ /^[.]{1,2}\z/; print "$path\0$one\0"; $n++ }
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
  system 'sha256sum', '-z', '--', @plain if @plain;
  exit unless @theirs;
  # One sha256sum for all of them: it reads two pipes by turns, and none of these files by its name.
  require POSIX;
  my @pipes = ("$scratch/pipe.0", "$scratch/pipe.1");
  unlink @pipes; POSIX::mkfifo($_, 0600) or die for @pipes;
  my $child = fork // die;
  if (!$child) { open STDOUT, '>', "$scratch/sums" or die; exec 'sha256sum', '-z', '--', map { $pipes[$_ % 2] } 0 .. $#theirs }
  my @read;
  for my $n (0 .. $#theirs) {
    my $i = $theirs[$n]; my $at_most = $sizes[$i] || ${READ_AT_MOST};
    my $h = open_file($paths[$i], $at_most, 0);
    open my $pipe, '>', $pipes[$n % 2] or die;
    copy($h, $pipe, $at_most) if $h;
    close $pipe;
    push @read, $h ? $paths[$i] : undef;
  }
  waitpid $child, 0;
  local $/ = "\0"; open my $sums, '<', "$scratch/sums" or die;
  for my $path (@read) { my $line = <$sums> // last; print substr($line, 0, 64), "  $path\0" if defined $path }
}
`

/** How much of a file a person is shown. */
export interface Excerpts {
  readonly paths: readonly string[]
  readonly bytes: number
}

/** Prints the beginnings of files that everybody on the host may read: a path, a length and so many bytes each. */
export const excerptScript = ({ paths, bytes }: Excerpts): string => (paths.length === 0 ? '' : walk(EXCERPTS, String(bytes), ...paths))

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

/** Reads what `excerptScript` printed; nothing after a part that is torn. */
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
