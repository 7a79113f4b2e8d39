import {
  defineRole,
  directory,
  file,
  type HostContext,
  isReplicatedServer,
  type Listen,
  leaf,
  pkg,
  type ReplicatedMembers,
  type Resource,
  replicatedMembers,
  service,
  sh,
  text,
  z,
} from 'provision'
import { accessFile } from './access.ts'
import { ask, checksOf } from './checks.ts'
import { PATHS, PORT, serverConfig } from './config.ts'
import { contents } from './contents.ts'
import { faultsOf } from './faults.ts'
import { slotOf } from './members.ts'
import { type Options, options } from './options.ts'
import { type DataState, type Own, requirePromoted, requireReplaceable, requireSoftware, type Software } from './release.ts'
import { connectionTo, DATA_STATE, identFile, SCRIPT, slots, startScript } from './replication.ts'
import { EXPORTER, EXPORTER_PORT, exporterUnit, serverUnit } from './unit.ts'
import { configCheck } from './validation.ts'

/** Run as the account postgres, which can change these directories. */
const CLUSTERS = `${DATA_STATE}
for one; do printf ' %s:' "$one"; data_state "/usr/lib/postgresql/\${one%%/*}/bin" "/var/lib/postgresql/$one"; done`

/** The clusters that the host has, and what is in their data directories. */
const facts = {
  script: sh`set --; for one in /etc/postgresql/*/*/postgresql.conf; do
  [ ! -e "$one" ] || { one=\${one%/postgresql.conf}; set -- "$@" "\${one#/etc/postgresql/}"; }
done
[ $# = 0 ] || found=$(setpriv --reuid=postgres --regid=postgres --init-groups timeout 10 sh -c ${CLUSTERS} sh "$@") || exit 1
printf 'clusters=%s\\n' "\${found:-}" | tr '\\n' ' '`,
  schema: z.object({
    clusters: z
      .string()
      .transform((list) =>
        [...list.matchAll(/(\S+):(none|pristine|standby|own)(?=\s|$)/g)].map(([, name = '', data]) => ({ name, data: data as DataState })),
      ),
  }),
}

/** PostgreSQL over TLS, with databases and users: a server, or a primary and its replicas. */
export default defineRole({
  name: 'postgresql',
  summary: 'PostgreSQL over TLS, with databases and users: a server, or a primary with replicas',
  options,
  facts,

  listens: ({ options: given, host, site }): readonly Listen[] => {
    if (!isReplicatedServer(given, site, host)) return []
    const groups = [
      ...given.clients.filter((name) => site.group(name).length > 0),
      ...(site.group(given.servers).length > 1 ? [given.servers] : []),
    ].map((group) => ({ group }))
    const networks = given.networks.map((network) => ({ network }))
    const from = [...groups, ...networks]
    // Without peers, the server is reached from its own host only.
    return from.length === 0 ? [] : [{ service: 'postgresql', port: PORT, protocol: 'tcp', from, encrypted: true }]
  },

  exposes: ({ options: given, host, site }) =>
    given.metrics && isReplicatedServer(given, site, host)
      ? [{ type: 'metrics', job: 'postgresql', format: 'prometheus', at: `http://127.0.0.1:${EXPORTER_PORT}/metrics` }]
      : [],

  check: faultsOf,

  resources: (context) => {
    const { options: given, host, site, authority } = context
    const trusted = file({ path: PATHS.trusted, content: text`${authority({ domain: 'postgresql' }).certificate}` })
    return isReplicatedServer(given, site, host)
      ? serverResources(context, trusted)
      : [pkg({ name: 'openssl' }), directory({ path: PATHS.directory }), trusted]
  },

  verify: checksOf,
})

const serverResources = (context: HostContext<Options, Own>, trusted: Resource): readonly Resource[] => {
  const { options: given, host, site, authority } = context
  const software = requireSoftware(context)
  const members = replicatedMembers(given, site)
  const isPrimary = members.primary?.name === host.name
  if (!isPrimary) requireReplaceable(context, members.primary?.name ?? '')
  else requirePromoted(context)
  const own = authority({ domain: 'postgresql' })
  const certificate = leaf({
    path: PATHS.pair,
    names: [own.nameOf(host.name), own.nameOf('postgresql')],
    addresses: [...host.addresses],
    authority: own,
    usages: ['server', 'client'],
    group: 'postgres',
  })
  const { loads, restarts } = filesOf(context, { members, software })
  const unit = serverUnit(given, software)
  return [
    pkg({ name: 'openssl' }),
    pkg({ name: software.package }),
    ...given.packages.map((name) => pkg({ name })),
    directory({ path: PATHS.directory }),
    trusted,
    certificate,
    ...loads,
    directory({ path: '/usr/local/lib/provision' }),
    ...restarts,
    unit,
    service({ unit: software.unit, loads: [...loads, certificate, trusted], restarts: [...restarts, unit], took: TOOK }),
    ...(given.metrics ? [pkg({ name: 'prometheus-postgres-exporter' })] : []),
    ...(isPrimary ? [...contents(given, software.cluster, members.servers.length > 1), slots(members, host)] : []),
    ...(given.metrics ? exporterResources() : []),
  ]
}

interface Part {
  readonly members: ReplicatedMembers
  readonly software: Software
}

/** Files of the configuration: those that the server loads again, and those for which it restarts. */
const filesOf = ({ options: given, host, facts, authority }: HostContext<Options, Own>, { members, software }: Part) => {
  const { nameOf } = authority({ domain: 'postgresql' })
  const { servers, primary, clients } = members
  const connection = primary === undefined || primary.name === host.name ? undefined : connectionTo(primary, nameOf)
  const readable = { mode: '640', group: 'postgres' }
  const others = servers.filter(({ name }) => name !== host.name)
  const access = accessFile(given, clients, others)
  const config = serverConfig({ options: given, host, facts, software, servers: servers.length, connection })
  const script = startScript({ software, connection, slot: slotOf(host), discards: given.discard_data_of.includes(host.name) })
  return {
    loads: [
      file({ path: PATHS.ident, content: identFile(members, nameOf), ...readable }),
      file({ path: PATHS.access, content: access, ...readable }),
    ],
    restarts: [
      file({ path: PATHS.config, content: config, ...readable, check: [...configCheck(software)] }),
      file({ path: SCRIPT, content: script, mode: '755' }),
    ],
  }
}

/** A server that cannot read its rules for connections keeps the former ones. */
const TOOK = sh`faults=$(${ask("SELECT line_number || ': ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL")}) || exit 1
[ -z "$faults" ] || { printf '%s\\n' "$faults"; exit 1; }`

const exporterResources = (): readonly Resource[] => {
  const unit = exporterUnit()
  return [unit, service({ unit: EXPORTER, restarts: [unit], reload: 'restart' })]
}
