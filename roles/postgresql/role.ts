import { defineRole, directory, file, type HostContext, type Listen, leaf, pkg, type Resource, service, sh, text, z } from 'provision'
import { accessFile } from './access.ts'
import { ask, checksOf } from './checks.ts'
import { PATHS, PORT, serverConfig } from './config.ts'
import { contents } from './contents.ts'
import { faultsOf } from './faults.ts'
import { clientsOf, isServer, type Options, options } from './options.ts'
import { requireSoftware } from './release.ts'
import { EXPORTER, EXPORTER_PORT, exporterUnit, serverUnit } from './unit.ts'
import { configCheck } from './validation.ts'

/** The clusters that the host has, as versions and names. */
const facts = {
  script: sh`set --; for one in /etc/postgresql/*/*/postgresql.conf; do
  [ ! -e "$one" ] || { one=\${one%/postgresql.conf}; set -- "$@" "\${one#/etc/postgresql/}"; }
done
printf 'clusters=%s\\n' "$*"`,
  schema: z.object({ clusters: z.string().transform((names): readonly string[] => names.split(' ').filter((name) => name !== '')) }),
}

type Own = z.output<typeof facts.schema>

/** A PostgreSQL server over TLS, with its databases and users. */
export default defineRole({
  name: 'postgresql',
  summary: 'PostgreSQL server over TLS, with its databases and users',
  options,
  facts,

  listens: ({ options: given, host, site }): readonly Listen[] => {
    if (!isServer(given, site, host)) return []
    const groups = given.clients.filter((name) => site.group(name).length > 0).map((group) => ({ group }))
    const networks = given.networks.map((network) => ({ network }))
    return [{ service: 'postgresql', port: PORT, protocol: 'tcp', from: [...groups, ...networks], encrypted: true }]
  },

  exposes: ({ options: given, host, site }) =>
    given.metrics && isServer(given, site, host)
      ? [{ type: 'metrics', job: 'postgresql', format: 'prometheus', at: `http://127.0.0.1:${EXPORTER_PORT}/metrics` }]
      : [],

  check: faultsOf,

  resources: (context) => {
    const { options: given, host, site, authority } = context
    const trusted = file({ path: PATHS.trusted, content: text`${authority({ domain: 'postgresql' }).certificate}` })
    return isServer(given, site, host)
      ? serverResources(context, trusted)
      : [pkg({ name: 'openssl' }), directory({ path: PATHS.directory }), trusted]
  },

  verify: checksOf,
})

const serverResources = (context: HostContext<Options, Own>, trusted: Resource): readonly Resource[] => {
  const { options: given, host, site, facts, authority } = context
  const software = requireSoftware(context)
  const own = authority({ domain: 'postgresql' })
  const certificate = leaf({
    path: PATHS.pair,
    names: [own.nameOf(host.name), own.nameOf('postgresql')],
    addresses: [...host.addresses],
    authority: own,
    usages: ['server'],
    group: 'postgres',
  })
  const readable = { mode: '640', group: 'postgres' }
  const config = file({
    ...{ path: PATHS.config, content: serverConfig({ options: given, host, facts, software }), ...readable },
    check: [...configCheck(software)],
  })
  const access = file({ path: PATHS.access, content: accessFile(given, clientsOf(given, site)), ...readable })
  const unit = serverUnit(given, software)
  return [
    pkg({ name: 'openssl' }),
    pkg({ name: software.package }),
    ...given.packages.map((name) => pkg({ name })),
    directory({ path: PATHS.directory }),
    trusted,
    certificate,
    config,
    access,
    unit,
    service({ unit: software.unit, loads: [access, certificate], restarts: [config, unit], took: TOOK }),
    ...(given.metrics ? [pkg({ name: 'prometheus-postgres-exporter' })] : []),
    ...contents(given, software.cluster),
    ...(given.metrics ? exporterResources() : []),
  ]
}

/** A server that cannot read its rules for connections keeps the former ones. */
const TOOK = sh`faults=$(${ask("SELECT line_number || ': ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL")}) || exit 1
[ -z "$faults" ] || { printf '%s\\n' "$faults"; exit 1; }`

const exporterResources = (): readonly Resource[] => {
  const unit = exporterUnit()
  return [unit, service({ unit: EXPORTER, restarts: [unit], reload: 'restart' })]
}
