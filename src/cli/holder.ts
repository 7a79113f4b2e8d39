import { hostname, userInfo } from 'node:os'
import type { Environment } from '../environment.ts'
import type { Holder } from '../host/shell/shell.ts'

/** Returns the description of this run that is written beside the lock on every host. */
export const holder = (env: Environment): Holder => ({
  user: env.SUDO_USER ?? env.USER ?? userInfo().username,
  machine: hostname(),
  command: `provision ${process.argv.slice(2).join(' ')}`.trim(),
  since: new Date().toISOString(),
})
