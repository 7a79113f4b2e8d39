import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { chunks, records } from '../kind/chunks.ts'
import { sha256Hex } from '../kind/content.ts'
import { wholeNumber } from '../kind/number.ts'
import { parentOf } from '../kind/path.ts'
import { CHANGED, walk } from '../kind/walk.ts'

/** Directory of manifests: what provision put into a tree, so that the observation sees drift without reading content. */
export const MANIFESTS = '/var/lib/provision/trees'

/** The manifest of the tree at a path. */
export const manifestOf = (path: string): string => `${MANIFESTS}/${sha256Hex(path).slice(0, 16)}.list`

/** The directory beside a tree in which its next version is prepared. Root alone can enter it. */
export const stagingOf = (path: string): string =>
  `${parentOf(path) === '/' ? '' : parentOf(path)}/.${sha256Hex(path).slice(0, 16)}.provision-tree`

/** The mark of a tree whose files are being replaced one by one. */
export const busyOf = (path: string): string => `${manifestOf(path)}.busy`

/** The mark of a tree whose former version can hold what others made, while the next one takes its place. */
export const formerOf = (path: string): string => `${manifestOf(path)}.former`

/** Number of entries that a plan names. */
export const NAMED = 5

/**
 * Perl routines, after those of `walk`. A manifest has NUL-terminated words: its head, then path and description of each entry. `walk_tree`
 * visits the entries below the working directory by descriptor. `compare_tree` returns the number of entries that differ from a manifest, a
 * checksum of their present descriptions, the number of those that are not listed, and the first names. It stops where a tree has many more
 * entries than its manifest.
 */
export const TREE = String.raw`
my $depth_at_most = 100;
sub describe {
  my ($name, @s) = @_;
  my $type = S_ISREG($s[2]) ? 'f' : S_ISDIR($s[2]) ? 'd' : S_ISLNK($s[2]) ? 'l' : 'special';
  my @content = $type eq 'f' ? @s[7, 9] : $type eq 'l' ? (0, 0, readlink($name) // '') : (0, 0);
  return sprintf('%s %o %d %d', $type, $s[2] & 07777, @s[4, 5]) . join ' ', '', @content;
}
sub call_of { my %calls = @_; require Config; no warnings 'once'; return $calls{(split /-/, $Config::Config{archname})[0]} }
# The time of a file with nanoseconds, by statx(2): perl-base has no Time::HiRes. Elsewhere the time has whole seconds.
my %stats = (x86_64 => 332, aarch64 => 291);
sub describe_exactly {
  my ($name, @s) = @_;
  my $is = describe($name, @s);
  my $call = $is =~ /^f / ? call_of(%stats) : undef;
  my $buffer = "\0" x 256;
  return $is unless defined $call && syscall($call, -100, "$name", 0x100, 0x40, $buffer) == 0;
  my $time = sprintf '%d.%09d', unpack 'x112 q L', $buffer;
  return $is =~ s/-?\d+\z/$time/r;
}
# As precisely as another description: a manifest can have whole seconds.
sub describe_like { my ($like, @entry) = @_; return $like =~ /^f .* -?\d+\z/ ? describe(@entry) : describe_exactly(@entry) }
# Calls $visit->(path, name, lstat) for each entry, in order of names; the entries of a directory follow it if $visit returns true.
sub walk_tree {
  my ($visit, $prefix, $depth) = @_;
  my ($here, @names);
  opendir($here, '.') or return 0;
  while (defined(my $name = readdir $here)) { push @names, $name unless $name eq '.' || $name eq '..'; return 0 if @names > 1_000_000 }
  for my $name (sort @names) {
    my @s = lstat $name or next;
    $visit->("$prefix$name", $name, @s) or next;
    next unless S_ISDIR($s[2]);
    return 0 if $depth >= $depth_at_most;
    my $d;
    sysopen($d, $name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK) && chdir $d or next;
    my $is_whole = walk_tree($visit, "$prefix$name/", $depth + 1);
    chdir $here or fail("a directory cannot be entered: $!");
    return 0 unless $is_whole;
  }
  return 1;
}
sub read_manifest {
  my ($path) = @_;
  local $/ = "\0";
  sysopen(my $h, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return;
  my ($head, @words) = <$h>;
  return if !defined $head || @words % 2 || grep { !/\0\z/ } $head, @words;
  chomp($head, @words);
  return ($head, @words);
}
# The working directory is the tree. With $only_listed, other entries do not count.
sub compare_tree {
  my ($only_listed, %listed) = @_;
  my ($count, $sum, $unlisted, @first, @others) = (0, 0, 0);
  my $left = keys(%listed) + 1000;
  my $differs = sub {
    my ($path, $is, $is_unlisted) = @_;
    my $names = $is_unlisted ? \@others : \@first;
    $count++;
    $unlisted++ if $is_unlisted;
    push @$names, $path if @$names < ${NAMED};
    for (unpack 'C*', "$path\0$is") { $sum = ($sum * 31 + $_) % 4294967291 }
  };
  my $is_whole = walk_tree(sub {
    my ($path, $name, @s) = @_;
    my $wanted = delete $listed{$path};
    return 0 if $only_listed && !defined $wanted;
    my $is = describe_like($wanted // '', $name, @s);
    if (!defined $wanted) {
      $differs->($path, $is, 1);
      return --$left > 0 && $count < 1000;
    }
    $differs->($path, $is) if $is ne $wanted;
    return 1;
  }, '', 0);
  $differs->('…', 'incomplete') unless $is_whole;
  $differs->($_, 'missing') for sort keys %listed;
  return ($count, $sum, $unlisted, @first[0 .. ${NAMED - 1}], @others[0 .. ${NAMED - 1}]);
}
# Where an exchange was interrupted before it took place, the manifest is that of the next version, and the mark has that of this one.
sub manifest_of {
  my ($manifest, $ino) = @_;
  my ($former, $head, undef, @listed) = read_manifest("$manifest.former");
  return read_manifest($manifest) unless defined $former && $former eq $ino;
  return defined $head ? ($head, @listed) : ();
}
# Type, head, numbers and names, as in TreeState.
sub tree_state {
  my ($path, $manifest, $only_listed) = @_;
  my ($parent, $name) = parted($path);
  my @s = enter($parent) ? lstat $name : ();
  my ($head, %listed) = manifest_of($manifest, @s ? $s[1] : '');
  return ('absent', $head // '', 0, 0, 0) unless @s;
  return ('foreign', '', 1, 0, 0) unless S_ISDIR($s[2]) && enter($path);
  if (!defined $head) { opendir(my $d, '.'); my $n = grep { !/^[.]{1,2}\z/ } readdir $d; return ('foreign', '', $n, 0, 0) }
  return ('tree', $head, compare_tree($only_listed, %listed));
}
`

