import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { blocksIn, readNft, statementsIn } from './reader.ts'

/**
 * A script that prints a line for each foreign rule that certainly defeats a rule of our table (`inet provision`), and fails if there is
 * one, or if nft cannot list the rules (then the request ends). Our open ports are read from the active table, or from `rules` if that is given.
 */
export const defeatsScript = (table: string, rules?: string): Script =>
  sh`{ nft -t list ruleset >"$T/ruleset" || exit; awk -v ours=${table} -v planned=${rules === undefined ? '' : openPorts(rules).join(' ')} ${DEFEATS} "$T/ruleset"; }`

/** Whether these rules open ports, which foreign rules could close. */
export const hasDefeats = (rules: string): boolean => openPorts(rules).length > 0

/** Open ports (`tcp 443`), by the rules of the input chains. */
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

// A plan must stay fast: thousands of rules (a Kubernetes node) take seconds, so they are checked only by `provision verify`. A part of
// them would not suffice, because a later rule may reopen a port.
const MAX_RULES = 5000

// Reports only certain conflicts: a rule for all packets to a port that we open, in a chain that the kernel reaches. Bans of single sources
// and ports published by containers are the choice of their owners.
const DEFEATS = `
function has(ports, port,   list, n, i, ends) {
  gsub(/[{} ]/, "", ports); n = split(ports, list, ",")
  for (i = 1; i <= n; i++) { split(list[i], ends, "-"); if (port + 0 >= ends[1] + 0 && port + 0 <= (ends[2] == "" ? ends[1] : ends[2]) + 0) return 1 }
  return 0
}
function opens(proto, port) { if (!((proto, port) in open)) { open[proto, port] = 1; order[++k] = proto " " port } }
function report(what, port, effect) {
  if (!((what, effect) in ports)) { reported[++count] = what; effects[count] = effect }
  ports[what, effect] = ports[what, effect] (ports[what, effect] == "" ? "" : ", ") port
}
function drops_all(rule) { if (!(t in dropping)) dropping_tables[++dropping_count] = t; dropping[t] = c; how[t] = rule }
function without_counts(rule) { gsub(/counter packets [0-9]+ bytes [0-9]+/, "counter", rule); return rule }
BEGIN { m = split(planned, own, " "); for (i = 1; i < m; i += 2) opens(own[i], own[i + 1]) }
planned != "" && NR > ${MAX_RULES} { skipped = 1; exit }
{ sub(/^[ \\t]+/, "") }
/^table / { t = $2 " " $3; next }
/^chain / { c = $2; next }
/^(set|map|counter|limit|quota|flowtable|ct [a-z]+|meter) .*[{]$/ && c == "" { inner = 1; next }
$0 == "}" { if (inner) inner = 0; else if (c != "") c = ""; else t = ""; next }
c == "" || inner { next }
/^type / {
  if ($4 ~ /^(input|prerouting|ingress)$/ && t !~ /^(bridge|arp) /) {
    reached[t, c] = called[t, c] = 1
    if (/policy drop/ && t != ours) drops_all("policy drop")
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
  if ((t, c) in called && rest ~ /^(drop|reject( with .*)?)$/ && ports_of == "") drops_all(without_counts($0))
  n++; table[n] = t; chain[n] = c; text[n] = without_counts($0); protos[n] = proto; dports[n] = ports_of; rests[n] = rest
}
END {
  if (skipped) exit 0
  for (o = 1; o <= k; o++) {
    split(order[o], one, " "); port = one[2] "/" one[1]
    split("", admitted); split("", accepting)
    for (i = 1; i <= n; i++) {
      if (!((table[i], chain[i]) in reached)) continue
      mine = protos[i] == one[1] && has(dports[i], one[2])
      if (rests[i] ~ /(accept|return)$/ && mine) admitted[table[i], chain[i]] = 1
      rule = "table " table[i] ", chain " chain[i] ": " text[i]
      if (mine && rests[i] ~ /^(drop|reject( with .*)?)$/ && !((table[i], chain[i]) in admitted)) report(rule " blocks", port, "which provision opens")
      if (mine && rests[i] ~ /^(redirect|dnat)( .*)?$/) report(rule " redirects", port, "before the rules of provision apply")
      if (!mine && protos[i] == one[1] && rests[i] ~ "^redirect to :" one[2] "$") report(rule " redirects to", port, "from a port that provision closes")
      if (rests[i] ~ /accept/ && (mine || (dports[i] == "" && rests[i] !~ /ct (state|status)|iif(name)? "lo"|icmp|saddr|daddr|limit/)) || rests[i] ~ /xt (match|target)|vmap/) accepting[table[i]] = 1
    }
    for (s = 1; s <= dropping_count; s++) if (!(dropping_tables[s] in accepting)) report("table " dropping_tables[s] ", chain " dropping[dropping_tables[s]] ": " how[dropping_tables[s]] " blocks", port, "which provision opens")
  }
  for (i = 1; i <= count; i++) print reported[i] " " ports[reported[i], effects[i]] ", " effects[i]
  exit count > 0
}`
