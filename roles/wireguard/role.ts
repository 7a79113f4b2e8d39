import { defineRole, directory, file, type Listen, pkg, sandbox, service, settingLines, unit, wireguard } from 'provision'
import { checksOf } from './checks.ts'
import { endpointText, faultsOf, membersOf, single } from './members.ts'
import { type Options, options } from './options.ts'
import { meshScript, RUNTIME } from './script.ts'

const UNIT = 'provision-wireguard.service'
const SCRIPT = '/usr/local/lib/provision/wireguard'

/** A mesh of WireGuard: every member reaches every other one through an encrypted tunnel. */
export default defineRole({
  name: 'wireguard',
  summary: 'encrypted mesh between the hosts of a site (WireGuard)',
  options,

  listens: ({ options: given, host, site }): readonly Listen[] => {
    const others = membersOf(given, site).flatMap((one) => (one.host === host.name || one.endpoint === undefined ? [] : [one.endpoint]))
    if (others.length === 0) return []
    // The addresses of peers are those of the mesh, so the flow names those outside of it.
    const from = others.map((endpoint) => ({ network: endpoint }))
    return [{ service: 'wireguard', port: given.port, protocol: 'udp', from, encrypted: true }]
  },

  check: faultsOf,

  resources: ({ options: given, host, site, warn }) => {
    const members = membersOf(given, site)
    const me = members.find((one) => one.host === host.name) ?? { host: host.name, address: undefined, endpoint: undefined }
    if (members.length < 2) warn('this host is the only member of the mesh; bind the role wireguard to the other hosts')
    const script = file({ path: SCRIPT, mode: '755', content: meshScript(given, me) })
    const tunnel = unit({ name: UNIT, content: unitText(given) })
    const packages = ['wireguard-tools', 'iproute2', 'iputils-ping', ...(given.userspace ? ['wireguard-go'] : [])]
    return [
      ...packages.map((name) => pkg({ name })),
      directory({ path: '/etc/wireguard', mode: '700' }),
      directory({ path: '/usr/local/lib/provision' }),
      script,
      tunnel,
      wireguard({
        interface: given.interface,
        me: host.name,
        unit: UNIT,
        keepalive: given.keepalive,
        members: members.map((one) => ({
          host: one.host,
          endpoint: endpointText(one, given),
          addresses: [single(one.address ?? '')],
        })),
      }),
      service({ unit: UNIT, restarts: [script, tunnel] }),
    ]
  },

  verify: checksOf,
})

/** The kernel needs no process. wireguard-go creates the interface itself, and deletes it when it ends. */
const processOf = ({ interface: name, userspace }: Options): string =>
  userspace
    ? `ExecStart=/usr/bin/wireguard-go -f ${name}
ExecStartPost=${SCRIPT} up
Environment=WG_I_PREFER_BUGGY_USERSPACE_TO_POLISHED_KMOD=1
Restart=always
RestartSec=1s
`
    : `Type=oneshot
RemainAfterExit=yes
ExecStart=${SCRIPT} up
ExecStop=${SCRIPT} down
`

const unitText = (given: Options): string => `# Written by provision.
[Unit]
Description=Mesh of WireGuard
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
${processOf(given)}ExecReload=${SCRIPT} reload
RuntimeDirectory=${RUNTIME}${given.userspace ? ' wireguard' : ''}
RuntimeDirectoryMode=0700
${settingLines(
  sandbox(
    { network: 'all', capabilities: ['CAP_NET_ADMIN'] },
    {
      RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6',
      ...(given.userspace && { PrivateDevices: 'no', DeviceAllow: '/dev/net/tun rw' }),
    },
  ),
)}
[Install]
WantedBy=multi-user.target
`
