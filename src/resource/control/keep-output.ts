/** What a command printed last is kept, in bytes. */
const KEPT = 8192

/**
 * Perl program that runs its arguments, prints the last part of their output on its standard error, and ends with their status. Memory and
 * disk of the host never hold more. It waits for the command alone: what that has left in the background keeps running, and its output is
 * discarded. An account that controls the command can neither signal nor trace it.
 */
export const KEEP_OUTPUT = `
use POSIX ':sys_wait_h';
pipe my $r, my $w or exit 96;
defined(my $child = fork) or exit 96;
if (!$child) {
  open STDOUT, '>&', $w and open STDERR, '>&', $w or POSIX::_exit(96);
  no warnings; exec {$ARGV[0]} @ARGV or print STDERR "$ARGV[0]: $!\\n";
  POSIX::_exit(127);
}
close $w;
my ($kept, $status, $ended, $left) = ('', undef, 0, 1 << 20);
vec(my $in = '', fileno $r, 1) = 1;
while ($left > 0) {
  $status = $? if !defined $status && waitpid($child, WNOHANG) == $child;
  my $ready = select my $now = $in, undef, undef, 0.1;
  last if $ready == 0 && defined $status;
  next if $ready <= 0;
  my $got = sysread $r, my $part, 65536;
  if (defined $got && $got == 0) { $ended = 1; last }
  next unless defined $got;
  $kept .= $part;
  substr($kept, 0, -${KEPT}) = '' if length $kept > ${KEPT};
  $left -= $got if defined $status;
}
if (!defined $status) { waitpid $child, 0; $status = $? }
syswrite STDERR, $kept;
if (!$ended && defined(my $drain = fork)) {
  if (!$drain) {
    POSIX::setsid();
    $_ == fileno $r or POSIX::close($_) for 0 .. 255;
    1 while sysread $r, my $part, 65536;
    POSIX::_exit(0);
  }
}
POSIX::_exit($status & 127 ? 128 + ($status & 127) : $status >> 8);
`
