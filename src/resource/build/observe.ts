import { sh } from '../../shell/sh.ts'
import { readTree, TREE, TREE_FIELDS } from '../fetched/manifest.ts'
import { records } from '../kind/chunks.ts'
import type { KindQuery } from '../kind/kind.ts'
import { wholeNumber } from '../kind/number.ts'
import { inodeAt } from '../kind/queries.ts'
import { walk } from '../kind/walk.ts'
import type { BuildSpec, BuildState } from './spec.ts'

/** Number of fields before those of the tree. */
const OWN_FIELDS = 4

/** Compares the live release with its manifest, and lists the others. One program for all. */
export const observeBuilds = (specs: readonly BuildSpec[]): KindQuery<BuildState> => ({
  shared: {
    inodes: specs.map(({ root }) => `${root}/current`),
    guarded: specs.map(({ root }) => `${root}/current`),
  },
  script: specs.length === 0 ? sh`` : sh`${walk(OBSERVE, ...specs.flatMap(({ root, source, which }) => [root, source.manifest, which]))}\n`,
  parse: (stdout, answers) => {
    const found = records(stdout, OWN_FIELDS + TREE_FIELDS)
    if (found.length !== specs.length) throw new Error(`the host reported ${found.length} of ${specs.length} builds`)
    const trees = new Map(found.map((fields) => readTree(fields.slice(OWN_FIELDS))))
    return new Map(
      specs.flatMap((spec, i): readonly [string, BuildState][] => {
        const [head = '', unfinished = '', history = '', releases = ''] = found[i] ?? []
        const tree = trees.get(spec.root)
        if (tree === undefined) return []
        return [
          [
            spec.root,
            {
              ...{ current: inodeAt(answers, `${spec.root}/current`), head, tree },
              releases: linesOf(releases).map((line) => {
                const [name = '', identity = ''] = line.split(' ')
                return { name, identity }
              }),
              history: linesOf(history),
              unfinished: wholeNumber(unfinished, `the number of builds in ${spec.root}`),
            },
          ],
        ]
      }),
    )
  },
})

const linesOf = (text: string): readonly string[] => text.split('\n').filter((line) => line !== '')

/** Perl: bounded reads of the records in a root, which is the working directory. */
export const RELEASES = String.raw`
my $release_name = qr/^[0-9]{8}T[0-9]{6}-[0-9a-f]{12}\z/;
sub first_word {
  my ($path) = @_;
  sysopen(my $h, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return '';
  sysread $h, my $text, 256;
  return ($text // '') =~ /^([^\0]*)\0/ ? $1 : '';
}
sub history_of {
  sysopen(my $h, 'history', O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return ();
  sysread $h, my $text, 65536;
  return grep { $_ =~ $release_name } split /\n/, $text // '';
}
sub releases_of {
  opendir(my $d, 'releases') or return ();
  my @names = sort grep { $_ =~ $release_name } readdir $d;
  return map { my $identity = first_word("releases/$_/manifest"); [$_, $identity =~ /^[0-9a-f]{64}\z/ ? $identity : ''] } @names;
}
`

const OBSERVE = `${TREE}${RELEASES}
while (my ($root, $source, $which) = splice @ARGV, 0, 3) {
  my ($head, @releases, @history, $name);
  $head = first_word($source);
  if (enter($root)) {
    @releases = releases_of();
    @history = history_of();
    $name = $which eq 'previous' ? $history[-2] : (readlink('current') // '') =~ m{^releases/([^/]+)\\z} ? $1 : undef;
  }
  my @built = grep { $_->[1] ne '' } @releases;
  my @state = defined $name && $name =~ $release_name ? tree_state("$root/releases/$name/app", "$root/releases/$name/manifest", '') : ('absent', '', 0, 0, 0);
  $#state = ${TREE_FIELDS - 2};
  print map { ($_ // '') . "\\0" } $head, @releases - @built, join("\\n", @history), join("\\n", map { "@$_" } @built), $root, @state;
}
`
