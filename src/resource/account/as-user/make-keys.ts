import { sh } from '../../../shell/sh.ts'
import { HostRefusal, type Steps } from '../../kind/step.ts'
import { KEY, NEW_KEY } from './key-names.ts'

/** Time in which the key of one user must be made, in seconds. The user can stop the program that makes it. */
const SECONDS = 30

/**
 * Runs as the user, in `/`. Existing keys are never replaced: the private key appears by a link, which fails if the name is taken, and a
 * public key that has no private one is refused. The temporary name of the public key is deleted last, so an interruption is seen.
 */
const MAKE_KEY = sh`umask 077
cd -- "$HOME" && mkdir -p .ssh && cd .ssh || exit
if [ ! -e ${KEY} ] && [ ! -L ${KEY} ]; then
  if [ -e ${`${KEY}.pub`} ] || [ -L ${`${KEY}.pub`} ]; then echo ${`~/.ssh/${KEY}.pub exists without its private key`}; exit 1; fi
  rm -f ${NEW_KEY} ${`${NEW_KEY}.pub`} && ssh-keygen -q -t ed25519 -N '' -f ${NEW_KEY} && sync ${NEW_KEY} ${`${NEW_KEY}.pub`} && ln ${NEW_KEY} ${KEY} || exit
fi
if [ -f ${`${NEW_KEY}.pub`} ]; then
  [ -e ${`${KEY}.pub`} ] || ln ${`${NEW_KEY}.pub`} ${`${KEY}.pub`} || exit
  IFS= read -r line <${`${KEY}.pub`} && printf '%s\\n' "$line"
fi
rm -f ${NEW_KEY} && rm -f ${`${NEW_KEY}.pub`} && sync . && echo made`

/** A public key as ssh-keygen prints it. Its comment names user and host. */
const PUBLIC = /^(ssh-ed25519 [A-Za-z0-9+/]{68})( [\w.@-]{1,300})?$/m

/** Makes the missing keys of users, one after the other, and prints each public key once. `before` are resources that were changed before. */
export function* makeKeys(users: readonly string[], before: readonly string[]): Steps {
  const done = [...before]
  for (const user of users) {
    // The lock stays with root. No more is read than a key and a message, and a process that the user leaves behind is not waited for.
    const answer = yield {
      do: 'shell',
      doing: `making an SSH key of ${user}`,
      script: sh`cd / && timeout -s KILL ${SECONDS} setpriv --reuid=${user} --regid="$(id -g -- ${user})" --init-groups --reset-env -- sh -c ${String(MAKE_KEY)} 2>&1 </dev/null 9>&- | timeout ${SECONDS + 5} head -c 2000`,
    }
    const said = answer.stdout.toString('latin1').trim()
    if (answer.code !== 0 || !/^made$/m.test(said))
      throw new HostRefusal(
        `SSH key of ${user} not made`,
        said.replaceAll(/[^\n\x20-\x7e]/g, '?') || `it was not made within ${SECONDS} seconds`,
        'check the home directory of the user, and that ~/.ssh belongs to the user',
        { done, culprit: user, account: user },
      )
    done.push(user)
    const [, key, comment = ''] = PUBLIC.exec(said) ?? []
    if (key !== undefined) yield { do: 'notice', what: `public SSH key of ${user}: ${key}${comment}` }
  }
}
