import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, type Steps } from '../kind/step.ts'
import { walk } from '../kind/walk.ts'
import { credentialsOf, environmentOf, GIT, secretOf, storeSecret } from './git-command.ts'
import type { GitSpec, GitState } from './git-spec.ts'
import { busyOf, COMPARE_TREE, MANIFESTS, manifestOf, treeWord } from './manifest.ts'

type GitWork = Work<GitSpec, GitState>

/** Exit status of a checkout with local changes. */
const LOCAL_CHANGES = 73

/** One request per checkout. */
export function* applyGit(work: readonly GitWork[]): Steps {
  const done: string[] = []
  for (const one of work) {
    const { id, spec, state } = one
    refuseUnreached(id, state.inode, done)
    const answer = yield {
      do: 'shell',
      script: checkoutScript(one),
      input: Buffer.from(secretOf(spec)),
      doing: `checking out ${spec.repository}`,
      withinMs: spec.withinMinutes * 60_000,
    }
    const what = `${id} not checked out`
    if (answer.code === LOCAL_CHANGES)
      throw new HostRefusal(
        what,
        `files changed on the host: ${outputExcerpt(answer.stderr)}`,
        'commit the changes elsewhere and undo them on the host, or set discard: true',
        {
          ...{ done, culprit: id },
        },
      )
    requireBatch(answer, [one], { what: () => what, before: done, fix: 'fix the problem that git reports, then run again' })
    done.push(id)
  }
}

/**
 * Root compares and keeps the records; all work in the directory is done with the rights of its owner. The mark `busy` is there while
 * files are replaced, so that the next run does not take the work of an interrupted one for local changes.
 */
const checkoutScript = ({ id, spec, state }: GitWork): Script => {
  const { resolved } = state
  const commit = spec.commit ?? (resolved !== undefined && 'commit' in resolved ? resolved.commit : '')
  const isForced = state.busy || (spec.discard && state.tree.is !== 'absent')
  const asOwner = sh`setpriv --reuid=${spec.user} --regid="$(id -g -- ${spec.user})" --init-groups --no-new-privs env -i PATH="$PATH" ${environmentOf(spec)} sh -c`
  const words = [id, spec.repository, spec.depth, isForced ? 'forced' : '', state.busy ? 'busy' : '']
  const fetch = `${functionsOf(spec)}${FETCH}`
  const checkOut = `${functionsOf(spec)}${CHECK_OUT}`
  return sh`set -u; umask 077
mkdir -p -m 700 ${MANIFESTS} || exit
${walk(PREPARE, id, manifestOf(id), treeWord(state.tree), spec.user, isForced ? 'forced' : '')} || exit
${storeSecret(spec.user)}
commit=${commit}
[ "$commit" ] || commit=$(${asOwner} ${`${functionsOf(spec)}${RESOLVE}`} sh ${spec.repository} ${spec.ref}) || exit
${asOwner} ${fetch} sh "$commit" ${words} >&2 </dev/null || exit
: >${busyOf(id)} && sync ${busyOf(id)} ${MANIFESTS} || exit
${asOwner} ${checkOut} sh "$commit" ${words} >&2 </dev/null || exit
${asOwner} ${`${functionsOf(spec)}${LIST}`} sh ${id} </dev/null | head -c ${MAX_LIST_BYTES} >${`${manifestOf(id)}.files`}
${walk(RECORD, id, manifestOf(id), `${manifestOf(id)}.files`, spec.origin)} "$commit" || exit
rm -f ${busyOf(id)} ${`${manifestOf(id)}.files`}
sync ${MANIFESTS}`
}

/** Limit of the list of tracked files, in bytes. */
const MAX_LIST_BYTES = 67_108_864

/** POSIX sh, run as the owner: `g` is git with its options. */
const functionsOf = (spec: GitSpec): string => `umask 022
g() { ${sh`${[...GIT, ...credentialsOf(spec)]}`} "$@"; }
`

