import { dropin, type Resource, sandbox, settingLines } from 'provision'

/** Unit that loads the table at boot. */
export const UNIT = 'provision-firewall.service'

/** File with the last confirmed rules, written by the kind nftables. */
export const BOOT_FILE = '/etc/provision/nftables/inet-provision.nft'

const NFT = { network: 'kernel', capabilities: ['CAP_NET_ADMIN'], early: true } as const

/**
 * Content of the unit. It starts before the network and before ordinary services and sockets (a socket of sshd does not wait for the
 * network), and after the distribution's nftables.service. It has no ExecStop, so that a host stays closed while it shuts down. Before the
 * first confirmation there are no rules to load. A failed start at boot is repeated: a late host is better than an open one.
 */
export const unitText = (rules: string): string => `# Written by provision (role firewall).
[Unit]
Description=Firewall (the nftables table of provision)
ConditionPathExists=${rules}
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target nftables.service
Before=network-pre.target sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
Restart=on-failure
RestartSec=1
ExecStart=/usr/sbin/nft -f ${rules}
ExecReload=/usr/sbin/nft -f ${rules}
${settingLines(sandbox(NFT))}
[Install]
WantedBy=sysinit.target
`

/**
 * Drop-in for the distribution's nftables.service, which flushes all rules whenever it is started, reloaded or stopped, by hand or by an
 * upgrade. The drop-in loads the table again each time. The unit may resolve host names, because other rules may contain some.
 */
export const nftablesDropin = (rules: string): Resource => {
  const load = `-/usr/sbin/nft -f ${rules}`
  return dropin({
    unit: 'nftables.service',
    name: 'provision-firewall',
    settings: {
      Service: {
        ExecStartPost: load,
        ExecReload: load,
        ExecStopPost: load,
        ...sandbox({ ...NFT, network: 'all' }, { RestrictAddressFamilies: 'AF_UNIX AF_NETLINK AF_INET AF_INET6' }),
      },
    },
  })
}
