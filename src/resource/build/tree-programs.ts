import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { TREE } from '../fetched/manifest.ts'
import { RELEASES } from './observe.ts'
import type { BuildSpec } from './spec.ts'

/** Perl: prints the name of a complete and unchanged release with this identity: the live one if it has it, or the newest. */
export const FIND_RELEASE = `${TREE}${RELEASES}
my ($root, $identity, $live) = @ARGV;
reach($root);
my @found = map { $_->[0] } grep { $_->[1] eq $identity } releases_of();
for my $name (sort { ($b eq $live) <=> ($a eq $live) || $b cmp $a } @found) {
  my @state = tree_state("$root/releases/$name/app", "$root/releases/$name/manifest", '');
  if ($state[0] eq 'tree' && $state[2] == 0) { print $name; last }
}
`

/** Copies the source into `releases/$name/app`, with the permissions of the account of the build. */
export const COPY = ({ user, source }: BuildSpec): Script => sh`mkdir -m 755 "releases/$name/app"
chown -- ${`${user}:`} "releases/$name/app"
as_builder() { setpriv --reuid=${user} --regid="$(id -g -- ${user})" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"; }
( as_builder tar -C ${source.path} --exclude=./.git -cf - . || : >"releases/$name/failed" ) </dev/null | as_builder tar -C "$PWD/releases/$name/app" --no-same-owner -xf -
[ ! -e "releases/$name/failed" ] || exit 1`

/**
 * Perl: gives the release to root and writes its manifest. The account of the build no longer runs a program. Files are changed by descriptor,
 * so no link is followed. Entries of other types than file, directory and link are refused, and files with a second name outside.
 */
export const RECORD = `${TREE}
my ($root, $name, $identity, $user) = @ARGV;
my $path = "$root/releases/$name/app";
my $uid = uid_of($user);
my (@listed, %links);
sub take {
  my ($shown, $entry, @s) = @_;
  $s[4] == $uid || $s[4] == 0 or fail("$shown belongs to " . account($s[4]));
  if (S_ISLNK($s[2])) {
    # fchownat(2), because perl has no function for the owner of a link.
    my $call = call_of(x86_64 => 260, aarch64 => 54);
    (defined $call ? syscall($call, -100, "$entry", 0, 0, 0x100) : system('chown', '-h', '--', '0:0', "./$entry")) == 0
      or fail("$shown: its owner cannot be changed");
    return 0;
  }
  S_ISREG($s[2]) || S_ISDIR($s[2]) or fail("$shown is neither a file nor a directory nor a link");
  my $mode = S_ISDIR($s[2]) ? 0755 : $s[2] & 0100 ? 0755 : 0644;
  $links{"$s[0] $s[1]"} //= [$s[3], $shown] if S_ISREG($s[2]) && $s[3] > 1;
  $links{"$s[0] $s[1]"}[0]-- if S_ISREG($s[2]) && $s[3] > 1;
  sysopen(my $h, $entry, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or fail("$shown: $!");
  (chown(0, 0, $h) == 1 && chmod($mode, $h) == 1) or fail("$shown: $!");
  return S_ISDIR($s[2]);
}
reach($path);
my @top = stat '.';
take($path, '.', @top);
walk_tree(sub { my ($shown, $entry, @s) = @_; return take($shown, $entry, @s) }, '', 0) or fail("$path has too many entries, or is nested too deep");
for (values %links) { fail("$_->[1] has a name outside of the release") if $_->[0] != 0 }
reach($path);
walk_tree(sub { my ($shown, $entry, @s) = @_; push @listed, $shown, describe_exactly($entry, @s); return 1 }, '', 0);
reach("$root/releases/$name");
my $h;
open($h, '>', 'manifest.new') && print({$h} map { "$_\\0" } $identity, @listed) && $h->flush && $h->sync && close $h or fail("manifest: $!");
rename 'manifest.new', 'manifest' or fail("manifest: $!");
`
