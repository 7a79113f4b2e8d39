import {
  database,
  databaseAccount,
  databaseDump,
  directory,
  dropin,
  file,
  galera,
  type HostContext,
  leaf,
  pkg,
  projectFile,
  type Resource,
  replication,
  service,
  slice,
  text,
  unreplicated,
} from 'provision'
import { addressOf } from './addresses.ts'
import { mustBeTellable } from './agreement.ts'
import { backupAccount } from './backup.ts'
import { bracketed, PKI, serverConfig } from './config.ts'
import { healthAccount, healthResources } from './health.ts'
import { OPENER, openerResources } from './opener.ts'
import { type Cast, castOf, type Options } from './options.ts'
import { serverSandbox } from './sandbox.ts'
import { UPGRADE, upgradeScript } from './upgrade.ts'

/** What a host that holds data has. */
export const serverResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, host, facts, site, authority } = context
  const cast = castOf(given, site)
  const own = authority({ domain: 'database' })
  if (cast.topology === 'replica') mustBeTellable(cast.servers, own.nameOf)
  const names = [own.nameOf(host.name), own.nameOf('writer'), own.nameOf('reader')]
  const certificate = leaf({ path: PKI.pair, names, authority: own, usages: ['server', 'client'], group: 'mysql' })
  const trusted = file({ path: PKI.trusted, content: text`${own.certificate}` })
  const config = file({ path: '/etc/mysql/mariadb.cnf', content: serverConfig({ options: given, cast, host, facts }), set: SET })
  const unit = unitDropin(cast, given.settings)
  const mariadb = service({ unit: UNIT, loads: [certificate, trusted], restarts: [config, unit], set: SET.name })
  return [
    ...(cast.topology === 'replica' ? [] : [leavingReplicas(given, cast, host.name)]),
    ...packagesOf(cast).map((name) => pkg({ name })),
    directory({ path: PKI.directory }),
    directory({ path: '/var/log/mysql', mode: '2750', owner: 'mysql', group: 'adm' }),
    trusted,
    certificate,
    databaseSlice(given),
    directory({ path: '/usr/local/lib/provision' }),
    upgradeScript(),
    unit,
    config,
    ...(cast.clients.length > 0 ? healthResources(bracketed(addressOf(host, cast)), given.health_port) : []),
    ...(cast.topology === 'replica' ? openerResources(host, cast) : []),
    theServer(context, cast, mariadb),
    ...contents(context, cast),
  ]
}

/** Where a server that gets all data of another one listens meanwhile. */
export const SEED_PORT = 4444

const UNIT = 'mariadb.service'

const SET = { name: 'mariadb', root: '/etc/mysql', check: ['sh', '-c', 'mariadbd --user=mysql --verbose --help >/dev/null'] }

const packagesOf = ({ topology }: Cast): readonly string[] => [
  'mariadb-server',
  'mariadb-backup',
  'openssl',
  ...(topology === 'cluster' ? ['galera-4'] : []),
  ...(topology === 'single' ? [] : ['socat']),
]

const theServer = (context: HostContext<Options>, cast: Cast, unit: ReturnType<typeof service>) => {
  switch (cast.topology) {
    case 'cluster':
      return member(context.options, cast, context.host.name, unit)
    case 'replica':
      return follower(context, cast, unit)
    case 'single':
      return unit
  }
}

const follower = ({ options, host, authority }: HostContext<Options>, cast: Cast, unit: ReturnType<typeof service>) => {
  const own = authority({ domain: 'database' })
  return replication({
    name: options.cluster,
    me: host.name,
    primary: cast.primary ?? '',
    servers: cast.servers.map((server) => ({ host: server.name, address: addressOf(server, cast), certificate: own.nameOf(server.name) })),
    pair: PKI.pair,
    trusted: PKI.trusted,
    seedPort: SEED_PORT,
    opener: OPENER,
    service: unit,
  })
}

/** Before anything of it is changed. */
const leavingReplicas = ({ cluster, discard_data_of }: Options, cast: Cast, me: string) =>
  unreplicated({
    name: cluster,
    me,
    servers: cast.servers.map((server) => ({ host: server.name, address: addressOf(server, cast) })),
    yielding: cast.topology === 'cluster' ? discard_data_of : [],
  })

