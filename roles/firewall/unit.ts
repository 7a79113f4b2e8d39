/** The unit that loads our table at boot. */
export const UNIT = 'provision-firewall.service'

/**
 * Before the network is set up, before any ordinary service or socket (a socket of sshd waits for no network), and after the
 * distribution's own nftables.service. Whenever that one is restarted or reloaded, by hand or by an upgrade of its package, it flushes
 * the rules of everybody: ours are loaded again with it. No ExecStop: a host that goes down shall not open up first. Before the first
 * rules were confirmed there is nothing to load.
 */
export const unitText = (rules: string): string => `# Written by provision (role firewall).
[Unit]
Description=Firewall (the nftables table of provision)
ConditionPathExists=${rules}
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target nftables.service
Before=network-pre.target sysinit.target shutdown.target
PartOf=nftables.service
ReloadPropagatedFrom=nftables.service
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${rules}
ExecReload=/usr/sbin/nft -f ${rules}

[Install]
WantedBy=sysinit.target nftables.service
`