const RESOLVE = `
g ls-remote -- "$1" "refs/heads/$2" "refs/tags/$2^{}" "refs/tags/$2" | { commit=; at=9
while read -r sum name; do
  case $name in refs/heads/*) n=1 ;; *'^{}') n=2 ;; *) n=3 ;; esac
  [ "$n" -ge "$at" ] || { commit=$sum at=$n; }
done
[ "$commit" ] || { echo "the repository has no branch or tag $2" >&2; exit 1; }
echo "$commit"; }
`

/** Arguments: commit, path, repository, depth, whether to overwrite local changes, whether an earlier run was interrupted. */
const FETCH = String.raw`
commit=$1 repository=$3 depth=$4 forced=$5 busy=$6
cd -P -- "$2" || exit
[ -e .git ] || g init -q --template= . || exit
[ -z "$busy" ] || rm -f .git/index.lock .git/HEAD.lock .git/config.lock .git/shallow.lock
if [ -z "$forced" ]; then
  changed=$(g status --porcelain --untracked-files=no --ignore-submodules=all) || exit
  [ -z "$changed" ] || { printf '%s\n' "$changed" | head -n 20 >&2; exit ${LOCAL_CHANGES}; }
fi
g cat-file -e "$commit^{commit}" 2>/dev/null && exit
[ "$depth" = 0 ] && set -- || set -- --depth="$depth"
# A server may give out only the commits of its branches and tags.
g fetch -q --no-tags --no-recurse-submodules "$@" -- "$repository" "$commit" ||
  g fetch -q --no-recurse-submodules -- "$repository" '+refs/heads/*:refs/remotes/origin/*' '+refs/tags/*:refs/tags/*' || exit
g cat-file -e "$commit^{commit}"
`

const CHECK_OUT = `
cd -P -- "$2" || exit
[ -z "$5" ] && set -- "$1" "$3" || set -- "$1" "$3" --force
commit=$1 repository=$2; shift 2
g checkout -q --detach "$@" "$commit" -- || exit
[ "$(g config remote.origin.url)" = "$repository" ] || g config remote.origin.url "$repository" || exit
sync -f .
`

// No path is a slash: it shows that the list is complete.
const LIST = String.raw`cd -P -- "$1" && g ls-files -z && printf '/\0'`

/**
 * Compares the directory with what was observed. Other resources of the run may have made a directory without a manifest, and files in it:
 * git overwrites none of them unless it is forced.
 */
const PREPARE = `${COMPARE_TREE}
my ($path, $manifest, $observed, $user, $is_forced) = @ARGV;
$current = $path;
my @now = tree_state($path, $manifest, 1);
require_tree($path, $manifest, 1, $observed) unless !$is_forced && $observed !~ /^tree / && $now[0] ne 'tree';
reach($path);
my @s = stat '.';
$s[4] == uid_of($user) or fail("$path belongs to " . account($s[4]) . ", and git works there with the rights of $user");
`

/** Writes the manifest: the tracked files, the directories above them, and the files of git that another checkout changes. */
const RECORD = String.raw`${COMPARE_TREE}
my ($path, $manifest, $files, $origin, $commit) = @ARGV;
$current = $path;
my %tracked = map { $_ => 1 } '.git', '.git/HEAD', '.git/config';
{ local $/ = "\0"; open(my $h, '<', $files) or fail("$files: $!");
  while (defined(my $name = <$h>)) { chomp $name; $tracked{$name} = 1; $tracked{$name} = 1 while $name =~ s{/[^/]*\z}{} && !$tracked{$name} } }
delete $tracked{'/'} or fail('git did not list all tracked files');
my @listed;
reach($path);
walk_tree(sub { my ($name, $last, @s) = @_; push @listed, $name, describe($last, @s) if $tracked{$name}; return $tracked{$name} }, '', 0)
  or fail("$path has too many entries in a directory, or is nested too deep");
my $h;
open($h, '>', "$manifest.new") && print({$h} map { "$_\0" } "$commit $origin", @listed) && $h->flush && $h->sync && close $h or fail("$manifest: $!");
rename "$manifest.new", $manifest or fail("$manifest: $!");
done($path);
`
