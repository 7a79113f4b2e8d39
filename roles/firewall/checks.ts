import { type Check, defeatsScript } from 'provision'
import { needsForwarding, type Options } from './options.ts'
import { BOOT_FILE, UNIT } from './unit.ts'

/** Checks of `provision verify`: the rules are in force, are loaded at boot, and other rules do not defeat them. */
export const checksOf = (host: string, options: Options): readonly Check[] => [
  {
    name: `the firewall of ${host} drops unknown packets`,
    script: `rules=$(nft -t list table inet provision) || exit
! printf '%s\\n' "$rules" | grep -q '^[[:space:]]*flags .*dormant' || { echo 'the table is dormant, so its rules are not in force'; exit 1; }
printf '%s\\n' "$rules" | grep -q 'hook input priority filter; policy drop;' || { echo 'the chain input does not drop packets by default'; exit 1; }`,
  },
  {
    name: `the firewall of ${host} is loaded at boot`,
    script: `systemctl is-enabled --quiet ${UNIT} || { echo ${UNIT} is not enabled; exit 1; }; nft -c -f ${BOOT_FILE}`,
  },
  {
    name: `no firewall change on ${host} is unconfirmed`,
    script: `for p in /var/lib/provision/nftables/inet-provision.pending.* /var/lib/provision/nftables/inet-provision.undoing.*; do
[ ! -e "$p" ] || { echo "a change from $(date -ur "$p" +%FT%TZ) is unconfirmed: the next run resolves it"; exit 1; }
done`,
  },
  {
    name: `the firewall of ${host} admits administrators to sshd`,
    script: `rules=$(nft list chain inet provision input) || exit
settings=$(sshd -T) || exit
for port in $(printf '%s\\n' "$settings" | sed -n 's/^port //p'); do
printf '%s\\n' "$rules" | grep -Eq "^[[:space:]]*tcp dport ([{] )?([0-9]+, )*\${port}[, ].* accept" || { echo "no rule opens port $port"; exit 1; }
done`,
  },
  {
    name: `no other rules defeat the firewall of ${host}`,
    script: defeatsScript('inet provision'),
  },
  ...optionChecks(host, options),
]

const optionChecks = (host: string, options: Options): readonly Check[] => [
  ...(options.outgoing.policy === 'drop'
    ? [
        {
          name: `the firewall of ${host} drops outgoing packets that nothing permits`,
          script: `rules=$(nft -t list chain inet provision output) || exit
printf '%s\\n' "$rules" | grep -q 'hook output priority filter; policy drop;' || { echo 'the chain output does not drop packets by default'; exit 1; }`,
        },
      ]
    : []),
  ...(needsForwarding(options)
    ? [
        {
          name: `${host} forwards packets`,
          script: `[ "$(cat /proc/sys/net/ipv4/ip_forward)" = 1 ] || { echo 'net.ipv4.ip_forward is 0'; exit 1; }`,
        },
      ]
    : []),
  ...Object.keys(options.interfaces).map((name) => ({
    name: `${host} has the interface ${name} of the firewall`,
    script: `[ -e /sys/class/net/${name} ] || { echo 'the interface ${name} does not exist, so its rules match nothing'; exit 1; }`,
  })),
]
