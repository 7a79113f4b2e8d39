import { quote } from '../quote.ts'
import type { AuthorizedKeysSpec } from './authorized-keys.ts'
import { newLines, RECORDS, type SeenKeys } from './authorized-keys-seen.ts'
import { inTurn } from './in-turn.ts'
import type { Work } from './kind.ts'
import { identityOf } from './public-key.ts'
import { Refused, type Steps } from './step.ts'

/** Puts the keys in place, one user after the other, in one request. */
export const applyKeys = function* (work: readonly Work<AuthorizedKeysSpec, SeenKeys>[]): Steps {
  const misplaced = work.find(({ seen }) => seen.elsewhere !== undefined)
  if (misplaced !== undefined) {
    throw new Refused(
      `the keys of ${misplaced.id} would not be read`,
      `this host's sshd reads keys from ${misplaced.seen.elsewhere}`,
      'take AuthorizedKeysFile out of its sshd_config',
    )
  }
  yield* inTurn(work, scriptOf, { doing: 'putting keys in place', failed: (id) => `the keys of ${id} could not be put in place` })
}

// A home directory is its user's: links there may lead anywhere. So the writing is done as the user, who can only hurt himself,
// and lines that root has read are never written, only those that go (as patterns) and those that come.
const scriptOf = ({ spec, seen }: Work<AuthorizedKeysSpec, SeenKeys>): string => {
  const after = newLines(spec, seen)
  const go = seen.lines.filter((line) => !after.includes(line))
  const come = spec.exclusive ? after : after.filter((line) => !seen.lines.includes(line))
  const { user } = spec
  const record = `${RECORDS}/${user}`
  return `e=$(getent passwd ${user}) || { echo 'there is no such user' >&2; exit 1; }
h=\${e%:*}; h=\${h##*:}; g=$(id -g ${user})
[ -d "$h" ] || { echo "its home directory $h does not exist" >&2; exit 1; }
find -H "$h" -maxdepth 0 -perm /022 -exec chmod go-w {} +
find "$h" -maxdepth 0 ! -user ${user} ! -user root -exec chown -h ${user} {} +
for f in "$h/.ssh" "$h/.ssh/authorized_keys"; do [ ! -e "$f" ] || find "$f" -maxdepth 0 ! -user ${user} -exec chown -h "${user}:$g" {} +; done
setpriv --reuid ${user} --regid "$g" --init-groups sh -c ${quote(AS_USER)} sh "$h" ${spec.exclusive ? 'all' : 'some'} ${quote(go.join('\n'))} ${quote(come.join('\n'))}
umask 077; mkdir -p ${RECORDS}
printf '%s' ${quote(spec.keys.map((key) => `${identityOf(key)}\n`).join(''))} >${record}.new; sync ${record}.new; mv -f ${record}.new ${record}`
}

// grep ends every line it prints, also a last one without its newline, to which a key would else be glued.
const AS_USER = `set -e; umask 077; cd "$1"; mkdir -p .ssh; chmod go-w .ssh; cd .ssh; t=.authorized_keys.provision; rm -f "$t"
{
  if [ "$2" = some ] && [ -f authorized_keys ]; then
    if [ "$3" ]; then grep -avxF -e "$3" authorized_keys || [ "$?" = 1 ]; else grep -a '' authorized_keys || [ "$?" = 1 ]; fi
  fi
  [ -z "$4" ] || printf '%s\\n' "$4"
} >"$t"
sync "$t"; mv -f "$t" authorized_keys`
