/**
 * Perl routine `sessions_of UID`: first the command of a process of the account to which this run belongs, or undef, then everything that
 * the account runs, as pairs of a number and a description: its processes, what they started as root or as another account with sudo, and
 * everything in its slice. Processes with the same number in a container belong to another account.
 */
export const SESSIONS = String.raw`
sub text_of { my $h; open($h, '<', $_[0]) ? do { local $/; <$h> // '' } : '' }
sub place { my @s = stat $_[0]; @s ? "$s[0]:$s[1]" : '' }
sub sessions_of {
  my ($uid) = @_;
  my %all;
  opendir my $proc, '/proc' or die "/proc: $!\n";
  for my $pid (grep { /^\d+\z/ } readdir $proc) {
    my $status = text_of("/proc/$pid/status");
    my ($parent) = $status =~ /^PPid:\s*(\d+)/m or next;
    my ($command) = $status =~ /^Name:\s*(.*)/m;
    my ($as) = $status =~ /^Uid:\s*(\d+)/m;
    my $is_theirs = $status =~ /^Uid:.*\b$uid\b/m && place("/proc/$pid/root") eq place('/') || text_of("/proc/$pid/cgroup") =~ m{/user-$uid[.]slice};
    my $said = "$command ($pid" . ($as == $uid ? ')' : ', as ' . account($as) . ')');
    $all{$pid} = { parent => $parent, command => $command, said => $said, theirs => $is_theirs && $status !~ /^State:\s*Z/m };
  }
  my %ours; for (my $pid = $$; $pid; $pid = $all{$pid}{parent} // 0) { $ours{$pid} = 1 }
  my ($own) = grep { $all{$_}{theirs} } keys %ours;
  for (my $more = 1; $more;) {
    $more = 0;
    for (values %all) { my $above = $all{$_->{parent}}; if (!$_->{theirs} && $above && $above->{theirs}) { $_->{theirs} = $more = 1 } }
  }
  return (defined $own ? $all{$own}{command} : undef, map { [$_, $all{$_}{said}] } grep { $all{$_}{theirs} && !$ours{$_} } sort { $a <=> $b } keys %all);
}
`

/** Perl program that ends everything an account runs, before the account is deleted. Prints what remains and fails. */
export const END_SESSIONS = `${SESSIONS}
my ($name) = @ARGV;
my @account = getpwnam $name or exit 0;
my @left;
for my $turn (0 .. 50) {
  (my $own, @left) = sessions_of($account[2]);
  fail("this run is a part of a session of $name ($own)") if defined $own;
  @left or exit 0;
  kill $turn < 10 ? 'TERM' : 'KILL', map { $_->[0] } @left if $turn % 10 == 0 || $turn > 10;
  select undef, undef, undef, 0.1;
}
fail("$name still runs " . join ', ', map { $_->[1] } @left);
`
