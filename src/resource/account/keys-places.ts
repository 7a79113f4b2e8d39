/**
 * Perl routine that returns the files of keys which sshd reads for a user, as the patterns of AuthorizedKeysFile. Unless a `Match` block sets
 * them, the first setting is that of every user, and no program starts. Otherwise sshd itself reports which blocks name the user. Dies with
 * the message of sshd if its configuration is invalid.
 */
export const KEYS_PLACES = String.raw`
my ($general, $conditional);
sub read_settings {
  my ($file, $within, $depth) = @_;
  my $h;
  return unless $depth < 16 && -f $file && open $h, '<', $file;
  while (my $line = <$h>) {
    my ($keyword, $value) = $line =~ /^\s*([A-Za-z]+)[\s=]+(.*?)\s*$/ or next;
    $keyword = lc $keyword;
    if ($keyword eq 'match') { $within = 1 }
    elsif ($keyword eq 'include') { read_settings($_, $within, $depth + 1) for map { glob(m{^/} ? $_ : "/etc/ssh/$_") } words_of($value) }
    elsif ($keyword eq 'authorizedkeysfile') { if ($within) { $conditional = 1 } else { $general //= [words_of($value)] } }
  }
}
sub words_of { my ($text) = @_; $text =~ s/(^|\s)#.*//; my @w; push @w, $1 // $2 while $text =~ /"([^"]*)"|([^\s"]+)/g; return @w }
sub keys_places {
  my ($user, $client) = @_;
  read_settings('/etc/ssh/sshd_config', 0, 0) unless $general || $conditional;
  $general //= ['.ssh/authorized_keys', '.ssh/authorized_keys2'];
  return @$general unless $conditional;
  my $child = open(my $said, '-|') // die "no program can be started: $!";
  if (!$child) {
    open STDERR, '>&', \*STDOUT;
    exec 'sshd', '-T', '-C', "user=$user,host=localhost,addr=$client,laddr=127.0.0.1,lport=22" or do { print "$!"; exit 127 };
  }
  my $text = do { local $/; <$said> // '' };
  close $said or die 'sshd -T: ' . substr($text, 0, 1000);
  return $text =~ /^authorizedkeysfile (.*)$/m ? words_of($1) : ();
}
# Undefined for "none".
sub path_of {
  my ($pattern, $one) = @_;
  return undef if $pattern eq 'none' || $one->{uid} < 0;
  my %for = ('%' => '%', h => $one->{home}, u => $one->{name}, U => $one->{uid});
  $pattern =~ s/%(.)/$for{$1} \/\/ "%$1"/ge;
  return $pattern =~ m{^\/} ? $pattern : "$one->{home}/$pattern";
}
# The part of a path below the home directory; undefined elsewhere, where root works itself.
sub below_home { my ($path, $one) = @_; my $home = "$one->{home}/"; index($path, $home) == 0 && substr($path, length $home) !~ m{(^|/)[.][.](/|$)} ? substr($path, length $home) : undef }
`
