/**
 * Perl routine `is_of_package`: whether a name of the working directory is as a package left it, by the database of dpkg.
 *
 * - dpkg lists the path, diversions considered, and a regular file has the MD5 sum of the package, as a conffile or in its `md5sums`. Where
 *   dpkg has the sum of a path, only a regular file is the package's; where it has none, the type is unknown and counts.
 * - ucf(1) has registered the file with this sum; update-alternatives(1), deb-systemd-helper(1p) or a2ensite(8) the link, to a file of a
 *   package.
 * - A maintainer script names the path, and it is a directory, a link to a file of a package, or a copy of one; or tmpfiles.d(5) names the
 *   directory.
 *
 * With `$is_change`, something else was there before: only a regular file with a known sum counts. One process, for the sum.
 */
export const PACKAGED = String.raw`
my $dpkg = '/var/lib/dpkg';
sub text_of { my ($file) = @_; local $/; open(my $h, '<', $file) or return ''; return <$h> // '' }
# dpkg may list /lib/x where /lib is a link to /usr/lib.
sub listed_as { my ($path) = @_; return $path =~ m{^/usr(/(?:s?bin|lib[^/]*)/.*)$}s ? ($path, $1) : ($path) }
sub names_line { my ($file, $line) = @_; return index("\n" . text_of($file), "\n$line\n") >= 0 }
# The files that list a path, each with the name by which its package knows it.
sub lists_of {
  my ($path) = @_;
  my @asked = map { [$_, '', ''] } listed_as($path);
  my @diverted = split /\n/, text_of("$dpkg/diversions");
  while (my ($from, $to, $by) = splice @diverted, 0, 3) {
    for (@asked) { $_->[1] = $by if $_->[0] eq $from }
    push @asked, [$from, '', $by] if grep { $_ eq $to } listed_as($path);
  }
  my @lists;
  for my $list (glob "$dpkg/info/*.list") {
    my ($package) = $list =~ m{/([^/:]+)[^/]*[.]list$};
    for (@asked) {
      my ($known, $only, $except) = @$_;
      next if ($only ne '' && $only ne $package) || $except eq $package;
      push @lists, [$list, $known] if names_line($list, $known);
    }
  }
  return @lists;
}
sub sums_of {
  my ($list, $known) = @_;
  my @sums = text_of("$dpkg/status") =~ /^ \Q$known\E ([0-9a-f]{32})(?: obsolete)?$/mg;
  my $sums = text_of($list =~ s/list$/md5sums/r);
  my $relative = substr $known, 1;
  push @sums, $sums =~ /^([0-9a-f]{32})  \Q$relative\E$/mg;
  return $sums, @sums;
}
sub md5_of {
  my ($name) = @_;
  my $h;
  return '' unless $other eq '' && sysopen($h, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) && S_ISREG((stat $h)[2]);
  my $child = open(my $sum, '-|') // fail("no program can be started: $!");
  if (!$child) { open STDIN, '<&', $h; exec 'md5sum' }
  return substr(<$sum> // '', 0, 32);
}
sub has_sum {
  my ($name, @sums) = @_;
  return 0 unless @sums;
  my $now = md5_of($name);
  return grep { $_ eq $now } @sums;
}
sub is_copy {
  my ($name) = @_;
  my $now = md5_of($name);
  return $now ne '' && grep { index("\n" . text_of($_), "\n$now  ") >= 0 } glob "$dpkg/info/*.md5sums";
}
sub joined {
  my ($directory, $to) = @_;
  my @parts;
  for (split m{/+}, $to =~ m{^/} ? $to : "$directory/$to") { if ($_ eq '..') { pop @parts } elsif ($_ ne '' && $_ ne '.') { push @parts, $_ } }
  return '/' . join '/', @parts;
}
sub names {
  my ($path, @files) = @_;
  my $named = qr{(?<![\w./-])\Q$path\E/?(?![\w./-])};
  return grep { text_of($_) =~ $named } @files;
}
sub is_registered_link {
  my ($path, $to) = @_;
  my $target = $to =~ m{^/} ? $to : ($path =~ s{[^/]*$}{}r) . $to;
  if ($path =~ m{^/etc/systemd/system/(.+)$}) {
    my $state = '/var/lib/systemd/deb-systemd-helper';
    return lstat "$state-masked/$1" if $to eq '/dev/null';
    return lstat "$state-enabled/$1" && lists_of($target);
  }
  if ($path =~ m{^/etc/apache2/(site|mod|conf)s?-enabled/([^/]+)[.](?:conf|load)$}) {
    return lstat '/var/lib/apache2/' . ($1 eq 'mod' ? 'module' : $1) . "/enabled_by_maint/$2" && lists_of(joined($at, $to));
  }
  my $is_choice = $path =~ m{^/etc/alternatives/};
  return 0 unless $is_choice ? lists_of($target) : $target =~ m{^/etc/alternatives/};
  return grep { names_line($_, $is_choice ? $target : $path) } glob "$dpkg/alternatives/*";
}
sub is_of_package {
  my ($name, $is_change) = @_;
  my $path = "$at/$name";
  my @s = lstat $name or return 0;
  my $is_file = S_ISREG($s[2]);
  for (lists_of($path)) {
    my ($sums, @sums) = sums_of(@$_);
    return 1 if @sums ? $is_file && has_sum($name, @sums) : !$is_change && (S_ISLNK($s[2]) || S_ISDIR($s[2]) || ($is_file && $sums eq ''));
  }
  return 1 if $is_file && has_sum($name, text_of('/var/lib/ucf/hashfile') =~ /^([0-9a-f]{32})  \Q$path\E$/mg);
  return 0 if $is_change;
  my @scripts = (glob("$dpkg/info/*.preinst"), glob("$dpkg/info/*.postinst"));
  return names($path, @scripts) && is_copy($name) if $is_file;
  return is_registered_link($path, readlink $name) || (names($path, @scripts) && lists_of(joined($at, readlink $name))) if S_ISLNK($s[2]);
  return S_ISDIR($s[2]) && names($path, @scripts, glob('/usr/lib/tmpfiles.d/*.conf'));
}
`
