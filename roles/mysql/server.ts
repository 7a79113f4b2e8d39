import {
  bracketed,
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
import { addressOf, certifiedAddresses } from './addresses.ts'
import { requireDistinctReplicas } from './agreement.ts'
import { isConfined, loadProfile, profileResources } from './apparmor.ts'
import { BACKUP, backupAccount, backupHost, MOMENT } from './backup.ts'
import { PKI } from './config.ts'
import { HEALTH_ACCOUNT, healthResources } from './health.ts'
import { OPENER, openerResources } from './opener.ts'
import { type Members, membersOf, type Options } from './options.ts'
import { requireRelease } from './release.ts'
import { serverSandbox } from './sandbox.ts'
import { softwareOf } from './software.ts'
import { userAccounts } from './users.ts'
import { configCheck } from './validation.ts'

/** Resources of a database server. */
export const serverResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options: given, host, facts, site, authority } = context
  const members = membersOf(given, site)
  requireRelease(context)
  const own = authority({ domain: 'database' })
  if (members.topology === 'replica') requireDistinctReplicas(members.servers, own.nameOf)
  const names = [own.nameOf(host.name), own.nameOf('writer'), own.nameOf('reader')]
  const pair = { path: PKI.pair, names, addresses: certifiedAddresses(host), group: 'mysql' }
  const certificate = leaf({ ...pair, authority: own, usages: ['server', 'client'] })
  const trusted = file({ path: PKI.trusted, content: text`${own.certificate}` })
  const { set: name, config: path, content, unit: unitName, packages, upgrade } = softwareOf(given.flavour)
  const set = { name, root: '/etc/mysql', check: [...configCheck(given.settings, given.flavour)] }
  const config = file({ path, content: content({ options: given, members, host, facts }), set })
  const profile = isConfined(facts, given.flavour) ? profileResources(given) : []
  const unit = unitDropin(members, given, profile.length > 0)
  const server = service({ unit: unitName, loads: [certificate, trusted], restarts: [config, unit, ...profile.slice(-1)], set: name })
  return [
    ...(members.topology === 'replica' ? [] : [leavingReplicas(given, members, host.name)]),
    ...profile,
    ...packages(members).map((one) => pkg({ name: one })),
    directory({ path: PKI.directory }),
    directory({ path: '/var/log/mysql', mode: '2750', owner: 'mysql', group: 'adm' }),
    trusted,
    certificate,
    databaseSlice(given),
    directory({ path: '/usr/local/lib/provision' }),
    ...upgrade,
    unit,
    config,
    ...(members.clients.length > 0 ? healthResources(bracketed(addressOf(host, members)), given) : []),
    ...(members.topology === 'replica' ? openerResources(host, members, given.flavour) : []),
    serverService(context, members, server),
    ...contents(context, members),
  ]
}

/** Port at which a server receives all data of another one. */
export const SEED_PORT = 4444

const serverService = (context: HostContext<Options>, members: Members, unit: ReturnType<typeof service>) => {
  switch (members.topology) {
    case 'cluster':
      return member(context.options, members, context.host.name, unit)
    case 'replica':
      return replica(context, members, unit)
    case 'single':
      return unit
  }
}

const replica = ({ options, host, authority }: HostContext<Options>, members: Members, unit: ReturnType<typeof service>) => {
  const own = authority({ domain: 'database' })
  return replication({
    name: options.cluster,
    flavour: options.flavour,
    me: host.name,
    primary: members.primary ?? '',
    servers: members.servers.map((server) => ({
      host: server.name,
      address: addressOf(server, members),
      certificate: own.nameOf(server.name),
    })),
    pair: PKI.pair,
    trusted: PKI.trusted,
    seedPort: SEED_PORT,
    opener: OPENER,
    service: unit,
  })
}

/** Ends a former replication, before anything else is changed. */
const leavingReplicas = ({ cluster, discard_data_of, flavour }: Options, members: Members, me: string) =>
  unreplicated({
    name: cluster,
    flavour,
    me,
    servers: members.servers.map((server) => ({ host: server.name, address: addressOf(server, members) })),
    yielding: members.topology === 'cluster' ? discard_data_of : [],
  })

