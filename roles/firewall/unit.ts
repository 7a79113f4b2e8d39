import { dropin, type Resource, sandbox, settingLines } from 'provision'

/** The unit that loads our table at boot. */
export const UNIT = 'provision-firewall.service'

/** Where the kind keeps the rules that were confirmed last. */
export const BOOT_FILE = '/etc/provision/nftables/inet-provision.nft'

const NFT = { network: 'kernel', capabilities: ['CAP_NET_ADMIN'], early: true } as const

/**
 * Before the network is set up, before any ordinary service or socket (a socket of sshd waits for no network), and after the
 * distribution's own nftables.service. No ExecStop: a host that goes down shall not open up first. Before the first rules were
 * confirmed there is nothing to load. A start that fails at boot is repeated, by default five times: an open host is worse than a late one.
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
 * The distribution's own nftables.service, where somebody uses it, flushes the rules of everybody whenever it is started, reloaded or
 * stopped: by hand, or by an upgrade of its package. Ours are loaded again before it is done with that. Rules of others may contain
 * host names.
 */
export const besideNftables = (rules: string): Resource => {
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
