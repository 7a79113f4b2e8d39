import { TREE } from './manifest.ts'

/**
 * Returns a regular expression for a path: `*` matches within a name, `**` across directories.
 * @param letter - how the language begins a character by its number: `x` in Perl, `u` in JavaScript
 */
export const globExpression = (glob: string, letter: 'x' | 'u'): string =>
  glob
    .split(/(\*\*\/|\*\*|\*)/)
    .map((part) => WILDCARDS[part] ?? part.replace(/[^A-Za-z0-9_/]/gu, (c) => `\\${letter}{${(c.codePointAt(0) ?? 0).toString(16)}}`))
    .join('')

/** Returns a Perl pattern for a path and all below it. */
export const patternOf = (glob: string): string => globExpression(glob, 'x')

const WILDCARDS: Readonly<Record<string, string>> = { '**/': '(?:.*/)?', '**': '.*', '*': '[^/]*' }

/**
 * Perl program: checks an unpacked tree, which only root can enter, and writes its manifest. It removes what is not included, refuses special
 * files, links that leave the tree, hard links to other files and rights to become another account, and sets owner and mode.
 */
export const CHECK_UNPACKED = String.raw`${TREE}
use POSIX ();
my ($path, $tree, $list, $head, $owner, $group, $umask, $bytes_at_most, $include, $exclude) = @ARGV;
$current = $path;
my ($uid, $gid, $mask) = (uid_of($owner), gid_of($group), oct $umask);
utf8::decode($_) for $include, $exclude;
sub is_in { my ($name, $pattern) = @_; utf8::decode($name); return $pattern ne '' && $name =~ m{^(?:$pattern)(?:/|\z)}s }
sub is_wanted { my ($name) = @_; return !is_in($name, $exclude) && ($include eq '' || is_in($name, $include)) }
sub refuse { my ($name, $why) = @_; $name =~ s/[^ -~]/?/g; fail("$name in the archive $why") }
my @surplus;
if ("$include$exclude" ne '') {
  reach($tree);
  walk_tree(sub {
    my ($name, $last, @s) = @_;
    return 1 if is_wanted($name) && !S_ISDIR($s[2]);
    S_ISDIR($s[2]) ? is_wanted($name) || push @surplus, $name : unlink $last or fail("$name: $!");
    return 1;
  }, '', 0);
  reach($tree);
  # A directory stays if something in it does.
  rmdir $_ for reverse @surplus;
}
my (%links, @listed);
my $bytes = 0;
sub check_link {
  my ($name, $target) = @_;
  my $depth = () = $name =~ m{/}g;
  my ($up, $rest) = $target =~ m{^((?:\.\./)*(?:\.\.\z)?)(.*)\z}s;
  my $steps = () = $up =~ m{\.\.}g;
  refuse($name, "is a link to $target, which leaves the directory") if $target =~ m{^/} || $rest =~ m{(?:^|/)\.\.(?:/|\z)} || $steps > $depth;
}
sub check_entry {
  my ($name, $last, @s) = @_;
  refuse($name, 'is neither a file, a directory nor a link') unless S_ISREG($s[2]) || S_ISDIR($s[2]) || S_ISLNK($s[2]);
  refuse($name, 'would run with the rights of its owner or group') if !S_ISLNK($s[2]) && $s[2] & 06000;
  check_link($name, readlink $last) if S_ISLNK($s[2]);
  if (S_ISREG($s[2])) {
    $links{"$s[0] $s[1]"} //= [$s[3], $name];
    $links{"$s[0] $s[1]"}[0]--;
    $bytes += $s[7];
    fail("the unpacked content is larger than $bytes_at_most bytes") if $bytes > $bytes_at_most;
  }
  POSIX::lchown($uid, $gid, $last) or fail("$name: $!");
  my $mode = S_ISDIR($s[2]) || $s[2] & 0100 ? 0777 : 0666;
  S_ISLNK($s[2]) || chmod $mode & ~$mask, $last or fail("$name: $!");
  push @listed, $name, describe_exactly($last, lstat $last);
  return 1;
}
reach($tree);
walk_tree(\&check_entry, '', 0) or fail('the archive has too many entries in a directory, or is nested too deep');
for (values %links) { refuse($_->[1], 'is a hard link to a file elsewhere') if $_->[0] != 0 }
fail('nothing to unpack: the archive has no entry that strip, include and exclude leave') unless @listed;
reach($tree);
chown($uid, $gid, '.') && chmod(0777 & ~$mask, '.') or fail("$tree: $!");
my $h;
open($h, '>', $list) && print({$h} map { "$_\0" } $head, @listed) && $h->flush && $h->sync && close $h or fail("$list: $!");
`
