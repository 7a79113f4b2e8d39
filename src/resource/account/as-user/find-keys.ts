import type { Script } from '../../../shell/script.ts'
import { sh } from '../../../shell/sh.ts'
import { walk } from '../../kind/walk.ts'
import { AS_USER } from './as-user.ts'
import { KEY, NEW_KEY } from './key-names.ts'

/** Looks with the rights of each user, so a link in a home reaches only what the user can reach. `new`: making the key was interrupted. */
const FIND_KEYS = String.raw`${AS_USER}
for my $one (map { person($_) } @ARGV) {
  my $is = 'absent';
  if ($one->{uid} >= 0) {
    become($one);
    $is = lstat "$one->{home}/.ssh/${NEW_KEY}.pub" ? 'new' : lstat "$one->{home}/.ssh/${KEY}" ? 'there' : $!{ENOENT} || $!{ENOTDIR} ? 'absent' : 'hidden';
    be_root();
  }
  print "ssh-key\0$one->{name}\0$is\0";
}
print "ssh-keys end\0";
`

/** The last bytes of the answer. */
export const KEYS_END = 'ssh-keys end\0'

/** Whether a user has the key: `new` is one whose making was interrupted, `hidden` one that the user itself cannot reach. */
export type KeyState = 'there' | 'absent' | 'new' | 'hidden'

/** A script that asks for the keys of users, by one process. Nothing without users. */
export const findKeysScript = (users: readonly string[]): Script => (users.length === 0 ? sh`` : sh`${walk(FIND_KEYS, ...users)}\n`)

/** Parses the output of `findKeysScript`. Throws if it is incomplete. */
export const readKeys = (stdout: Buffer, users: readonly string[]): ReadonlyMap<string, KeyState> => {
  if (users.length === 0) return new Map()
  const fields = stdout.toString('latin1').split('\0')
  if (fields.at(-2) !== 'ssh-keys end') throw new Error('the host did not report the SSH keys of its users')
  const states: readonly KeyState[] = ['there', 'absent', 'new', 'hidden']
  return new Map(
    users.map((user) => {
      const at = fields.findLastIndex((field, i) => field === 'ssh-key' && fields[i + 1] === user)
      const found = states.find((state) => state === fields[at + 2])
      if (at < 0 || found === undefined) throw new Error(`the host did not report the SSH key of ${user}`)
      return [user, found]
    }),
  )
}
