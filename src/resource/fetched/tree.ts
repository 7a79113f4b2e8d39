import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { type InodeState, inodeWord } from '../kind/inode.ts'
import { parentOf } from '../kind/path.ts'
import { guardObserved, walk } from '../kind/walk.ts'
import { FETCH_DIRECTORY } from './fetch.ts'
import { COMPARE_TREE, MANIFESTS, manifestOf, stagingOf, type TreeState, treeWord } from './manifest.ts'

/** A tree as it was observed. */
export interface PresentTree {
  readonly path: string
  readonly inode: InodeState
  readonly tree: TreeState
}

/** Compares the directory with what was observed, and makes a staging directory that only root can enter: `$staging`. */
export const prepareScript = ({ path, inode }: PresentTree): Script => sh`set -u; umask 077
${guardObserved([parentOf(path)], [{ path, inode: inodeWord(inode) }])}
mkdir -p -m 700 ${MANIFESTS} || exit
work=${FETCH_DIRECTORY} staging=${stagingOf(path)} manifest=${manifestOf(path)}
trap 'rm -rf "$work" "$staging"; rm -f "$manifest.new"' EXIT
rm -rf "$staging" && mkdir "$staging" && chgrp 0 "$staging" && chmod 00700 "$staging" && mkdir "$staging/tree" || exit`

/** Deletes a tree and its manifest. */
export const removeTreeScript = (present: PresentTree): Script => sh`${prepareScript(present)}\n${replaceScript(present, false)}`

/** Exchanges the present directory with `$staging/tree`, whose manifest is `$manifest.new`; or deletes it. */
export const replaceScript = ({ path, tree }: PresentTree, isWanted: boolean): Script => sh`
${walk(REPLACE, path, manifestOf(path), stagingOf(path), treeWord(tree), isWanted ? 'present' : '')} || exit
rm -rf "$staging"
sync ${parentOf(path)}`

/**
 * The manifest comes first: after an interruption the tree differs from it, so the next run unpacks again. Directories are exchanged by one
 * call (renameat2(2)) where the file system can, by two renames elsewhere.
 */
const REPLACE = `${COMPARE_TREE}
my ($path, $manifest, $staging, $observed, $is_wanted) = @ARGV;
$current = $path;
my ($parent, $name) = parted($path);
my ($new) = $staging =~ m{([^/]+)$};
my %calls = (x86_64 => 316, aarch64 => 276);
sub exchange {
  my ($one, $other_one) = @_;
  require Config;
  no warnings 'once';
  my $call = $calls{(split /-/, $Config::Config{archname})[0]} or return 0;
  return syscall($call, -100, $one, -100, $other_one, 2) == 0;
}
require_tree($path, $manifest, '', $observed);
if ($is_wanted) {
  reach((parted($manifest))[0]);
  rename "$manifest.new", $manifest or fail("$manifest: $!");
  to_disk('.');
}
reach($parent);
if (!$is_wanted) {
  rename $name, "$new/former" or $!{ENOENT} or fail("$path: $!");
  to_disk('.');
  unlink $manifest;
} elsif (!lstat $name) {
  rename "$new/tree", $name or fail("$path: $!");
} elsif (!exchange("$new/tree", $name)) {
  rename $name, "$new/former" or fail("$path: $!");
  if (!rename "$new/tree", $name) { my $why = $!; rename "$new/former", $name; fail("$path: $why") }
}
to_disk('.');
done($path);
`
