import { TREE } from '../fetched/manifest.ts'
import { refuseUnreached } from '../kind/inode.ts'
import type { Work } from '../kind/kind.ts'
import { requireBatch } from '../kind/one-by-one.ts'
import type { Steps } from '../kind/step.ts'
import { CHANGED, walk } from '../kind/walk.ts'
import type { ContentsSpec, ContentsState, Entry } from './spec.ts'

type Deletion = Work<ContentsSpec, ContentsState> & { readonly surplus: readonly Entry[] }

/** Deletes entries in their order, in one request. All are compared with what was observed before the first is deleted; one that is gone counts as deleted. */
export function* deleteEntries(work: readonly Deletion[]): Steps {
  for (const { id, state } of work) refuseUnreached(id, state.inode)
  const count = work.reduce((sum, { surplus }) => sum + surplus.length, 0)
  const answer = yield {
    do: 'shell',
    script: walk(DELETE),
    input: Buffer.from(work.map(wordsOf).join('')),
    doing: `deleting ${count === 1 ? '1 entry' : `${count} entries`}`,
  }
  requireBatch(answer, work, { what: (id) => `${id ?? 'trees'} not changed` })
}

const wordsOf = ({ id, surplus }: Deletion): string =>
  [id, surplus.length, ...surplus.flatMap(({ path, description }) => [path, description])].map((word) => `${word}\0`).join('')

const DELETE = String.raw`${TREE}
sub word { local $/ = "\0"; my $w = <STDIN> // fail('the input was truncated'); chomp $w; $w }
my @all;
until (eof STDIN) {
  my ($root, $count) = (word(), word());
  push @all, [$root, map { [word(), word()] } 1 .. $count];
}
# Returns whether the entry is there, in the working directory.
sub find_entry {
  my ($root, $path, $observed) = @_;
  my ($dir, $name) = parted("$root/$path");
  if (!enter($dir)) { return 0 if $held[2] eq 'does not exist'; reach($dir) }
  my @s = lstat $name or return 0;
  describe($name, @s) eq $observed or fail("$root/$path is not as it was observed" . owned($name), ${CHANGED});
  return 1;
}
for (@all) { my ($root, @entries) = @$_; $current = $root; find_entry($root, @$_) for @entries }
for (@all) {
  my ($root, @entries) = @$_;
  my %seen;
  $current = $root;
  for (@entries) {
    my ($path, $observed) = @$_;
    find_entry($root, $path, $observed) or next;
    my ($dir, $name) = parted("$root/$path");
    ($observed =~ /^d / ? rmdir $name : unlink $name)
      or fail("$root/$path cannot be deleted: $!" . owned($name), $!{ENOTEMPTY} ? ${CHANGED} : 1);
    $seen{$dir} = 1;
  }
  for my $dir (sort keys %seen) { to_disk('.') if enter($dir) }
  done($root);
}
`
