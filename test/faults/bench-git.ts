import type { Bench } from './bench.ts'
import { hostWithRole } from './one-host.ts'

/** One host with a checkout of one of two commits (see `git-role.ts`). */
export const checkoutHost = (lab: string, subnet: string): Promise<Bench> =>
  hostWithRole({ lab, subnet, role: 'checkout', file: 'git-role.ts' })

/** Additional queries to the host: the commit, and changes since. */
export const CHECKED_OUT = `echo '== commit'; cd /srv/checkout && setpriv --reuid=keeper --regid=keeper --clear-groups git log --format=%H -1
echo '== changes'; setpriv --reuid=keeper --regid=keeper --clear-groups git status --porcelain`
