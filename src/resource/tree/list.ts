import type { Script } from '../../shell/script.ts'
import { TREE } from '../fetched/manifest.ts'
import { patternOf } from '../fetched/unpacked.ts'
import { wholeNumber } from '../kind/number.ts'
import { walk } from '../kind/walk.ts'
import type { ContentsSpec, ContentsState, Entry } from './spec.ts'

/** Maximum number of entries that a host lists for a tree. */
export const MAX_ENTRIES = 20_000

/** Prints the entries of each directory, by descriptor: one program for all. It enters neither hidden nor excluded directories. */
export const listScript = (specs: readonly Pick<ContentsSpec, 'path' | 'exclude'>[]): Script =>
  walk(LIST, ...specs.flatMap(({ path, exclude }) => [path, exclude.map(patternOf).join('|')]))

const LIST = String.raw`${TREE}
while (my ($path, $exclude) = splice @ARGV, 0, 2) {
  utf8::decode($exclude);
  my ($left, @found) = (${MAX_ENTRIES});
  my $is_whole = 1;
  if (enter($path)) {
    $is_whole = walk_tree(sub {
      my ($entry, $name, @s) = @_;
      return 0 if --$left < 0;
      my $decoded = $entry;
      my $is_kept = !utf8::decode($decoded) || $name =~ /^[.]/ || ($exclude ne '' && $decoded =~ m{^(?:$exclude)(?:/|\z)}s);
      my $description = $is_kept ? 'kept' : describe($name, @s);
      push @found, $entry, $description =~ /^special/ ? 'kept' : $description;
      return !$is_kept;
    }, '', 0);
  }
  print map { "$_\0" } $path, $is_whole && $left >= 0 ? 'whole' : 'cut', @found / 2, @found;
}
`

type Listed = Pick<ContentsState, 'entries' | 'kept' | 'isCut'>

/** Reads what `listScript` printed, by directory. Throws for an incomplete answer. */
export const readEntries = (stdout: Buffer): ReadonlyMap<string, Listed> => {
  const fields = stdout.toString().split('\0')
  if (fields.pop() !== '') throw new Error('the host did not list all entries')
  const found = new Map<string, Listed>()
  for (let i = 0; i < fields.length; ) {
    const [path = '', is = '', count = ''] = fields.slice(i, i + 3)
    const length = 2 * wholeNumber(count, `the number of entries in ${path}`)
    const words = fields.slice(i + 3, i + 3 + length)
    if (words.length < length || (is !== 'whole' && is !== 'cut')) throw new Error(`the host did not list all entries of ${path}`)
    const all = Array.from({ length: length / 2 }, (_, j): Entry => ({ path: words[2 * j] ?? '', description: words[2 * j + 1] ?? '' }))
    found.set(path, {
      entries: all.filter(({ description }) => description !== 'kept'),
      kept: all.filter(({ description }) => description === 'kept').map((one) => one.path),
      isCut: is === 'cut',
    })
    i += 3 + length
  }
  return found
}
