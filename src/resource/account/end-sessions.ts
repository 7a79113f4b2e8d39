/**
 * Perl program that ends everything an account runs, before the account is deleted: its processes, what they started as root with sudo, and
 * everything in its slice. Processes with the same number in a container belong to another account. Prints what remains and fails.
 */
export const END_SESSIONS = String.raw`
my ($name) = @ARGV;
my @account = getpwnam $name or exit 0;
my $uid = $account[2];
sub text_of { my $h; open($h, '<', $_[0]) ? do { local $/; <$h> // '' } : '' }
sub place { my @s = stat $_[0]; @s ? "$s[0]:$s[1]" : '' }
sub processes {
  my %all;
  opendir my $proc, '/proc' or fail("/proc: $!");
  for my $pid (grep { /^\d+\z/ } readdir $proc) {
    my $status = text_of("/proc/$pid/status");
    my ($parent) = $status =~ /^PPid:\s*(\d+)/m or next;
    my ($command) = $status =~ /^Name:\s*(.*)/m;
    my $is_theirs = $status =~ /^Uid:.*\b$uid\b/m && place("/proc/$pid/root") eq place('/') || text_of("/proc/$pid/cgroup") =~ m{/user-$uid[.]slice};
    $all{$pid} = { parent => $parent, command => $command, theirs => $is_theirs && $status !~ /^State:\s*Z/m };
  }
  return \%all;
}
sub victims {
  my $all = processes();
  my %ours; for (my $pid = $$; $pid; $pid = $all->{$pid}{parent} // 0) { $ours{$pid} = 1 }
  my ($own) = grep { $all->{$_}{theirs} } keys %ours;
  fail("this run is a part of a session of $name ($all->{$own}{command})") if defined $own;
  for (my $more = 1; $more;) {
    $more = 0;
    for (values %$all) { my $above = $all->{$_->{parent}}; if (!$_->{theirs} && $above && $above->{theirs}) { $_->{theirs} = $more = 1 } }
  }
  return map { [$_, $all->{$_}{command}] } grep { $all->{$_}{theirs} && !$ours{$_} } sort { $a <=> $b } keys %$all;
}
my @left;
for my $turn (0 .. 50) {
  @left = victims() or exit 0;
  kill $turn < 10 ? 'TERM' : 'KILL', map { $_->[0] } @left if $turn % 10 == 0 || $turn > 10;
  select undef, undef, undef, 0.1;
}
fail("$name still runs " . join ', ', map { "$_->[1] ($_->[0])" } @left);
`
