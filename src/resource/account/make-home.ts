import { UNSAFE } from '../kind/walk.ts'

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