/** Number of fields that `treesScript` prints for a tree. */
export const TREE_FIELDS = 6 + 2 * NAMED

/** A tree on a host, compared with its manifest. */
export interface TreeState {
  /** `foreign`: something that provision did not make, or whose manifest is lost. */
  readonly is: 'absent' | 'foreign' | 'tree'
  /** First word of the manifest: what the tree was made from. Empty without a manifest. */
  readonly head: string
  /** Number of entries that differ from the manifest; of a foreign directory, the number of its entries. */
  readonly differing: number
  /** Checksum of the differing entries, so that a later change of them is noticed. */
  readonly sum: string
  /** The first listed entries that differ. */
  readonly names: readonly string[]
  /** Number of differing entries that the manifest does not list: others made them. Not counted with `onlyListed`. */
  readonly unlisted: number
  /** The first of them. */
  readonly unlistedNames: readonly string[]
}

/** The first entries that differ, for messages. */
export const differingNames = ({ names, unlistedNames }: TreeState): readonly string[] => [...names, ...unlistedNames].slice(0, NAMED)

/** A tree to observe. `onlyListed`: entries that the manifest does not list are the work of others. */
export interface ObservedTree {
  readonly path: string
  readonly onlyListed: boolean
}

const AT_ONCE = 500

/** Prints the state of each tree: one program for all. */
export const treesScript = (trees: readonly ObservedTree[]): Script =>
  trees.length === 0 ? sh`` : sh`${chunks(trees, AT_ONCE).map((some) => sh`${walk(OBSERVE, ...some.flatMap(wordsOf))}\n`)}`

const wordsOf = ({ path, onlyListed }: ObservedTree): readonly string[] => [path, manifestOf(path), onlyListed ? '1' : '']

const OBSERVE = `${TREE}
while (my ($path, $manifest, $only_listed) = splice @ARGV, 0, 3) {
  my @state = tree_state($path, $manifest, $only_listed);
  $#state = ${TREE_FIELDS - 2};
  print map { ($_ // '') . "\\0" } $path, @state;
}
`

/** Reads the states that `treesScript` printed, by path. */
export const readTrees = (stdout: Buffer): ReadonlyMap<string, TreeState> => new Map(records(stdout, TREE_FIELDS).map(readTree))

/** Reads the fields of one tree: its path and its state. */
export const readTree = (fields: readonly string[]): readonly [string, TreeState] => {
  const [path = '', is = '', head = '', differing = '', sum = '', unlisted = '', ...names] = fields
  if (is !== 'absent' && is !== 'foreign' && is !== 'tree') throw new Error(`the host reported the tree ${path} as ${is}`)
  return [
    path,
    {
      is,
      head,
      differing: wholeNumber(differing, `the number of entries in ${path}`),
      sum,
      names: names.slice(0, NAMED).filter((name) => name !== ''),
      unlisted: wholeNumber(unlisted, `the number of entries in ${path}`),
      unlistedNames: names.slice(NAMED).filter((name) => name !== ''),
    },
  ]
}

/** The state as a word that `COMPARE_TREE` compares again. */
export const treeWord = ({ is, head, differing, sum }: TreeState): string => [is, head, differing, sum].join(' ')

/**
 * Perl: ends the program with `CHANGED` unless a tree is as it was observed. An empty directory counts as absent: a resource of the same run
 * may have made it.
 */
export const COMPARE_TREE = `${TREE}
sub require_tree {
  my ($path, $manifest, $only_listed, $observed) = @_;
  my @state = tree_state($path, $manifest, $only_listed);
  return if $observed =~ /^absent / && $state[0] eq 'foreign' && $state[2] == 0;
  join(' ', @state[0 .. 3]) eq $observed or fail("$path is not as it was observed", ${CHANGED});
}
`
