import { hostname, userInfo } from 'node:os'
import type { Environment } from '../environment.ts'
import type { Holder } from '../host/shell/shell.ts'

/** Returns the description of this run that is written beside the lock on every host. */
export const holder = (env: Environment): Holder => ({
  user: env.SUDO_USER ?? env.USER ?? userInfo().username,
  machine: hostname(),
  command: `provision ${wordsOf(process.argv.slice(2)).join(' ')}`.trim(),
  since: new Date().toISOString(),
})

/** A value of `provision apply` can be a secret, and this text becomes a file on the hosts. */
export const wordsOf = (words: readonly string[]): readonly string[] =>
  words[0] === 'apply' ? words.map((word) => word.replace(/^([A-Za-z][\w-]*)=.*$/s, '$1=…')) : words
