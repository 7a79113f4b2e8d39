import { blocksIn, readNft, statementsIn } from './reader.ts'

/**
 * POSIX sh that prints a line for each rule of somebody else's that surely defeats those of our table (`inet provision`), and fails
 * where there is one. Which ports are ours the table says that is in force; or `rules`, the text of one that shall be.
 */
export const defeatsScript = (table: string, rules?: string): string =>
  `nft -t list ruleset 2>/dev/null | awk -v ours='${table}' -v planned='${rules === undefined ? '' : openPorts(rules).join(' ')}' '${DEFEATS}'`

/** Whether these rules let anybody in whom others could shut out. */
export const hasDefeats = (rules: string): boolean => openPorts(rules).length > 0

/** `tcp 443`, by the rules of the chains that a packet for the host itself comes through. */
const openPorts = (rules: string): readonly string[] =>
  blocksIn(readNft(rules))
    .flatMap(({ body }) => blocksIn(body))
    .filter(({ body }) => statementsIn(body).some((statement) => / hook input /.test(statement)))
    .flatMap(({ body }) => statementsIn(body))
    .filter((rule) => /\baccept\b/.test(rule) && !/ sport /.test(rule))
    .flatMap((rule) => {
      const [, protocol, ports = ''] = /\b(tcp|udp) dport (\{[\d ,-]+\}|[\d-]+)/.exec(rule) ?? []
      return ports
        .replaceAll(/[{} ]/g, '')
        .split(',')
        .flatMap((port) => (protocol === undefined || port === '' ? [] : [`${protocol} ${port}`]))
    })

// A plan shall cost nothing where there is nothing to do: thousands of rules (a node of Kubernetes) take seconds, and are left to
// whoever asks about the table in force. Half of them would not do: what shuts a port may be taken back further down.
const MAX_RULES = 5000

// Only what can be told for sure is told: a rule that is for all packets to a port that we open, in a chain that the kernel comes
// to. Bans of single sources, and what containers publish beside our ports, are as their owners want them.
const DEFEATS = `
function has(ports, port,   list, n, i, ends) {
  gsub(/[{} ]/, "", ports); n = split(ports, list, ",")
  for (i = 1; i <= n; i++) { split(list[i], ends, "-"); if (port + 0 >= ends[1] + 0 && port + 0 <= (ends[2] == "" ? ends[1] : ends[2]) + 0) return 1 }
  return 0
}
function opens(proto, port) { if (!((proto, port) in open)) { open[proto, port] = 1; order[++k] = proto " " port } }
function tell(what, port, whose) {
  if (!((what, whose) in ports)) { said_of[++told] = what; whose_of[told] = whose }
  ports[what, whose] = ports[what, whose] (ports[what, whose] == "" ? "" : ", ") port
}
function shuts(rule) { if (!(t in shut)) shutter[++shutters] = t; shut[t] = c; how[t] = rule }
function plainly(rule) { gsub(/counter packets [0-9]+ bytes [0-9]+/, "counter", rule); return rule }
BEGIN { m = split(planned, own, " "); for (i = 1; i < m; i += 2) opens(own[i], own[i + 1]) }
planned != "" && NR > ${MAX_RULES} { gave_up = 1; exit }
{ sub(/^[ \\t]+/, "") }
/^table / { t = $2 " " $3; next }
/^chain / { c = $2; next }
/^(set|map|counter|limit|quota|flowtable|ct [a-z]+|meter) .*[{]$/ && c == "" { inner = 1; next }
$0 == "}" { if (inner) inner = 0; else if (c != "") c = ""; else t = ""; next }
c == "" || inner { next }
/^type / {
  if ($4 ~ /^(input|prerouting|ingress)$/ && t !~ /^(bridge|arp) /) {
    reached[t, c] = called[t, c] = 1
    if (/policy drop/ && t != ours) shuts("policy drop")
  }
  next
}
{
  if (match($0, /(jump|goto) [^ ]+/)) { split(substr($0, RSTART, RLENGTH), to, " "); reached[t, to[2]] = 1 }
  rule = $0; sub(/ comment "[^"]*"$/, "", rule); gsub(/counter (packets [0-9]+ bytes [0-9]+|name "[^"]*")/, "", rule)
  proto = ports_of = ""
  if (match(rule, /(tcp|udp) dport ([{][^}]*[}]|[0-9-]+)/)) {
    ports_of = substr(rule, RSTART, RLENGTH); proto = substr(ports_of, 1, 3); sub(/^... dport /, "", ports_of)
    rest = substr(rule, 1, RSTART - 1) substr(rule, RSTART + RLENGTH)
  } else rest = rule
  gsub(/meta l4proto [a-z]+|ip protocol [a-z]+|log( prefix "[^"]*")?( level [a-z]+)?/, "", rest); gsub(/^ +| +$/, "", rest); gsub(/  +/, " ", rest)
  if (t == ours) {
    if (planned == "" && c == "input" && rest ~ /accept/ && rule !~ / sport / && ports_of != "") { gsub(/[{} ]/, "", ports_of); m = split(ports_of, own, ","); for (i = 1; i <= m; i++) opens(proto, own[i]) }
    next
  }
  if ((t, c) in called && rest ~ /^(drop|reject( with .*)?)$/ && ports_of == "") shuts(plainly($0))
  n++; table[n] = t; chain[n] = c; said[n] = plainly($0); protos[n] = proto; dports[n] = ports_of; rests[n] = rest
}
END {
  if (gave_up) exit 0
  for (o = 1; o <= k; o++) {
    split(order[o], one, " "); port = one[2] "/" one[1]
    split("", admitted); split("", let)
    for (i = 1; i <= n; i++) {
      if (!((table[i], chain[i]) in reached)) continue
      mine = protos[i] == one[1] && has(dports[i], one[2])
      if (rests[i] ~ /(accept|return)$/ && mine) admitted[table[i], chain[i]] = 1
      rule = "table " table[i] ", chain " chain[i] ": " said[i]
      if (mine && rests[i] ~ /^(drop|reject( with .*)?)$/ && !((table[i], chain[i]) in admitted)) tell(rule " shuts", port, "which our rules open")
      if (mine && rests[i] ~ /^(redirect|dnat)( .*)?$/) tell(rule " takes away", port, "before our rules see it")
      if (!mine && protos[i] == one[1] && rests[i] ~ "^redirect to :" one[2] "$") tell(rule " leads to", port, "from a port that our rules shut")
      if (rests[i] ~ /accept/ && (mine || (dports[i] == "" && rests[i] !~ /ct (state|status)|iif(name)? "lo"|icmp|saddr|daddr|limit/)) || rests[i] ~ /xt (match|target)|vmap/) let[table[i]] = 1
    }
    for (s = 1; s <= shutters; s++) if (!(shutter[s] in let)) tell("table " shutter[s] ", chain " shut[shutter[s]] ": " how[shutter[s]] " shuts", port, "which our rules open")
  }
  for (i = 1; i <= told; i++) print said_of[i] " " ports[said_of[i], whose_of[i]] ", " whose_of[i]
  exit told > 0
}`
