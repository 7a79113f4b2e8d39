import { type Check, defeatsScript } from 'provision'
import { BOOT_FILE, UNIT } from './unit.ts'

/** What is asked of the live host: that our rules are in force, will be, and are not defeated by anybody else's. */
export const checksOf = (host: string): readonly Check[] => [
  {
    name: `the firewall of ${host} drops what it does not know`,
    script: `rules=$(nft -t list table inet provision) || exit
! printf '%s\\n' "$rules" | grep -q '^[[:space:]]*flags .*dormant' || { echo 'the table is dormant: none of its rules is in force'; exit 1; }
printf '%s\\n' "$rules" | grep -q 'hook input priority filter; policy drop;'`,
  },
  {
    name: `the firewall of ${host} comes back after a boot`,
    script: `systemctl is-enabled --quiet ${UNIT} && nft -c -f ${BOOT_FILE}`,
  },
  {
    name: `no change to the firewall of ${host} waits for its confirmation`,
    script: `for p in /var/lib/provision/nftables/inet-provision.pending.* /var/lib/provision/nftables/inet-provision.undoing.*; do
[ ! -e "$p" ] || { echo "since $(date -ur "$p" +%FT%TZ): the next run settles it"; exit 1; }
done`,
  },
  {
    name: `the firewall of ${host} lets administrators come to sshd`,
    script: `rules=$(nft list chain inet provision input) || exit
for port in $(sshd -T 2>/dev/null | sed -n 's/^port //p'); do
printf '%s\\n' "$rules" | grep -Eq "^[[:space:]]*tcp dport ([{] )?([0-9]+, )*$port[, ].* accept" || { echo "nothing lets anybody in on port $port"; exit 1; }
done`,
  },
  {
    name: `nobody else's rules defeat the firewall of ${host}`,
    script: defeatsScript('inet provision'),
  },
]
