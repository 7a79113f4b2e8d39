import { type Facts, type HostContext, Problem } from 'provision'
import type { Options } from './options.ts'

/** First releases whose archive has MySQL 8.4. Ubuntu 22.04 and 24.04 have 8.0, and no stable Debian has MySQL. */
const FIRST_MYSQL: Readonly<Partial<Record<Facts['distribution'], number>>> = { ubuntu: 26.04 }

/** Requires the archive of the host's release to have the flavour. */
export const requireRelease = ({ options: { flavour }, host, facts }: HostContext<Options>): void => {
  const first = FIRST_MYSQL[facts.distribution]
  if (flavour === 'mariadb' || (first !== undefined && Number.parseFloat(facts.release) >= first)) return
  throw new Problem({
    class: 'input',
    where: { host: host.name, role: 'mysql' },
    what: `flavour mysql needs Ubuntu 26.04 or later, and ${host.name} runs ${facts.distribution === 'ubuntu' ? 'Ubuntu' : 'Debian'} ${facts.release || 'unstable'}`,
    why:
      first === undefined
        ? 'Debian has no package mysql-server; MariaDB takes its place'
        : 'its archive has MySQL 8.0, which Oracle no longer maintains, and this role supports 8.4',
    fix: 'remove `flavour`, so that the host gets MariaDB, or use a host with Ubuntu 26.04',
  })
}
