import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import type { LocalFile } from '../kind/content.ts'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { parentOf } from '../kind/path.ts'
import { type Answers, inodeAt, type Member } from '../kind/queries.ts'
import { walk } from '../kind/walk.ts'
import type { ReleaseSpec } from './spec.ts'

/** The live release of a root, and the history of earlier ones. */
export interface ReleaseState {
  readonly current: InodeState
  /** Content of the live release, by path; empty if none is live. */
  readonly tree: ReadonlyMap<string, Member>
  /** Digests in the live release, of the desired paths. */
  readonly digests: ReadonlyMap<string, string>
  /** Digests of the releases in order of deployment, the newest last. */
  readonly history: readonly string[]
  /** Whether an upload was interrupted. */
  readonly staged: boolean
  /** The release to roll back to: as it was deployed, changed, or not kept. Undefined if no rollback is declared, or it could not be read. */
  readonly previous?: PreviousState
}

export type PreviousState = 'whole' | 'changed' | 'missing'

/** Differences between desired and live files, by path. */
export interface ReleaseDelta {
  readonly added: readonly string[]
  readonly changed: readonly string[]
  readonly removed: readonly string[]
  /** Files with the right content and another time than `modifiedOf`. */
  readonly misdated: readonly string[]
  /** Unchanged files, which are not uploaded. */
  readonly same: readonly string[]
}

/**
 * Queries the live release by the paths of the desired one. The answer verifies every file of a converged host, and shows which files need
 * no upload to others.
 */
export const observeReleases = (specs: readonly ReleaseSpec[]): KindQuery<ReleaseState> => {
  const latest = specs.filter(({ which }) => which === 'latest')
  const previous = specs.filter(({ which }) => which === 'previous')
  return {
    shared: {
      inodes: specs.flatMap(({ root }) => [`${root}/current`, `${root}/releases/.new`]),
      guarded: specs.map(({ root }) => `${root}/current`),
      trees: latest.map(({ root }) => `${root}/current`),
      digests: latest.flatMap(({ root, files }) => files.map(({ path }) => `${root}/current/${path}`)),
      texts: specs.map(({ root }) => `${root}/history`),
    },
    script: previousScript(previous.map(({ root }) => root)),
    parse: (stdout, answers) => {
      const words = stdout.toString().split('\n').slice(0, -1)
      if (words.length !== previous.length) throw new Error(`${words.length} of ${previous.length} releases to roll back to`)
      const found = new Map(previous.map(({ root }, i) => [root, previousIn(words[i])]))
      return new Map(specs.map((spec) => [spec.root, { ...stateOf(spec, answers), ...found.get(spec.root) }]))
    },
  }
}

const stateOf = ({ root, files }: ReleaseSpec, answers: Answers): ReleaseState => ({
  current: inodeAt(answers, `${root}/current`),
  tree: answers.trees.get(`${root}/current`) ?? new Map(),
  digests: new Map(
    files.flatMap(({ path }) => {
      const sha256 = answers.digests.get(`${root}/current/${path}`)
      return sha256 === undefined ? [] : [[path, sha256] as const]
    }),
  ),
  history: (answers.texts.get(`${root}/history`) ?? []).filter((line) => isDigest(line)),
  staged: inodeAt(answers, `${root}/releases/.new`) !== ABSENT,
})

const previousIn = (word = ''): { readonly previous?: PreviousState } =>
  word === 'whole' || word === 'changed' || word === 'missing' ? { previous: word } : {}

/**
 * Prints the state of the release before the newest one, a line for each root: empty where another account could replace the release, or
 * where there is none. One `sha256sum` for all files. It reads them by name, so a directory that another account owns counts as changed.
 */
const previousScript = (roots: readonly string[]): Script => (roots.length === 0 ? sh`` : sh`${walk(PREVIOUS)} "$T/previous" ${roots}\n`)

