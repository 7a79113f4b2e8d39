import { file, pkg, z } from 'provision'
import { HEAD, type Part } from './part.ts'

export const sessionsOptions = z
  .strictObject({
    idle_logout: z
      .union([z.literal(false), z.int().min(60)])
      .default(3600)
      .meta({ description: 'seconds after which an idle interactive shell ends; false: never (CIS Debian 12 5.4.3.2)' }),
    password_quality: z
      .boolean()
      .default(true)
      .meta({ description: 'require strong passwords, which sudo or the console may ask for (CIS Debian 12 5.3.3.2)' }),
  })
  .prefault({})

/** Settings of interactive sessions. */
export const sessions = ({ idle_logout, password_quality }: z.output<typeof sessionsOptions>, coreDumps: boolean): Part => {
  // TMOUT is not exported: in scripts started by the shell it would limit `read`.
  const lines = [...(idle_logout === false ? [] : [`TMOUT=${idle_logout}`]), ...(coreDumps ? [] : ['ulimit -c 0'])]
  const path = '/etc/profile.d/provision-base.sh'
  return {
    packages: password_quality ? [pkg({ name: 'libpam-pwquality' })] : [],
    files: [
      lines.length === 0 ? file({ path, state: 'absent' }) : file({ path, content: `${HEAD}${lines.map((line) => `${line}\n`).join('')}` }),
    ],
  }
}
