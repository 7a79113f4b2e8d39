import { NAMED } from './manifest.ts'

/** Exit status: the new version has a path of others too. Nothing was changed. */
export const CLASH = 74

/** Exit status: the new version is in place, and entries of others are still in the staging directory. */
export const CLASH_AFTER = 75

/**
 * Perl routines, after `COMPARE_TREE`: they move what others made in a tree into its next version. All work is by descriptor, because the
 * owner of a tree can replace every name in it at any time, also in the former one, where programs can have their working directory.
 */
export const CARRY = String.raw`
my ($mode, $store, @clashes, %former, %wanted) = ('check');
my %renames = (x86_64 => 316, aarch64 => 276);
# renameat2(2); 1: replaces nothing, 2: exchanges. Undefined where the host or the file system has no such call.
sub rename_by {
  my ($how, $from, $to) = @_;
  my $call = call_of(%renames) or return undef;
  return 1 if syscall($call, -100, "$from", -100, "$to", $how) == 0;
  return $!{ENOSYS} || $!{EINVAL} || $!{EPERM} ? undef : 0;
}
sub rename_new {
  my ($from, $to) = @_;
  my $is_done = rename_by(1, $from, $to);
  return $is_done if defined $is_done;
  if (lstat $to) { $! = Errno::EEXIST(); return 0 }
  return rename $from, $to;
}
# A name in an open directory. The kernel leads to its inode, so nobody can replace the way.
sub in_open { my ($d, $name) = @_; return '/proc/self/fd/' . fileno($d) . "/$name" }
sub open_directory { my ($name) = @_; my $d; return sysopen($d, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) ? $d : undef }
sub clash { push @clashes, "$_[0] $_[1]" if @clashes < ${NAMED} }
# Type, size, time and target, without mode and owner.
sub content_of { my ($type, undef, undef, undef, $rest) = split / /, $_[0], 5; return "$type $rest" }
# What happens to an entry. There: what the new version has at its path, '' for nothing, 'd' for a directory.
sub fate {
  my ($path, $is, $there) = @_;
  my ($was, $is_dir) = ($former{$path}, scalar $is =~ /^d /);
  my $is_ours = defined $was && content_of($was) eq content_of($is);
  return 'entered' if $is_dir && ($is_ours || $there eq 'd' || (defined $was && $there ne ''));
  return 'dropped' if !$is_dir && ($is_ours || (defined $was && defined $wanted{$path}));
  return $there eq '' ? 'moved' : 'clashes';
}
# The directory of the new version for one of the former version: a handle, or what is there instead.
sub target {
  my ($place, $is_made) = @_;
  return $place->{to} if ref $place->{to};
  my $above = target($place->{above}, $is_made);
  return $above unless ref $above;
  my $path = in_open($above, $place->{name});
  my $d = open_directory($path);
  if (!$d && $!{ENOENT}) { return '' unless $is_made; $d = make_directory($path, @{$place->{was}}) }
  return $d ? $place->{to} = $d : 'other';
}
# It is complete before an account can reach it.
sub make_directory {
  my ($path, @was) = @_;
  my $made = in_open($store, 'made');
  rmdir $made;
  mkdir $made, 0700 or return undef;
  my $d = open_directory($made) or return undef;
  chown(@was[4, 5], $d) && chmod($was[2] & 07777, $d) or return undef;
  return rename_new($made, $path) ? $d : undef;
}
sub there {
  my ($place, $path, $name) = @_;
  if ($mode eq 'check') {
    return 'other' if $place->{is_blocked};
    return !defined $wanted{$path} ? '' : $wanted{$path} =~ /^d / ? 'd' : 'other';
  }
  my $to = target($place, 0);
  return $to unless ref $to;
  my @s = lstat in_open($to, $name) or return '';
  return S_ISDIR($s[2]) ? 'd' : 'other';
}
# Whether accounts could read in the new directory what they cannot read in this one. It can be another one than the archive brought: its
# owner can move directories of others to its name.
sub opens_more {
  my ($place, $to) = @_;
  my ($path, @was) = ($place->{path}, @{$place->{was}});
  return 0 if $path eq '' || ($former{$path} // '') eq sprintf('d %o %d %d 0 0', $was[2] & 07777, @was[4, 5]);
  my (undef, $bits, @owners) = split / /, $wanted{$path} // '';
  my ($mode, $uid, $gid) = ref $to ? (stat $to)[2, 4, 5] : defined $bits ? (oct $bits, @owners) : return 0;
  my $others = $was[2] & 05;
  return 1 if $uid != 0 && $uid != $was[4] && $mode >> 6 & 05 & ~$others;
  return 1 if $mode >> 3 & 05 & ~($gid == $was[5] ? $was[2] >> 3 : $others);
  return $mode & 05 & ~$others;
}
sub move {
  my ($place, $path, $name) = @_;
  my $to = $mode eq 'check' ? '' : target($place, 1);
  return clash($path, 'has no directory in the new version') unless ref $to || $mode eq 'check';
  return clash($path, 'could be read by more accounts in the new version, where its directory (owner: ' . account($place->{was}[4]) . ') has another mode or owner')
    if opens_more($place, $to);
  return if $mode eq 'check' || rename_new($name, in_open($to, $name)) || $!{ENOENT};
  clash($path, $!{EEXIST} ? 'is in the new version too' : "cannot be moved: $!");
}
# The working directory is one of the former version. 'check' only compares, 'carry' moves, 'clear' deletes what the archive brought.
sub visit {
  my ($place, $depth) = @_;
  my ($here, @names);
  opendir($here, '.') or fail("a directory cannot be read: $!");
  while (defined(my $name = readdir $here)) { push @names, $name unless $name eq '.' || $name eq '..' }
  for my $name (sort @names) {
    my $path = $place->{path} eq '' ? $name : "$place->{path}/$name";
    my @s = lstat $name or next;
    my $there = there($place, $path, $name);
    my $fate = fate($path, describe_like($former{$path} // '', $name, @s), $there);
    if ($fate eq 'entered') {
      $depth < $depth_at_most or fail("$path is nested too deep");
      my $d = open_directory($name) or next;
      chdir $d or fail("a directory cannot be entered: $!");
      visit({ path => $path, name => $name, above => $place, was => [stat $d], is_blocked => $place->{is_blocked} || $there eq 'other' }, $depth + 1);
      chdir $here or fail("a directory cannot be entered: $!");
      rmdir $name if $mode eq 'clear';
    } elsif ($fate eq 'dropped') {
      unlink $name if $mode eq 'clear';
    } elsif ($mode ne 'clear') {
      $fate eq 'moved' ? move($place, $path, $name) : clash($path, 'is in the new version too');
    }
  }
}
sub visit_all { ($mode, my $from, my $to) = @_; @clashes = (); chdir $from or fail("a directory cannot be entered: $!"); visit({ path => '', to => $to, was => [stat $from] }, 0) }
# Writes a file at once and for good.
sub write_words {
  my ($file, @words) = @_;
  my $h;
  open($h, '>', "$file.tmp") && print({$h} map { "$_\0" } @words) && $h->flush && $h->sync && close $h && rename "$file.tmp", $file or fail("$file: $!");
  to_disk((parted($file))[0]);
}
# The mark is there while the staging directory can hold what others made: the inode of the former tree, and its manifest.
sub mark_former {
  my ($path, $manifest, $ino) = @_;
  my ($head, @listed) = read_manifest($manifest);
  %former = @listed;
  (undef, %wanted) = read_manifest("$manifest.new");
  my $d = open_directory((parted($path))[1]) or fail("$path cannot be entered: $!");
  visit_all('check', $d);
  fail(join("\n", @clashes), ${CLASH}) if @clashes;
  write_words("$manifest.former", $ino, defined $head ? ($head, 'head') : (), @listed);
}
sub carry_all {
  my ($path, $name, $beside, $old) = @_;
  my ($live, $from) = (open_directory($name), open_directory("$beside/$old"));
  $store = open_directory($beside);
  $live && $from && $store or fail("$path cannot be entered: $!", ${CLASH_AFTER});
  for (1 .. 5) {
    visit_all('carry', $from, $live);
    fail(join("\n", @clashes, "the former version is $at/$beside/$old"), ${CLASH_AFTER}) if @clashes;
    chdir $store && system('sync', '-f', '.') == 0 or fail("$path was not written to the disk", ${CLASH_AFTER});
    visit_all('clear', $from, $live);
    chdir $store && rmdir $old and return;
  }
  fail("a program still writes into the former version, $at/$beside/$old", ${CLASH_AFTER});
}
# Finishes what was interrupted, or goes back to the former version if the new one did not take its place.
sub settle {
  my ($path, $manifest, $staging) = @_;
  my $mark = "$manifest.former";
  lstat $mark or return;
  my ($ino, $head, undef, @listed) = read_manifest($mark) or fail("$mark is damaged");
  my ($parent, $name) = parted($path);
  my ($beside) = $staging =~ m{([^/]+)\z};
  reach($parent);
  my @live = lstat $name;
  my ($old) = grep { my @s = lstat "$beside/$_"; @s && S_ISDIR($s[2]) && "$s[1]" eq $ino } 'tree', 'former';
  if (!@live && defined $old) {
    rename "$beside/$old", $name or fail("$path: $!");
    to_disk('.');
    @live = lstat $name;
  }
  if (@live && "$live[1]" eq $ino) {
    defined $head ? write_words($manifest, $head, @listed) : unlink $manifest;
  } elsif (defined $old) {
    S_ISDIR($live[2]) or fail("$path is no directory any more, and what others made in it is in $staging/$old");
    %former = @listed;
    (undef, %wanted) = read_manifest($manifest);
    carry_all($path, $name, $beside, $old);
  } elsif (grep { lstat "$beside/$_" } 'tree', 'former') {
    fail("$staging can hold what others made in $path; move it away, then delete $mark");
  }
  unlink $mark;
  to_disk((parted($mark))[0]);
}
# A mount would stay with the former version, and its content would be deleted with it.
sub refuse_mounts {
  my ($real) = @_;
  open(my $h, '<', '/proc/self/mountinfo') or return;
  while (<$h>) {
    my $mount = (split / /)[4];
    $mount =~ s/\\([0-7]{3})/chr oct $1/ge;
    fail("$mount is a mount point; mount it outside, and let a link lead there") if index("$mount/", "$real/") == 0;
  }
}
`
