import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { type InodeState, inodeWord } from '../kind/inode.ts'
import { parentOf } from '../kind/path.ts'
import { guardObserved, walk } from '../kind/walk.ts'
import { CARRY } from './carry.ts'
import { FETCH_DIRECTORY } from './fetch.ts'
import { COMPARE_TREE, MANIFESTS, manifestOf, stagingOf, type TreeState, treeWord } from './manifest.ts'

/** A tree as it was observed. */
export interface PresentTree {
  readonly path: string
  readonly inode: InodeState
  readonly tree: TreeState
  /** Entries of others go into the next version, and were not observed. Otherwise they are deleted. */
  readonly keepsOthers: boolean
}

/**
 * Compares the directory with what was observed, finishes what an earlier run left, and makes a staging directory that only root can enter:
 * `$staging`. It deletes the one of an earlier run only if nothing of others can be in it.
 */
export const prepareScript = ({ path, inode, tree, keepsOthers }: PresentTree): Script => sh`set -u; umask 077
${guardObserved([parentOf(path)], [{ path, inode: inodeWord(inode) }])}
mkdir -p -m 700 ${MANIFESTS} || exit
work=${FETCH_DIRECTORY} staging=${stagingOf(path)} manifest=${manifestOf(path)} observed=${treeWord(tree)}
trap 'rm -rf "$work"; [ -e "$manifest.former" ] || rm -rf "$staging"; rm -f "$manifest.new"' EXIT
[ ! -e "$manifest.former" ] || observed=$(${walk(SETTLE, path, manifestOf(path), stagingOf(path), keepsOthers ? 'kept' : '')} "$observed") ||
  { status=$?; printf 'culprit\\0%s\\0' ${path}; exit "$status"; }
rm -rf "$staging" && mkdir "$staging" && chgrp 0 "$staging" && chmod 00700 "$staging" && mkdir "$staging/tree" || exit`

/** Deletes a tree in which others have nothing, and its manifest. */
export const removeTreeScript = (present: Omit<PresentTree, 'keepsOthers'>): Script => {
  const whole = { ...present, keepsOthers: false }
  return sh`${prepareScript(whole)}\n${replaceScript(whole, false)}`
}

/** Exchanges the present directory with `$staging/tree`, whose manifest is `$manifest.new`; or deletes it. */
export const replaceScript = ({ path, keepsOthers }: PresentTree, isWanted: boolean): Script => sh`
${walk(REPLACE, path, manifestOf(path), stagingOf(path), isWanted ? 'present' : '', keepsOthers ? 'kept' : '')} "$observed" || exit
rm -rf "$staging"
sync ${parentOf(path)}`

/** Prints the state with which the tree is compared from now on. What this adds to a tree counts as a change where others may have nothing in it. */
const SETTLE = `${COMPARE_TREE}${CARRY}
my ($path, $manifest, $staging, $is_kept, $observed) = @ARGV;
$current = $path;
require_tree($path, $manifest, $is_kept, $observed);
settle($path, $manifest, $staging);
print $is_kept ? join ' ', (tree_state($path, $manifest, $is_kept))[0 .. 3] : $observed;
`

/**
 * The manifest comes first: after an interruption the tree differs from it, so the next run unpacks again. Directories are exchanged by one
 * call where the file system can, by two renames elsewhere.
 */
const REPLACE = `${COMPARE_TREE}${CARRY}
my ($path, $manifest, $staging, $is_wanted, $is_kept, $observed) = @ARGV;
$current = $path;
my ($parent, $name) = parted($path);
my ($new) = $staging =~ m{([^/]+)$};
require_tree($path, $manifest, $is_kept, $observed);
reach($parent);
refuse_mounts("$at/$name");
my @live = lstat $name;
my $is_carried = $is_wanted && $is_kept && @live;
mark_former($path, $manifest, $live[1]) if $is_carried;
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
} elsif (!rename_by(2, "$new/tree", $name)) {
  rename $name, "$new/former" or fail("$path: $!");
  if (!rename "$new/tree", $name) { my $why = $!; rename "$new/former", $name; fail("$path: $why") }
}
to_disk('.');
settle($path, $manifest, $staging) if $is_carried;
done($path);
`
