/** One path that a run touches and an account can replace. */
export interface Place {
  readonly path: string
  /** The type of the honest entry; attacks replace it by an entry of the same type from elsewhere. */
  readonly holds: 'file' | 'directory'
  /** Whether the account can also replace the directory above. */
  readonly parent: boolean
}

/** The place of one attack. */
export interface Scene extends Place {
  readonly account: string
  /** Root's own tree that the account wants: `file`, `dir/`, and `above/`, which holds what the parent of the path would hold. */
  readonly foreign: string
  /** Another directory of the account. */
  readonly away: string
}

/** Something that an account can do at a path. Scripts are POSIX sh; programs are Perl with its arguments. */
export interface Attack {
  readonly name: string
  fits(place: Place): boolean
  /** Run as root before: entries that the account finds on the host and did not create. */
  found?(scene: Scene): string
  /** Run as the account, before the run. */
  play?(scene: Scene): string
  /** Run as the account in a loop, during the run. */
  loop?(scene: Scene): readonly string[]
}

const always = (): boolean => true
const parentOf = (path: string): string => path.slice(0, path.lastIndexOf('/'))
const wanted = ({ holds, foreign }: Scene): string => (holds === 'file' ? `${foreign}/file` : `${foreign}/dir`)

/** Moves what is at the path aside: the owner of a directory may rename entries of others in it. */
const aside = (path: string): string => `if [ -e '${path}' ] || [ -L '${path}' ]; then mv -T -- '${path}' '${path}.was'; fi`

const link: Attack = {
  name: 'link',
  fits: always,
  play: (scene) => `${aside(scene.path)}; ln -s ${wanted(scene)} '${scene.path}'`,
}

const parentLink: Attack = {
  name: 'parent link',
  fits: ({ parent }) => parent,
  play: ({ path, foreign }) => `mv -T '${parentOf(path)}' '${parentOf(path)}.was'; ln -s ${foreign}/above '${parentOf(path)}'`,
}

/** Arguments: a path, its type, another path that is a link, where the link points. renameat2 is system call 316; 2 exchanges. */
const EXCHANGE = `my ($here, $holds, $there, $target) = @ARGV; alarm 200;
while (1) {
  syscall(316, -100, $here, -100, $there, 2) == 0 and next;
  -l $there || -l $here or symlink $target, $there;
  for ($here, $there) { lstat $_ or $holds eq "file" ? do { open my $f, ">", $_ } : mkdir $_ }
}`

const exchange = (path: string, holds: Place['holds'], target: string): readonly string[] => [EXCHANGE, path, holds, `${path}.evil`, target]

const swap: Attack = {
  name: 'swap loop',
  fits: always,
  play: (scene) => `ln -s ${wanted(scene)} '${scene.path}.evil'`,
  loop: (scene) => exchange(scene.path, scene.holds, wanted(scene)),
}

const parentSwap: Attack = {
  name: 'parent swap loop',
  fits: ({ parent }) => parent,
  play: ({ path, foreign }) => `ln -s ${foreign}/above '${parentOf(path)}.evil'`,
  loop: ({ path, foreign }) => exchange(parentOf(path), 'directory', `${foreign}/above`),
}

const fifo: Attack = {
  name: 'FIFO',
  fits: always,
  play: ({ path }) => `${aside(path)}; mkfifo -m 666 '${path}'`,
}

const sparse: Attack = {
  name: 'sparse file',
  fits: always,
  play: ({ path }) => `${aside(path)}; truncate -s 3G '${path}'`,
}

/**
 * The link itself is made by root: where `fs.protected_hardlinks` is 0 the account makes it alone, and that setting belongs to
 * the machine below the lab.
 */
const hardLink: Attack = {
  name: 'hard link',
  fits: ({ holds }) => holds === 'file',
  found: (scene) => `${aside(scene.path)}; ln ${scene.foreign}/file '${scene.path}'`,
}

/** Arguments: a directory, where it goes and comes from. */
const ROAM = `my ($here, $away) = @ARGV; alarm 200;
while (1) { rename $here, $away; select undef, undef, undef, 0.0005; rename $away, $here; select undef, undef, undef, 0.0005 }`

const parentMoved: Attack = {
  name: 'parent moved',
  fits: ({ parent }) => parent,
  loop: ({ path, away }) => [ROAM, parentOf(path), `${away}/moved`],
}

const movedIn: Attack = {
  name: 'foreign moved in',
  fits: always,
  found: ({ path, foreign }) => `cp -a ${foreign}/dir '${path}.roots-dir'; cp -a ${foreign}/file '${path}.roots-file'`,
  play: ({ path, holds }) => `${aside(path)}; mv -T '${path}.roots-${holds === 'file' ? 'file' : 'dir'}' '${path}'`,
}

export const ATTACKS: readonly Attack[] = [link, parentLink, swap, parentSwap, fifo, sparse, hardLink, parentMoved, movedIn]
