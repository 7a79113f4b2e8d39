import type { Check } from 'provision'
import { UNIT } from './unit.ts'

const BOOT = '/etc/provision/nftables/inet-provision.nft'

/** What is asked of the live host: that our rules are in force, will be, and are not defeated by anybody else's. */
export const checksOf = (host: string): readonly Check[] => [
  {
    name: `the firewall of ${host} drops what it does not know`,
    script: `nft list chain inet provision input | grep -q 'hook input priority filter; policy drop;'`,
  },
  {
    name: `the firewall of ${host} comes back after a boot`,
    script: `systemctl is-enabled --quiet ${UNIT} && nft -c -f ${BOOT}`,
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
    script: `nft -t list ruleset | awk '${FOREIGN}'`,
  },
]

// Only what can be told for sure is told: a rule that is for all packets to a port that we open, in a chain that the kernel comes
// to. Bans of single sources, and what containers publish beside our ports, are as their owners want them.
const FOREIGN = `
function has(ports, port,   list, n, i, ends) {
  gsub(/[{} ]/, "", ports); n = split(ports, list, ",")
  for (i = 1; i <= n; i++) { split(list[i], ends, "-"); if (port + 0 >= ends[1] + 0 && port + 0 <= (ends[2] == "" ? ends[1] : ends[2]) + 0) return 1 }
  return 0
}
function tell(i, what) { print "table " table[i] ", chain " chain[i] ": " said[i] " (" what ")"; bad = 1 }
{ sub(/^[ \\t]+/, "") }
/^table / { t = $2 " " $3; next }
/^chain / { c = $2; next }
/^(set|map|counter|limit|quota|flowtable|ct [a-z]+|meter) .*[{]$/ && c == "" { inner = 1; next }
$0 == "}" { if (inner) inner = 0; else if (c != "") c = ""; else t = ""; next }
c == "" || inner { next }
/^type / {
  if ($4 ~ /^(input|prerouting|ingress)$/ && t !~ /^(bridge|arp) /) {
    reached[t, c] = called[t, c] = 1
    if (/policy drop/ && t != "inet provision") { shut[t] = c; how[t] = "policy drop" }
  }
  next
}
{
  if (match($0, /(jump|goto) [^ ]+/)) { split(substr($0, RSTART, RLENGTH), to, " "); reached[t, to[2]] = 1 }
  rule = $0; sub(/ comment "[^"]*"$/, "", rule); gsub(/counter (packets [0-9]+ bytes [0-9]+|name "[^"]*")/, "", rule)
  proto = ports = ""
  if (match(rule, /(tcp|udp) dport ([{][^}]*[}]|[0-9-]+)/)) {
    ports = substr(rule, RSTART, RLENGTH); proto = substr(ports, 1, 3); sub(/^... dport /, "", ports)
    rest = substr(rule, 1, RSTART - 1) substr(rule, RSTART + RLENGTH)
  } else rest = rule
  gsub(/meta l4proto [a-z]+|ip protocol [a-z]+|log( prefix "[^"]*")?( level [a-z]+)?/, "", rest); gsub(/^ +| +$/, "", rest); gsub(/  +/, " ", rest)
  if (t == "inet provision") {
    if (c == "input" && / accept comment "[0-9].*\\/(tcp|udp) [(]/) { gsub(/[{} ]/, "", ports); m = split(ports, own, ","); for (i = 1; i <= m; i++) open[proto " " own[i]] = 1 }
    next
  }
  if ((t, c) in called && rest ~ /^(drop|reject( with .*)?)$/ && ports == "") { shut[t] = c; how[t] = $0 }
  n++; table[n] = t; chain[n] = c; said[n] = $0; protos[n] = proto; dports[n] = ports; rests[n] = rest
}
END {
  for (key in open) {
    split(key, one, " ")
    split("", admitted); split("", let)
    for (i = 1; i <= n; i++) {
      if (!((table[i], chain[i]) in reached)) continue
      mine = protos[i] == one[1] && has(dports[i], one[2])
      if (rests[i] ~ /(accept|return)$/ && mine) admitted[table[i], chain[i]] = 1
      if (mine && rests[i] ~ /^(drop|reject( with .*)?)$/ && !((table[i], chain[i]) in admitted)) tell(i, "shuts " one[2] "/" one[1] ", which our rules open")
      if (mine && rests[i] ~ /^(redirect|dnat)( .*)?$/) tell(i, "takes " one[2] "/" one[1] " away before our rules see it")
      if (!mine && protos[i] == one[1] && rests[i] ~ "^redirect to :" one[2] "$") tell(i, "opens a port that our rules shut, by way of " one[2] "/" one[1])
      if (rests[i] ~ /accept/ && (mine || (dports[i] == "" && rests[i] !~ /ct (state|status)|iif(name)? "lo"|icmp|saddr|daddr|limit/)) || rests[i] ~ /xt (match|target)|vmap/) let[table[i]] = 1
    }
    for (t in shut) if (!(t in let)) { print "table " t ", chain " shut[t] ": " how[t] " (shuts " one[2] "/" one[1] ", which our rules open)"; bad = 1 }
  }
  exit bad
}`
