/** The unit that loads our table at boot. */
export const UNIT = 'provision-firewall.service'

/**
 * Before the network is set up, and after the distribution's own nftables.service, whose configuration flushes everything. It
 * has no ExecStop: a host that goes down shall not open up first. Before the first rules were confirmed there is nothing to load.
 */
export const unitText = (rules: string): string => `# Written by provision (role firewall).
[Unit]
Description=Firewall (the nftables table of provision)
ConditionPathExists=${rules}
DefaultDependencies=no
Wants=network-pre.target
After=local-fs.target nftables.service
Before=network-pre.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f ${rules}
ExecReload=/usr/sbin/nft -f ${rules}

[Install]
WantedBy=sysinit.target
`
