import {
  defineRole,
  directory,
  file,
  type HostContext,
  isReplicatedServer,
  type Listen,
  leaf,
  pkg,
  type Resource,
  replicatedMembers,
  service,
  sh,
  sysctl,
  text,
} from 'provision'
import { accountsFile, passwordOf } from './accounts.ts'
import { checksOf } from './checks.ts'
import { PATHS, serverConfig } from './config.ts'
import { faultsOf } from './faults.ts'
import { type Options, options } from './options.ts'
import { requireRelease, type Software, softwareOf } from './release.ts'
import { redisScript, SCRIPT } from './script.ts'
import { EXPORTER, EXPORTER_PORT, exporterUnit, serverUnit } from './unit.ts'

/** Redis, or Valkey where the release has it: a server, or a primary and its replicas, over TLS. */
export default defineRole({
  name: 'redis',
  summary: 'Valkey or Redis: a server, or a primary with replicas, over TLS',
  options,

  listens: ({ options: given, host, site }): readonly Listen[] => {
    if (!isReplicatedServer(given, site, host)) return []
    const groups = [...given.clients.filter((name) => site.group(name).length > 0), given.servers]
    return [
      { service: 'redis', port: given.port, protocol: 'tcp', from: [...new Set(groups)].map((group) => ({ group })), encrypted: true },
    ]
  },

  exposes: ({ options: given, host, site }) =>
    given.metrics && isReplicatedServer(given, site, host)
      ? [{ type: 'metrics', job: 'redis', format: 'prometheus', at: `http://127.0.0.1:${EXPORTER_PORT}/metrics` }]
      : [],

  check: faultsOf,

  resources: (context) => {
    const { options: given, host, site, authority } = context
    const trusted = file({ path: PATHS.trusted, content: text`${authority({ domain: 'redis' }).certificate}` })
    return isReplicatedServer(given, site, host)
      ? serverResources(context, trusted)
      : [pkg({ name: 'openssl' }), directory({ path: PATHS.directory }), trusted]
  },

  verify: checksOf,
})

const serverResources = (context: HostContext<Options>, trusted: Resource): readonly Resource[] => {
  const { options: given, host, site, facts, authority, warn } = context
  requireRelease(context)
  const members = replicatedMembers(given, site)
  if (members.servers.length === 1 && given.persistence === 'none')
    warn('this server has no persistence: a restart loses all data; set `persistence` under redis if it is more than a cache')
  const software = softwareOf(facts)
  const { account } = software
  const own = authority({ domain: 'redis' })
  const certificate = leaf({
    path: PATHS.pair,
    names: [own.nameOf(host.name), own.nameOf('redis')],
    addresses: [...host.addresses],
    authority: own,
    usages: ['server', 'client'],
    group: account,
  })
  const readable = { mode: '640', group: account }
  const administrator = file({ path: PATHS.administrator, content: text`${passwordOf('provision', given)}\n`, ...readable })
  const accounts = file({ path: PATHS.accounts, content: accountsFile(given, software.hasChannels), ...readable })
  const config = file({ path: PATHS.config, content: serverConfig({ options: given, members, host, facts }), ...readable })
  const script = file({ path: SCRIPT, content: redisScript(given, software), mode: '755' })
  const server = serverUnit(software)
  return [
    pkg({ name: 'openssl' }),
    pkg({ name: software.package }),
    directory({ path: PATHS.directory }),
    trusted,
    certificate,
    // Without it, a snapshot fails as soon as the data has half of the memory. The kernel of a container is the machine's.
    ...(facts.container ? [] : [sysctl({ key: 'vm.overcommit_memory', value: '1' })]),
    administrator,
    accounts,
    config,
    directory({ path: '/usr/local/lib/provision' }),
    script,
    server,
    service({
      unit: software.unit,
      loads: [accounts, certificate, trusted],
      restarts: [config, administrator, script, server],
      took: sh`${SCRIPT} ask ping >/dev/null`,
    }),
    ...(given.metrics ? exporterResources(given, software) : []),
  ]
}

const exporterResources = (given: Options, software: Software): readonly Resource[] => {
  const environment = file({ path: PATHS.exporter, content: text`REDIS_PASSWORD=${passwordOf('provision-monitor', given)}\n`, mode: '600' })
  const exporter = exporterUnit(software)
  return [
    pkg({ name: 'prometheus-redis-exporter' }),
    environment,
    exporter,
    service({ unit: EXPORTER, restarts: [environment, exporter], reload: 'restart' }),
  ]
}