const member = ({ cluster, discard_data_of }: Options, { servers, arbitrators }: Cast, me: string, unit: ReturnType<typeof service>) =>
  galera({
    cluster,
    me,
    servers: servers.map(({ name }) => name),
    arbitrators: arbitrators.map(({ name }) => name),
    service: unit,
    discardDataOf: discard_data_of,
  })

/** Whatever it is asked, the rest of its host goes on: sshd, what measures, and what else is there. */
const databaseSlice = ({ memory, cpu_weight, io_weight }: Options) =>
  slice({ name: 'database', description: 'The database server', cpuWeight: cpu_weight, ioWeight: io_weight, memoryMax: memory })

/** Its slice, what it never needs, a way to load a new certificate, and that it tries again as long as its peers are away. */
const unitDropin = ({ topology }: Cast, settings: Options['settings']) =>
  dropin({
    unit: UNIT,
    name: 'provision',
    settings: {
      Unit: {
        Wants: topology === 'replica' ? `network-online.target ${OPENER}` : 'network-online.target',
        After: 'network-online.target',
        StartLimitIntervalSec: '0',
      },
      Service: {
        Restart: 'on-failure',
        RestartSec: '3s',
        // A server that joins gets all data first.
        TimeoutStartSec: '3h',
        // LOCAL: what went into the binary log of a replica would be a transaction of its own.
        ExecReload: `/usr/bin/mariadb --no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=10 -e "SET lock_wait_timeout=10; FLUSH LOCAL SSL${
          topology === 'cluster' ? `; SET GLOBAL wsrep_provider_options='socket.ssl_reload=1'` : ''
        }"`,
        // The empty one takes away Debian's. A cluster is begun once: what tells it so must not be there at the next start.
        ExecStartPost: ['', ...(topology === 'cluster' ? ['+/bin/rm -f /run/mariadb-wsrep-new-cluster'] : []), UPGRADE],
        ...(topology === 'cluster' && {
          EnvironmentFile: '-/run/mariadb-wsrep-new-cluster',
          ExecStopPost: '+/bin/rm -f /run/mariadb-wsrep-new-cluster',
        }),
        ...serverSandbox(settings),
        Slice: 'database.slice',
      },
    },
  })

const NO_BACKUP = 'fetch one and decrypt it there, as roles/mysql/README.md says'

/** What is in the servers: the same in all of a cluster. */
const contents = (
  { options: { databases, users, backups, restore }, files, host }: HostContext<Options>,
  cast: Cast,
): readonly Resource[] => {
  const me = host.name
  const dump = restore === undefined ? [] : [projectFile({ files }, restore.file, NO_BACKUP)]
  const all = { me, servers: [...cast.told] }
  return [
    // What an installation by another hand may have left open to anybody.
    database({ name: 'test', state: 'absent', ...all }),
    ...['localhost', me].map((host) => databaseAccount({ user: '', host, state: 'absent', ...all })),
    // Whoever measures the server sees how it stands, and no rows: it comes in as the account of the host that measures.
    databaseAccount({ user: 'prometheus', host: 'localhost', grants: [{ on: '*.*', privileges: ['PROCESS', 'SLAVE MONITOR'] }], ...all }),
    ...(cast.clients.length > 0 ? [healthAccount(cast, me)] : []),
    ...(backups === undefined ? [] : [backupAccount(cast, me)]),
    ...databases
      .filter(({ name }) => name !== 'test')
      .map(({ name, charset, collation, state, lose_all_rows }) =>
        database({ name, charset, collation, state, loseAllRows: lose_all_rows, ...all }),
      ),
    ...dump.map((content) =>
      databaseDump({ name: restore?.file ?? '', content, loseRowsWrittenSince: restore?.lose_rows_written_since ?? false, ...all }),
    ),
    ...users.map(({ name, host, password, grants, state }) =>
      databaseAccount({ user: name, host, state, ...(password !== undefined && { password }), grants, ...all }),
    ),
  ]
}
