/**
 * Perl program, run without rights: prints the content of a zip archive as a tar archive. A bare host has no unzip, and its Perl no zlib: one
 * gzip unpacks all entries, each with the header and the checksum of a member of its own. Refuses encrypted and 64-bit archives (APPNOTE.TXT
 * of PKWARE, 4.3).
 */
export const ZIP_TO_TAR = String.raw`
use strict; use warnings; use POSIX ();
my ($path) = @ARGV;
sub stop { print STDERR "$_[0]\n"; exit 1 }
open(my $zip, '<:raw', $path) or stop("the archive cannot be read: $!");
my $size = -s $zip;
sub bytes_at {
  my ($at, $count) = @_;
  stop('the archive is damaged') if $at + $count > $size;
  my $bytes = '';
  seek $zip, $at, 0;
  (read($zip, $bytes, $count) // -1) == $count or stop('the archive is damaged');
  return $bytes;
}
my $tail = $size > 65557 ? 65557 : $size;
my $last = bytes_at($size - $tail, $tail);
my $end = rindex $last, "PK\5\6";
stop('the file is no zip archive') if $end < 0 || length($last) - $end < 22;
my ($count, $length, $start) = unpack 'x10 v V V', substr $last, $end;
stop('zip archives of more than 4 GiB or 65535 entries are not supported') if $count == 0xffff || $start == 0xffffffff;
my $directory = bytes_at($start, $length);
my (@entries, $at);
$at = 0;
for (1 .. $count) {
  stop('the archive is damaged') if $at + 46 > $length || substr($directory, $at, 4) ne "PK\1\2";
  my ($made, $flags, $method, $time, $date, $crc, $packed, $whole, $name, $extra, $comment, $rights, $offset) =
    unpack 'x4 v x2 v v v v V V V v v v x4 V V', substr $directory, $at, 46;
  my %entry = (name => substr($directory, $at + 46, $name), method => $method, crc => $crc, packed => $packed, whole => $whole);
  stop('the archive is encrypted') if $flags & 1;
  stop("the archive uses compression method $method, which is not supported") if $method != 0 && $method != 8;
  stop('a name in the archive is invalid') if $entry{name} eq '' || $entry{name} =~ /\0/ || length $entry{name} > 4096;
  my ($names, $extras) = unpack 'x26 v v', bytes_at($offset, 30);
  $entry{at} = $offset + 30 + $names + $extras;
  $entry{mode} = $made >> 8 == 3 ? $rights >> 16 : 0;
  $entry{time} = POSIX::mktime(($time & 31) * 2, $time >> 5 & 63, $time >> 11, $date & 31, ($date >> 5 & 15) - 1, ($date >> 9) + 80) // 0;
  push @entries, { %entry };
  $at += 46 + $name + $extra + $comment;
}
# The children: one sends the packed content of all entries to gzip, whose output this program reads.
pipe(my $from_gzip, my $gzip_out) && pipe(my $gzip_in, my $to_gzip) or stop("no pipe: $!");
my $gzip = fork // stop("no program can be started: $!");
if (!$gzip) { close $to_gzip; close $from_gzip; open STDIN, '<&', $gzip_in; open STDOUT, '>&', $gzip_out; exec 'gzip', '-dc'; exit 127 }
my $writer = fork // stop("no program can be started: $!");
if (!$writer) {
  close $_ for $gzip_in, $gzip_out, $from_gzip;
  binmode $to_gzip;
  for my $one (@entries) {
    print $to_gzip "\x1f\x8b\x08\0\0\0\0\0\0\xff";
    my ($from, $left) = ($one->{at}, $one->{packed});
    # Content that is not packed goes in blocks that gzip only copies (RFC 1951, 3.2.4).
    print $to_gzip pack('C v v', 1, 0, 0xffff) if $one->{method} == 0 && $left == 0;
    while ($left > 0) {
      my $part = $left < 65535 ? $left : 65535;
      $left -= $part;
      print $to_gzip pack('C v v', $left == 0, $part, 0xffff - $part) if $one->{method} == 0;
      print $to_gzip bytes_at($from, $part);
      $from += $part;
    }
    print $to_gzip pack('V V', $one->{crc}, $one->{whole});
  }
  close $to_gzip;
  POSIX::_exit(0);
}
close $_ for $gzip_in, $gzip_out, $to_gzip;
binmode $_ for $from_gzip, *STDOUT;
sub content {
  my ($left, $use) = @_;
  while ($left > 0) {
    my $n = read $from_gzip, my $part, $left < 65536 ? $left : 65536;
    stop('the content of the archive is damaged') unless $n;
    $use->($part);
    $left -= $n;
  }
}
sub header {
  my ($name, $type, $mode, $length, $time, $target) = @_;
  my $block = pack 'a100 a8 a8 a8 a12 a12 A8 a1 a100 a8', $name, sprintf('%07o', $mode), '0000000', '0000000', sprintf('%011o', $length),
    sprintf('%011o', $time < 0 ? 0 : $time), '', $type, $target, "ustar  ";
  $block .= "\0" x (512 - length $block);
  substr($block, 148, 8) = sprintf "%06o\0 ", unpack '%32C*', $block;
  print $block;
}
sub padded { my ($length) = @_; print "\0" x (-$length % 512) }
sub named {
  my ($name, @rest) = @_;
  my $target = $rest[4];
  for (['K', $target], ['L', $name]) {
    my ($type, $text) = @$_;
    next if length $text <= 100;
    header('././@LongLink', $type, 0644, length($text) + 1, 0, '');
    print "$text\0"; padded(length($text) + 1);
  }
  header(substr($name, 0, 100), @rest[0 .. 3], substr $target, 0, 100);
}
for my $one (@entries) {
  my ($name, $mode) = @$one{'name', 'mode'};
  my $is_link = ($mode & 0170000) == 0120000;
  my $target = '';
  if ($name =~ m{/\z}) { content($one->{whole}, sub { }); named($name, 5, ($mode || 0755) & 07777, 0, $one->{time}, '') }
  elsif ($is_link) {
    stop('a link in the archive is too long') if $one->{whole} > 4096;
    content($one->{whole}, sub { $target .= $_[0] });
    named($name, 2, 0777, 0, $one->{time}, $target);
  } else {
    named($name, 0, ($mode || 0644) & 07777, $one->{whole}, $one->{time}, '');
    content($one->{whole}, sub { print $_[0] });
    padded($one->{whole});
  }
}
print "\0" x 1024;
close STDOUT or exit 1;
waitpid $gzip, 0;
stop('the content of the archive is damaged') if $?;
`
