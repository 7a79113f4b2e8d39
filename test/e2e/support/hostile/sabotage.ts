import { quote } from '../../../../src/shell/quote.ts'
import type { Attacker } from './roles-accounts.ts'
import { type Root, startPerl, wordsAs } from './root.ts'

/** An action of an account on all entries of its directories. */
export interface Sabotage {
  readonly name: string
  /** Perl that replaces one entry. It has `$path`, `$name`, `$dir`, `$is_dir`, and `$foreign`, root's own tree. */
  readonly replace?: string
  /** Root plays it: the account could where the kernel lets everybody make hard links. */
  readonly asRoot?: true
  /** Whether each directory is exchanged with a link in a loop. */
  readonly swaps?: true
}

const aside = 'rename $path, "$path.was" or next;'

export const SABOTAGES: readonly Sabotage[] = [
  { name: 'links for files', replace: `next if $is_dir; ${aside} symlink "$foreign/file", $path;` },
  { name: 'links for directories', replace: `next unless $is_dir; ${aside} symlink "$foreign/dir", $path;` },
  { name: 'FIFOs', replace: `next if $is_dir; ${aside} syscall 133, $path, 0010666, 0;` },
  {
    name: 'sparse files',
    replace: `next if $is_dir; ${aside} open my $f, ">", $path; truncate $f, 3 * 1024 ** 3;`,
  },
  { name: 'hard links', asRoot: true, replace: `next if $is_dir; ${aside} link "$foreign/file", $path;` },
  { name: 'directories moved', replace: `next unless $is_dir; ${aside}` },
  {
    name: 'links at names to come',
    replace: `next if $is_dir; for my $new ("$name.new", "$name.tmp", ".$name.provision-new", "$name.1", "$name.1.gz", "$name.lock", "$name~", "$name.$$") {
      symlink "$foreign/dir/came-$name", "$dir/$new" }`,
  },
  { name: 'swap loops', swaps: true },
]

const MOST_ENTRIES = 300

/** Reads directories from standard input, and skips those that no longer exist. */
const program = ({
  replace = '',
}: Sabotage): string => `my ($foreign) = @ARGV; $/ = "\\0"; my @dirs = <STDIN>; chomp @dirs; my $left = ${MOST_ENTRIES} * 10;
for my $dir (@dirs) {
  next if -l $dir; opendir my $d, $dir or next; my @names = grep { !/^[.][.]?$/ && !/[.]was$/ } readdir $d;
  for my $name (@names[0 .. ($#names < ${MOST_ENTRIES} ? $#names : ${MOST_ENTRIES})]) {
    my $path = "$dir/$name"; lstat $path or next; my $is_dir = -d _; last unless $left--;
    ${replace}
  }
}`

/** Exchanges each directory with a link to root's own. Arguments: root's tree, and directories. */
const SWAPS = `my ($foreign, @dirs) = @ARGV; alarm 900; symlink "$foreign/dir", "$_.evil" for @dirs;
while (1) { syscall 316, -100, $_, -100, "$_.evil", 2 for @dirs }`

const words = (paths: readonly string[]): string => paths.map(quote).join(' ')

/** Directories whose parent the account owns as well. */
const movableOf = async (root: Root, { name, directories }: Attacker): Promise<readonly string[]> => {
  const list = `for d do [ ! -w "\${d%/*}" ] || [ -L "$d" ] || printf '%s\\0' "$d"; done`
  const said = await root(`${wordsAs(name)} sh -c ${quote(list)} sh ${words(directories)}`)
  return said.split('\0').filter((path) => path !== '')
}

/** Runs a sabotage in all directories of an account and returns the process that continues, if there is one. */
export const sabotage = async (root: Root, how: Sabotage, attacker: Attacker): Promise<number | undefined> => {
  const { name, directories } = attacker
  const foreign = `/srv/foreign/${name}`
  if (how.swaps === true) {
    const movable = await movableOf(root, attacker)
    return movable.length === 0 ? undefined : startPerl(root, name, [SWAPS, foreign, ...movable.slice(0, 50)])
  }
  const as = how.asRoot === true ? '' : wordsAs(name)
  await root(`printf '%s\\0' ${words(directories)} | timeout 60 ${as} perl -e ${quote(program(how))} ${foreign}`)
  return undefined
}
