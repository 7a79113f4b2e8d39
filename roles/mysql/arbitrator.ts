import { bracketed, directory, dropin, file, galera, type HostContext, leaf, pkg, type Resource, service, text, user } from 'provision'
import { addressOf } from './addresses.ts'
import { socketOptions } from './config.ts'
import { membersOf, type Options } from './options.ts'
import { ARBITRATOR_OPTIONS, providerWords } from './provider-options.ts'
import { arbitratorSandbox } from './sandbox.ts'

const PKI = { directory: '/etc/garbd', pair: '/etc/garbd/host.pem', trusted: '/etc/garbd/authority.pem' }
const UNIT = 'garb.service'
/** The default, which garbd 26.4.9 requires explicitly. */
const ANY_CIPHER = 'socket.ssl_cipher='

/** Resources of an arbitrator: garbd, which votes and holds no data. */
export const arbitratorResources = ({ options: given, host, site, authority }: HostContext<Options>): readonly Resource[] => {
  const members = membersOf(given, site)
  const own = authority({ domain: 'database' })
  const certificate = leaf({ path: PKI.pair, names: [own.nameOf(host.name)], authority: own, usages: ['server', 'client'], group: 'garbd' })
  const trusted = file({ path: PKI.trusted, content: text`${own.certificate}` })
  const address = bracketed(addressOf(host, members))
  const config = file({
    path: '/etc/default/garb',
    content: `# Written by provision.
GALERA_NODES="${members.servers.map((server) => `${bracketed(addressOf(server, members))}:4567`).join(' ')}"
GALERA_GROUP="${given.cluster}"
GALERA_OPTIONS="${[...socketOptions(PKI), ANY_CIPHER, `gmcast.listen_addr=ssl://${address}:4567`, ...providerWords(given.provider_options, ARBITRATOR_OPTIONS)].join(';')}"
`,
  })
  const unit = dropin({
    unit: UNIT,
    name: 'provision',
    settings: {
      Unit: { Wants: 'network-online.target', After: 'network-online.target', StartLimitIntervalSec: '0' },
      Service: {
        User: 'garbd',
        Group: 'garbd',
        StateDirectory: 'garbd',
        // Instead of WORK_DIR, which 26.4.16 appends to the options without a separator and 26.4.9 does not know.
        WorkingDirectory: '/var/lib/garbd',
        Restart: 'always',
        RestartSec: '3s',
        ...arbitratorSandbox(),
      },
    },
  })
  return [
    user({ name: 'garbd', system: true, home: '/var/lib/garbd' }),
    pkg({ name: 'galera-arbitrator-4' }),
    pkg({ name: 'openssl' }),
    directory({ path: PKI.directory }),
    trusted,
    certificate,
    unit,
    config,
    galera({
      cluster: given.cluster,
      me: host.name,
      servers: members.servers.map(({ name }) => name),
      arbitrators: members.arbitrators.map(({ name }) => name),
      service: service({ unit: UNIT, restarts: [certificate, trusted, config, unit] }),
      discardDataOf: given.discard_data_of,
    }),
  ]
}
