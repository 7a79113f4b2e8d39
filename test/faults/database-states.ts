/** The options of role mysql in one of two states: everything that is in the servers differs, and how they run, and which is written to. */
export const replicaOptions = (state: State) => ({
  topology: 'replica',
  primary: state === 'a' ? 'host-01' : 'host-02',
  ...contents(state),
})

/** The same in a cluster, whose servers are restarted one after the other for it. */
export const clusterOptions = (state: State) => ({ topology: 'cluster', ...contents(state) })

export type State = 'a' | 'b'

/** A dump of the database that is there in state `a`. */
export const DUMP = 'dumps/archive.sql.gz'

/** The database and the account of the application that writes all the while; they stay as they are. */
export const SHOP = { name: 'shop', password: 'a password of the shop' }

const contents = (state: State) => {
  const isA = state === 'a'
  return {
    clients: [],
    buffer_pool: '96M',
    settings: { wait_timeout: isA ? 1001 : 1002 },
    databases: [
      { name: SHOP.name },
      { name: 'catalogue', collation: isA ? 'utf8mb4_general_ci' : 'utf8mb4_unicode_ci' },
      { name: 'archive', ...(isA ? {} : { state: 'absent', lose_all_rows: true }) },
    ],
    ...(isA && { restore: { file: DUMP } }),
    users: [
      { name: SHOP.name, password: SHOP.password, grants: [{ on: 'shop.*' }] },
      {
        name: 'reports',
        password: `the password of ${state}`,
        grants: [{ on: 'catalogue.*', privileges: isA ? ['SELECT'] : ['SELECT', 'INSERT'] }, ...(isA ? [{ on: 'shop.*' }] : [])],
      },
      isA ? { name: 'now-and-then', password: 'here' } : { name: 'now-and-then', state: 'absent' },
    ],
  }
}
