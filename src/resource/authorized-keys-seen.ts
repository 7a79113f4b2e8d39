import { quote } from '../quote.ts'
import { ABSENT, readInodes, type SeenInode } from './inode.ts'
import { identityOf, type PublicKey, readKey } from './public-key.ts'

export interface SeenKeys {
  /** Undefined: there is no such user (yet). */
  readonly home: string | undefined
  readonly inodes: { readonly home: SeenInode; readonly ssh: SeenInode; readonly file: SeenInode }
  /** The lines of the file. */
  readonly lines: readonly string[]
  /** Identities of the keys that we put there. */
  readonly ours: readonly string[]
  /** Where sshd looks for keys, if not in the usual place. */
  readonly elsewhere: string | undefined
}

/** Where we keep, a file a user, which keys are ours. */
export const RECORDS = '/var/lib/provision/authorized-keys'

const fileIn = (home: string): string => `${home}/.ssh/authorized_keys`

/**
 * Four processes, however many users. `grep -HZ` puts the path before every line, so that no line passes for another's, and
 * skips whatever would keep it waiting; what it reads through a user's link is compared with keys and goes nowhere else.
 */
export const seenScript = (users: readonly string[]): string => `
printf 'sshd\\0'; grep -hisE '^[[:space:]]*AuthorizedKeysFile[[:space:]=]' /etc/ssh/sshd_config.d/*.conf /etc/ssh/sshd_config; printf '\\0'
set --
if p=$(getent passwd); then
while IFS=: read -r n x x x x h x; do
case ${quote(` ${users.join(' ')} `)} in *" $n "*) printf 'user\\0%s\\0%s\\0' "$n" "$h"; set -- "$@" "$h" "$h/.ssh" "${fileIn('$h')}";; esac
done <<END
$p
END
for f do [ -e "$f" ] || [ -L "$f" ] || printf 'absent\\0%s\\0' "$f"; done
[ "$#" = 0 ] || find "$@" -maxdepth 0 -printf 'inode\\0%p\\0%y\\0%m\\0%u\\0%g\\0%l\\0'
printf 'lines\\0'
grep -saHZ -d skip -D skip '' "$@" ${users.map((user) => quote(`${RECORDS}/${user}`)).join(' ')}
fi
`

/** Reads what `seenScript` printed. */
export const readSeen = (answer: string, users: readonly string[]): ReadonlyMap<string, SeenKeys> => {
  const fields = answer.split('\0')
  const homes = new Map<string, string>()
  let i = 2
  for (; fields[i] === 'user'; i += 3) homes.set(fields[i + 1] ?? '', fields[i + 2] ?? '')
  const inodes = new Map<string, SeenInode>()
  i = readInodes(fields, inodes, i)
  if (fields[0] !== 'sshd' || fields[i] !== 'lines') throw new Error('the host could not list its users and their keys')
  const lines = fields
    .slice(i + 1)
    .join('\0')
    .split('\n')
    .map((line) => [line.slice(0, line.indexOf('\0')), line.slice(line.indexOf('\0') + 1)] as const)
  const linesOf = (path: string): readonly string[] => lines.filter(([at]) => at === path).map(([, line]) => line)
  const inode = (path: string): SeenInode => inodes.get(path) ?? ABSENT
  return new Map(
    users.map((user): [string, SeenKeys] => {
      const home = homes.get(user)
      const file = fileIn(home ?? '')
      return [
        user,
        {
          home,
          inodes: { home: inode(home ?? ''), ssh: inode(`${home ?? ''}/.ssh`), file: home === undefined ? ABSENT : inode(file) },
          lines: home === undefined ? [] : linesOf(file),
          ours: linesOf(`${RECORDS}/${user}`),
          elsewhere: elsewhere(fields[1] ?? ''),
        },
      ]
    }),
  )
}

// The first value counts (sshd_config(5)); Debian's sshd_config includes the .d directory before anything else.
const elsewhere = (settings: string): string | undefined => {
  const value = /AuthorizedKeysFile[\s=]+(.*)/i.exec(settings)?.[1]?.trim()
  const paths = value?.replaceAll('"', '').split(/\s+/) ?? []
  return value === undefined || paths.some((path) => path.replace(/^%h\//, '') === '.ssh/authorized_keys') ? undefined : value
}

/** The lines of the file as they shall be: what is not ours stays where it is, unless ours is all there may be. */
export const newLines = (
  { keys, exclusive }: { readonly keys: readonly PublicKey[]; readonly exclusive: boolean },
  { lines, ours }: SeenKeys,
): readonly string[] => {
  const wanted = new Map(keys.map((key) => [identityOf(key), [identityOf(key), key.comment].filter((part) => part !== '').join(' ')]))
  const blobs = new Set(keys.map(({ blob }) => blob))
  const found = new Set<string>()
  const kept = lines.filter((line) => {
    const key = readKey(line)
    if (key === undefined) return !exclusive
    found.add(identityOf(key))
    return wanted.has(identityOf(key)) || !(exclusive || ours.includes(identityOf(key)) || blobs.has(key.blob))
  })
  return [...kept, ...[...wanted].filter(([identity]) => !found.has(identity)).map(([, line]) => line)]
}
