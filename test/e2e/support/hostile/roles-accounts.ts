import { type Root, wordsAs } from './root.ts'

/** An account that exists on a host, and the directories that it owns or can write. */
export interface Attacker {
  readonly name: string
  readonly directories: readonly string[]
}

/** Directories in which accounts can own entries. */
export const ROOTS: readonly string[] = ['/etc', '/home', '/opt', '/run', '/srv', '/usr/local', '/var', '/dev/shm']

/** Accounts equal to root, and accounts of the test. */
const NOT_ATTACKING = ['root', 'ops', 'victim']
const MOST_DIRECTORIES = 400

/** Names of all accounts of a host. */
export const accountsOn = async (root: Root): Promise<readonly string[]> =>
  (await root('getent passwd | cut -d: -f1')).split('\n').filter((name) => name !== '')

/**
 * Accounts that a host did not have when it was bare, and all others with a directory. Directories with the sticky bit, such as /tmp, belong
 * to no account.
 */
export const attackersOn = async (root: Root, bare: readonly string[]): Promise<readonly Attacker[]> => {
  const names = (await accountsOn(root)).filter((name) => !NOT_ATTACKING.includes(name))
  const attackers: Attacker[] = []
  for (const name of names) {
    const found = await root(`set +e
{ ${wordsAs(name)} find -P ${ROOTS.join(' ')} -xdev -type d -writable ! -perm -1002 -print0
find -P ${ROOTS.join(' ')} -xdev -type d -user ${name} -print0; } 2>/dev/null | sort -zu | head -zn ${MOST_DIRECTORIES}; :`)
    const directories = found.split('\0').filter((path) => path !== '' && !path.startsWith('/srv/foreign'))
    if (directories.length > 0 || !bare.includes(name)) attackers.push({ name, directories })
  }
  return attackers
}