const PREVIOUS = String.raw`
my ($list, @roots) = @ARGV;
my (@state, %expected, %root_of);
sub lines_of { my $h; open($h, '<', $_[0]) ? do { chomp(my @all = <$h>); @all } : () }
sub is_owned_file {
  my ($dir, $name) = parted($_[0]);
  my @s = enter($dir) && $other eq '' ? lstat $name : ();
  return @s && S_ISREG($s[2]);
}
for my $i (0 .. $#roots) {
  my $releases = "$roots[$i]/releases";
  $state[$i] = '';
  next unless enter($releases) && $other eq '';
  my $name = (grep { /^[0-9a-f]{64}\z/ } lines_of('../history'))[-2] // next;
  my @is = lstat $name;
  $state[$i] = @is && S_ISDIR($is[2]) ? 'whole' : 'missing';
  next if $state[$i] eq 'missing';
  my %sums = map { /^([0-9a-f]{64})  (.+)\z/s ? ("$releases/$name/$2" => $1) : () } lines_of("$name.sums");
  $sums{"$releases/$name.sums"} = $name;
  for my $path (keys %sums) {
    $state[$i] = 'changed' unless is_owned_file($path);
    ($expected{$path}, $root_of{$path}) = ($sums{$path}, $i);
  }
}
my @paths = grep { $state[$root_of{$_}] eq 'whole' } keys %expected;
if (@paths) {
  my $h;
  open($h, '>', $list) && print({$h} map { "$_\0" } @paths) && close $h or die "$list: $!\n";
  open(my $sums, '-|', 'sh', '-c', 'exec xargs -0 sha256sum -z -- <"$1"', 'sh', $list) or die "sha256sum: $!\n";
  my %found; { local $/ = "\0"; while (<$sums>) { chomp; $found{substr $_, 66} = substr $_, 0, 64 } }
  # 123: it could not read one of them.
  close $sums or $? >> 8 == 123 or die "sha256sum: status $?\n";
  for (@paths) { $state[$root_of{$_}] = 'changed' if ($found{$_} // '') ne $expected{$_} }
}
print "$_\n" for @state;
`

/** Digest of the live release; undefined if no release of provision is live. */
export const liveOf = ({ current }: ReleaseState): string | undefined => {
  const name = current !== ABSENT && current.type === 'l' ? current.target.replace(/^releases\//, '') : ''
  return isDigest(name) ? name : undefined
}

const isDigest = (word: string): boolean => /^[0-9a-f]{64}$/.test(word)

/** The release that was live before the newest deployment. */
export const previousOf = ({ history }: ReleaseState): string | undefined => history.at(-2)

/** Compares desired and live files. Every other file in the release is removed, also one that somebody else created. */
export const deltaOf = ({ files }: ReleaseSpec, { tree, digests }: ReleaseState): ReleaseDelta => {
  const wanted = new Set(files.map(({ path }) => path))
  const folders = new Set(['', ...files.flatMap(({ path }) => foldersOf(path))])
  type File = ReleaseSpec['files'][number]
  const isWhole = ({ path, content }: File): boolean => isPlain(tree.get(path), 'f', '644') && digests.get(path) === content.sha256
  const isDated = ({ path, content }: File): boolean => tree.get(path)?.modified === modifiedOf(content) * 1e6
  const misshapen = [...folders].filter((path) => tree.has(path) && !isPlain(tree.get(path), 'd', '755'))
  const there = files.filter(({ path }) => tree.has(path))
  const foreign = [...tree.keys()].filter((path) => !wanted.has(path) && !folders.has(path))
  const emptied = new Set(foreign.flatMap(foldersOf))
  return {
    added: files.filter(({ path }) => !tree.has(path)).map(({ path }) => path),
    changed: [...there.filter((one) => !isWhole(one)).map(({ path }) => path), ...misshapen.map((path) => `${path}/`)],
    // A folder goes with its files.
    removed: foreign.filter((path) => !emptied.has(path)),
    misdated: there.filter((one) => isWhole(one) && !isDated(one)).map(({ path }) => path),
    same: there.filter((one) => isWhole(one) && isDated(one)).map(({ path }) => path),
  }
}

/**
 * The time of a file in a release, in seconds since 1970. It follows from the content, so that it is the same on every host and in every
 * checkout: web servers build the ETag of a response from time and size, and another content must have another ETag.
 */
export const modifiedOf = ({ sha256 }: Pick<LocalFile, 'sha256'>): number =>
  YEAR_2000 + (Number.parseInt(sha256.slice(0, 8), 16) % YEARS_20)

const YEAR_2000 = 946_684_800
const YEARS_20 = 630_720_000

const isPlain = (member: Member | undefined, type: string, mode: string): boolean =>
  member?.type === type && member.mode === mode && member.owner === '0:0'

/** `a` and `a/b` for `a/b/c.html`. */
const foldersOf = (path: string): readonly string[] => {
  const folder = parentOf(`/${path}`).slice(1)
  return folder === '' ? [] : [...foldersOf(folder), folder]
}