const member = ({ cluster, discard_data_of }: Options, { servers, arbitrators }: Members, me: string, unit: ReturnType<typeof service>) =>
  galera({
    cluster,
    me,
    servers: servers.map(({ name }) => name),
    arbitrators: arbitrators.map(({ name }) => name),
    service: unit,
    discardDataOf: discard_data_of,
  })

/** Slice that limits the server, so that sshd, monitoring and other services keep working under its load. */
const databaseSlice = ({ memory, cpu_weight, io_weight }: Options) =>
  slice({ name: 'database', description: 'Database server', cpuWeight: cpu_weight, ioWeight: io_weight, memoryMax: memory })

/** Drop-in of the server: slice, sandbox, reload of certificates, and retries while its peers are unreachable. */
const unitDropin = (members: Members, given: Options, confined: boolean) => {
  const { topology } = members
  const { unit, reload, asserts, started, startsBefore } = softwareOf(given.flavour)
  return dropin({
    unit,
    name: 'provision',
    settings: {
      Unit: {
        Wants: topology === 'replica' ? `network-online.target ${OPENER}` : 'network-online.target',
        After: 'network-online.target',
        StartLimitIntervalSec: '0',
        ...asserts,
      },
      Service: {
        Restart: 'on-failure',
        RestartSec: '3s',
        // A server that joins copies all data first.
        TimeoutStartSec: '3h',
        ExecReload: reload(members),
        ...startsBefore(confined ? [loadProfile(given.flavour)] : []),
        ...started(members),
        ...(topology === 'cluster' && {
          EnvironmentFile: '-/run/mariadb-wsrep-new-cluster',
          ExecStopPost: '+/bin/rm -f /run/mariadb-wsrep-new-cluster',
        }),
        ...serverSandbox(given),
        Slice: 'database.slice',
      },
    },
  })
}

const NO_BACKUP = 'fetch a backup and decrypt it to that path, see roles/mysql/README.md'

/** Databases, accounts and restored data. All members of a cluster declare the same. */
const contents = (context: HostContext<Options>, members: Members): readonly Resource[] => {
  const { files, host } = context
  const { databases, backups, restore, flavour } = context.options
  const me = host.name
  const dump = restore === undefined ? [] : [projectFile({ files }, restore.file, NO_BACKUP)]
  const all = { me, flavour, servers: [...members.managed] }
  const until = restore?.until
  // Its binary log belongs to the backup.
  const maker = backupHost(context.options, members)?.name ?? me
  const restored =
    until === undefined
      ? all
      : { ...all, servers: [maker], through: { account: BACKUP, command: [MOMENT, until], result: `the data of ${until}` } }
  const dumps = dump.map((content) =>
    databaseDump({ name: restore?.file ?? '', content, loseRowsWrittenSince: restore?.lose_rows_written_since ?? false, ...restored }),
  )
  const arriving = dumps.flatMap(({ spec }) => [...spec.tables])
  return [
    // An earlier installation may have left these open to everybody.
    database({ name: 'test', state: 'absent', ...all }),
    ...['localhost', me].map((host) => databaseAccount({ user: '', host, state: 'absent', ...all })),
    // Each is authenticated by the account of the host, and sees the state of the server and no rows; the last one makes backups.
    ...softwareOf(flavour).accounts.map(({ user, privileges }) =>
      databaseAccount({ user, host: 'localhost', grants: [{ on: '*.*', privileges: [...privileges] }], ...all }),
    ),
    ...(members.clients.length > 0
      ? [databaseAccount({ user: HEALTH_ACCOUNT, host: 'localhost', grants: [...softwareOf(flavour).seesReplication], ...all })]
      : []),
    ...(backups === undefined ? [] : [backupAccount(all)]),
    ...databases
      .filter(({ name }) => name !== 'test')
      .map(({ name, charset, collation, state, lose_all_rows }) =>
        database({ name, charset, ...(collation !== undefined && { collation }), state, loseAllRows: lose_all_rows, ...all }),
      ),
    ...dumps,
    ...userAccounts(context, { ...all, arriving }),
  ]
}
