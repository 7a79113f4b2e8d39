/** Options of the role mysql in one of two states. Contents, settings and primary of the servers differ. */
export const replicaOptions = (state: State) => ({
  topology: 'replica',
  primary: state === 'a' ? 'host-01' : 'host-02',
  ...contents(state),
})

/** The same in a cluster, whose servers restart one after the other between the states. */
export const clusterOptions = (state: State) => ({ topology: 'cluster', ...contents(state) })

export type State = 'a' | 'b'

/** A dump of the database of state `a`. */
export const DUMP = 'dumps/archive.sql.gz'

/** Database and account of the writing application; equal in both states. */
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
