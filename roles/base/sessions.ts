import { file, pkg, z } from 'provision'
import type { Part } from './part.ts'

export const sessionsOptions = z
  .strictObject({
    idle_logout: z
      .union([z.literal(false), z.int().min(60)])
      .default(3600)
      .meta({ description: 'seconds after which a shell that waits at its prompt ends; false: never (CIS Debian 12 5.4.3.2)' }),
    password_quality: z
      .boolean()
      .default(true)
      .meta({ description: 'whether a password, which sudo or the console may ask for, must be a good one (CIS Debian 12 5.3.3.2)' }),
  })
  .prefault({})

/** What holds for everybody who has a shell. */
export const sessions = ({ idle_logout, password_quality }: z.output<typeof sessionsOptions>, coreDumps: boolean): Part => {
  // Not exported: scripts that a shell starts would take it for the patience of their own `read`.
  const lines = [...(idle_logout === false ? [] : [`TMOUT=${idle_logout}`]), ...(coreDumps ? [] : ['ulimit -c 0'])]
  const path = '/etc/profile.d/provision-base.sh'
  return {
    packages: password_quality ? [pkg({ name: 'libpam-pwquality' })] : [],
    files: [
      lines.length === 0
        ? file({ path, state: 'absent' })
        : file({ path, content: `# Written by provision (role base).\n${lines.map((line) => `${line}\n`).join('')}` }),
    ],
  }
}
