import { UNSAFE } from '../kind/walk.ts'
import { SESSIONS } from './end-sessions.ts'

/** Goes to the nearest directory above a path that exists. Returns the names of those that are missing. Root alone must control it. */
const NEAREST = `
sub nearest {
  my ($dir) = @_; my @missing;
  until (enter($dir)) {
    reach($dir) if $held[2] ne 'does not exist';
    my ($above, $name) = parted($dir);
    unshift @missing, $name; $dir = $above;
  }
  fail(($at eq '' ? '/' : $at) . " can be replaced by another account (owner: $other)", ${UNSAFE}) if $other ne '';
  return @missing;
}
`

/** Perl program that ends with \`UNSAFE\` unless root alone controls the directories above a home that useradd is about to create. */
export const GUARD_HOME = `${NEAREST}nearest((parted($ARGV[0]))[0]);`

/**
 * Perl program that creates the home of an existing account if it is missing, as useradd does: a copy of /etc/skel, with the mode of
 * login.defs. It is complete before it appears at its path.
 */
export const MAKE_HOME = `${NEAREST}
my @account = getpwnam $ARGV[0] or fail("user $ARGV[0] does not exist");
my ($dir, $name) = parted($account[7]);
for (nearest($dir)) { mkdir $_, 0755 or fail("$dir: $!"); chmod 0755, $_; chdir $_ or fail("$dir: $!") }
exit 0 if lstat $name;
my %default = (UMASK => '022');
if (open my $h, '<', '/etc/login.defs') { while (<$h>) { $default{$1} = $2 if /^\\s*(HOME_MODE|UMASK)\\s+([0-7]+)/ } }
my $mode = defined $default{HOME_MODE} ? oct $default{HOME_MODE} : 0777 & ~oct $default{UMASK};
my $new = ".$name.provision-new";
system('rm', '-rf', '--', $new) == 0 && mkdir $new, 0700 or fail("$account[7]: $!");
system('cp', '-a', '--', '/etc/skel/.', $new) == 0 or fail("$account[7]: /etc/skel cannot be copied") if -d '/etc/skel';
system('chown', '-hR', '--', "$account[2]:$account[3]", $new) == 0 && chmod $mode, $new or fail("$account[7]: $!");
rename $new, $name or fail("$account[7]: $!");
to_disk('.');
`

/**
 * Perl routine `home_of_deleted NAME`: whether the account has a home, and why root does not delete it. It is empty if root alone controls the
 * directories above, and the home is a directory of the account, on the same file system, and of no other account.
 */
export const HOME_OF_DELETED = String.raw`
sub home_of_deleted {
  my ($name) = @_;
  my @p = getpwnam $name or return ('', '');
  my ($uid, $home) = @p[2, 7];
  my ($dir, $base) = parted($home);
  return ($held[2] eq 'does not exist' ? ('', '') : ('there', "$held[0] $held[2]")) if !enter($dir);
  my @s = lstat $base or return ('', '');
  return ('there', "another account can replace it (owner of the directory: $other)") if $other ne '';
  return ('there', 'it is not a directory') if !S_ISDIR($s[2]);
  return ('there', 'it belongs to ' . account($s[4])) if $s[4] != $uid;
  return ('there', 'it is a file system of its own') if $s[0] != (stat '.')[0];
  setpwent;
  while (my @one = getpwent) { return ('there', "the home of $one[0] is $one[7]") if $one[0] ne $name && "$one[7]/" =~ m{^\Q$home\E/+} }
  return ('there', '');
}
`

/** Perl program that deletes the home of an account that nobody uses, before the account is deleted: a cut leaves the account. */
export const REMOVE_HOME = `${SESSIONS}${HOME_OF_DELETED}
my ($name) = @ARGV;
my @account = getpwnam $name or exit 0;
my (undef, @left) = sessions_of($account[2]);
fail("$name still runs " . join ', ', map { $_->[1] } @left) if @left;
my ($there, $fault) = home_of_deleted($name);
exit 0 if $there eq '';
fail("$account[7]: $fault") if $fault ne '';
my (undef, $base) = parted($account[7]);
exec 'rm', '-rf', '--one-file-system', '--', $base;
`
