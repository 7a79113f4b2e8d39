/**
 * Program that reads files which other accounts may replace. It follows a link only if root alone can have made it, opens only regular
 * files, and limits how much it reads of files that others can write, and for how long.
 */
export const READER = String.raw`#!/usr/bin/perl
# Written by provision.
use strict;
use warnings;
use Fcntl qw(:DEFAULT :mode);

# Limits for files that others can write: bytes in total, and seconds in total.
my ($bytes, $end) = (1 << 30, time + 60);

# Opens a file. Returns its handle, whether root alone can write and replace it, and its size; or one word that names the fault.
# With is_link, returns the target of a link.
sub reach {
  my ($path, $is_link) = @_;
  return 'changed' if $path !~ m{^/} || $path =~ m{(^|/)\.\.?(/|$)};
  my ($links, $safe) = (0, 1);
  my @names = split m{/+}, substr $path, 1;
  enter('/') or return 'missing';
  while (defined(my $name = shift @names)) {
    next if $name eq '' || $name eq '.';
    $safe &&= is_safe(stat '.');
    my @there = lstat $name or return 'missing';
    if (S_ISLNK($there[2])) {
      return readlink $name if $is_link && !@names;
      return 'changed' if !$safe || $links++ > 20;
      my $to = readlink $name;
      return 'missing' if !defined $to;
      enter('/') or return 'missing' if $to =~ m{^/};
      unshift @names, split m{/+}, $to;
    } elsif (@names) {
      return 'missing' if !S_ISDIR($there[2]);
      enter($name) or return 'missing';
    } else {
      return 'changed' if !S_ISREG($there[2]);
      sysopen(my $file, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY) or return 'missing';
      my @opened = stat $file;
      return S_ISREG($opened[2]) ? ($file, $safe && is_safe(@opened), $opened[7]) : 'changed';
    }
  }
  return 'changed';
}
sub enter {
  sysopen(my $directory, $_[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) or return 0;
  return chdir $directory;
}
sub is_safe { @_ && $_[4] == 0 && !($_[2] & 022) }

# Returns the first bytes of an open file.
sub text_of {
  my ($file, $most) = @_;
  my $text = '';
  while (length($text) < $most) { last unless sysread $file, $text, $most - length $text, length $text }
  return $text;
}

# Compares a file with its digest. Files of root alone are collected and compared together.
my @batch;
sub compare {
  my ($sum, $path, $name) = @_;
  $name //= $path;
  my ($file, $safe, $size) = reach($path);
  return print "$file\t$name\n" if !ref $file;
  if ($safe) {
    push @batch, [$file, $sum, $name];
    flush_batch() if @batch == 200;
    return;
  }
  return print "too large to be read\t$name\n" if $size > $bytes || time > $end;
  $bytes -= $size;
  print "changed\t$name\n" if digest_of($file, $size) ne $sum;
}
sub flush_batch {
  my %of = map { fileno($_->[0]) => $_ } @batch;
  my $pid = open(my $sums, '-|') // die "fork: $!";
  if ($pid == 0) {
    fcntl $_->[0], F_SETFD, 0 for @batch;
    exec 'sha256sum', map { "/proc/self/fd/$_" } sort { $a <=> $b } keys %of;
  }
  while (<$sums>) {
    my ($sum, $number) = m{^([0-9a-f]{64}) .*/(\d+)$} or next;
    my $one = delete $of{$number} or next;
    print "changed\t$one->[2]\n" if $sum ne $one->[1];
  }
  close $sums;
  print "changed\t$_->[2]\n" for values %of;
  @batch = ();
}
# Returns the digest of so many bytes, even if the file grows meanwhile.
sub digest_of {
  my ($file, $left) = @_;
  pipe my $out, my $in or die "pipe: $!";
  my $pid = open(my $sums, '-|') // die "fork: $!";
  if ($pid == 0) { close $in; open STDIN, '<&', $out; exec 'sha256sum' }
  close $out;
  local $SIG{PIPE} = 'IGNORE';
  while ($left > 0 && time <= $end) {
    my $read = sysread $file, my $piece, $left < 1 << 20 ? $left : 1 << 20 or last;
    syswrite $in, $piece or last;
    $left -= $read;
  }
  close $in;
  my $line = <$sums> // '';
  close $sums;
  return substr $line, 0, 64;
}

# Compares a release, the target of its link, with its list of digests and names. The name of the release is the digest of this list.
sub release {
  my ($root) = @_;
  my ($live) = reach("$root/current", 1);
  my ($digest) = ref $live ? () : $live =~ m{^releases/([0-9a-f]{64})$};
  return print "missing\t$root/current\n" if !defined $digest;
  my ($list, $safe, $size) = reach("$root/$live.sums");
  return print "missing\t$root/current\n" if !ref $list;
  return print "too large to be read\t$root/$live.sums\n" if !$safe && $size > 4 << 20;
  return print "changed\t$root/$live.sums\n" if digest_of($list, $size) ne $digest;
  sysseek $list, 0, 0;
  for (split /\n/, text_of($list, $size)) { compare($1, "$root/$live/$2", "$root/current/$2") if /^([0-9a-f]{64})  (.+)$/ }
}

my $what = shift // '';
if ($what eq 'text') {
  # The path is written as in our record.
  my ($path, $most) = @ARGV;
  my ($file) = reach(unescaped($path));
  print text_of($file, $most) if ref $file;
  exit !ref $file;
}
die "unknown: $what\n" if $what ne 'owned';
# Reads our record, and prints a word and the path of each file that is not as a run left it, then the number of files.
my (%files, %roots);
while (<STDIN>) {
  $roots{unescaped($1)} = 1 if m{^release:(/\S*)};
  # This job has a /tmp of its own.
  $files{unescaped($1)} = $2 if m{^[^ ]+:.* (/(?!(?:var/)?tmp/).*) ([0-9a-f]{64}|absent|disk)$};
}
sub unescaped { $_[0] =~ s/%([0-9A-F]{2})/chr hex $1/ger }
for my $path (sort keys %files) {
  my $sum = $files{$path};
  if (length $sum == 64) { compare($sum, $path); next }
  my ($file) = reach($path);
  my $is = ref $file ? 'there' : $file;
  print "present\t$path\n" if $sum eq 'absent' && $is ne 'missing';
  print "$is\t$path\n" if $sum eq 'disk' && $is ne 'there';
}
release($_) for sort keys %roots;
flush_batch() if @batch;
print 'watched ', scalar keys %files, "\n";
`
