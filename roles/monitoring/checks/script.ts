import { sh } from 'provision'

/** Ports and accounts that roles and options name. */
export interface Known {
  /** For example `443/tcp`. */
  readonly ports: readonly string[]
  readonly users: readonly string[]
  /** Whether HAProxy logs the response times of visitors on this host. */
  readonly balancer: boolean
  /** Path of the program that reads files which other accounts may replace. */
  readonly reader: string
}

/**
 * Script of the checks. It prints metrics for the node exporter: files, ports, accounts, logins, updates, certificates, and the resource
 * use of each unit. During a run, results about files stay as they were. The script may read the whole host (see the unit), so it reads
 * files that another account may replace only through `reader`.
 */
export const checksScript = ({ ports, users, balancer, reader }: Known): string => String.raw`#!/bin/sh
# Written by provision.
set -u; umask 022; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
${sh`PORTS=${ports.join(' ')} USERS=${users.join(' ')} BALANCER=${balancer ? 'yes' : 'no'}`}
S=$STATE_DIRECTORY OWNED=/var/lib/provision/owned READ=${reader}
rm -rf "$S"/.w.*; w=$(mktemp -d "$S/.w.XXXXXX") || exit 1; trap 'rm -rf "$w"' EXIT; export TMPDIR="$w"
now=$(date +%s)
# Without a count of logins, this is the first check of the host.
fresh=yes; [ ! -e "$S/ssh.count" ] || fresh=no
# Runs a program without the rights of this job.
plainly() { setpriv --inh-caps=-all --ambient-caps=-all "$@"; }
plainly true || exit 1
plain() { tr -d '"\\' | tr -c '[:print:]\n\t' '?'; }
# The text format wants the type of a metric once, followed by all its values.
gauge() { printf '# TYPE %s gauge\n' "$1"; }
counter() { printf '# TYPE %s counter\n' "$1"; }
hourly() { [ -s "$S/$1" ] && [ -z "$(find "$S/$1" -mmin +59)" ]; }
# Prints the record of managed resources, without kernel settings that this kernel does not have.
given() { cat "$OWNED"/* 2>/dev/null | awk '$1 ~ /^sysctl:[^*]*$/ { key = substr($1, 8); gsub(/\./, "/", key); key = "/proc/sys/" key; if ((getline line <key) < 0) next; close(key) } { print }'; }

# Compares sshd's configuration with its digest after the last run. A record younger than the digest means that a run came in between.
sshd_changed() {
  cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf 2>/dev/null | sha256sum >"$w/sshd"
  if [ ! -s "$S/sshd" ] || [ -n "$(find "$OWNED" -newer "$S/sshd" 2>/dev/null | head -n 1)" ]; then cat "$w/sshd" >"$S/sshd"; fi
  cmp -s "$w/sshd" "$S/sshd" && echo 0 || echo 1
}

# Managed files, compared with the record: their content, or only their existence if the host generated them.
owned() {
  given | "$READ" owned >"$w/files" && grep -v '^watched ' "$w/files" >"$w/wrong"
  gauge provision_file_wrong
  sed '51{s/.*/only 50 are listed\tanother file/;q}' "$w/wrong" | plain | awk -F '\t' '{ printf "provision_file_wrong{what=\"%s\",path=\"%s\"} 1\n", $1, $2 }'
  gauge provision_files_watched; sed -n 's/^watched /provision_files_watched /p' "$w/files"
  gauge provision_sshd_changed; echo "provision_sshd_changed $(sshd_changed)"
}

# Files of packages, once an hour. A check that does not end is reported like a wrong file. Configuration files are excluded.
package_files() {
  hourly packages || {
    timeout 150 dpkg --verify >"$w/verified"; result=$?
    # dpkg exits with 1 if files differ.
    case $result in 0 | 1) ;; 124) echo '????????? /usr/bin/dpkg (--verify did not end)' ;; *) echo '????????? /usr/bin/dpkg (--verify failed)' ;; esac >>"$w/verified"
    awk '$2 != "c" && !/ \/usr\/share\/(doc|man|locale|info|lintian)\//' "$w/verified" >"$w/packages"; echo "# $now" >>"$w/packages"; mv "$w/packages" "$S/packages"
  }
  gauge provision_package_file_wrong
  grep -v '^#' "$S/packages" | sed '51{s/.*/another file (only 50 are listed)/;q}' | plain | awk '{ path = $0; sub(/^[^\/]*\//, "/", path); printf "provision_package_file_wrong{path=\"%s\"} 1\n", path }'
}

# Pending updates, and since when the oldest security update has been pending.
updates() {
  hourly updates || {
    touch "$S/since" "$S/updates"
    # If apt fails, the last answer stays.
    plainly timeout 120 apt-get -s -o Debug::NoLocking=1 -o APT::Get::Show-User-Simulation-Note=no dist-upgrade >"$w/simulated" && {
      awk '/^Inst/ { print (/[Ss]ecurity/ ? "security" : "other"), $2 }' "$w/simulated" >"$w/pending"
      awk -v now="$now" 'FILENAME ~ /since$/ { since[$2] = $1; next } $1 == "security" { print ($2 in since ? since[$2] : now), $2 }' "$S/since" "$w/pending" >"$w/since"
      mv "$w/since" "$S/since"; { cat "$w/pending"; echo "# $now"; } >"$w/updates"; mv "$w/updates" "$S/updates"
    }
  }
  gauge provision_updates_pending
  awk '{ n[$1]++ } END { printf "provision_updates_pending{kind=\"security\"} %d\nprovision_updates_pending{kind=\"other\"} %d\n", n["security"], n["other"] }' "$S/updates"
  gauge provision_security_update_waiting_seconds
  awk -v now="$now" 'NR == 1 || $1 < first { first = $1 } END { printf "provision_security_update_waiting_seconds %d\n", (NR ? now - first : 0) }' "$S/since"
  gauge provision_reboot_required; [ -e /run/reboot-required ] && echo 'provision_reboot_required 1' || echo 'provision_reboot_required 0'
}

# Prints the messages of programs (options of journalctl) since the last position, which the second file keeps. A position that the journal no longer has is deleted.
journal() { journalctl -q $1 --no-pager -o cat --cursor-file="$2" $([ -s "$2" ] || echo '-n 0') || rm -f "$2"; }

# Failed SSH logins, counted from the last position in the journal. Since OpenSSH 9.8, the processes of a connection have other names, and
# sshd refuses connections from a source of failed logins for a while (PerSourcePenalties). It reports some of them, and then their number.
logins() {
  new=$(journal '-t sshd -t sshd-session -t sshd-auth' "$S/ssh.cursor" | awk '
    /^(Failed (password|publickey|none|keyboard)|Connection (closed|reset) by (authenticating|invalid) user|Disconnected from (authenticating|invalid) user)/ { n++ }
    /^drop connection .* penalty: / { n++ }
    /^PerSourcePenalties logging rate-limited: additional [0-9]+ connections dropped/ { n += $5 }
    END { print n + 0 }')
  all=$(($(cat "$S/ssh.count" 2>/dev/null || echo 0) + new)); echo "$all" >"$S/ssh.count"
  counter provision_ssh_failures_total; echo "provision_ssh_failures_total $all"
}

firewall() {
  gauge provision_firewall_present
  if nft list counters table inet provision >"$w/counters" 2>/dev/null; then
    echo 'provision_firewall_present 1'
    counter provision_firewall_dropped_packets_total
    awk '$1 == "counter" { name = $2 } $1 == "packets" && name ~ /^drop_/ { printf "provision_firewall_dropped_packets_total{reason=\"%s\"} %s\n", substr(name, 6), $2 }' "$w/counters"
  else echo 'provision_firewall_present 0'; fi
}

# Listening ports beyond loopback that no role declares. UDP ports of the ephemeral range belong to clients.
ports() {
  first=$(cut -f 1 /proc/sys/net/ipv4/ip_local_port_range)
  gauge provision_port_unknown
  ss -Hltnup >"$w/sockets" || exit 1
  plain <"$w/sockets" | awk -v known=" $PORTS " -v first="$first" '
    { proto = $1; port = $5; sub(/.*:/, "", port); at = substr($5, 1, length($5) - length(port) - 1)
      who = $0; if (who ~ /users:/) { sub(/.*users:\(\(/, "", who); sub(/,.*/, "", who) } else who = "?"
      if (at ~ /^(127\.|\[::1\]|\[::ffff:127\.)/ || at ~ /%lo$/) next
      if (proto == "udp" && (port == 68 || port == 546 || port >= first + 0)) next
      if (index(known, " " port "/" proto " ") || seen[port proto]++) next
      printf "provision_port_unknown{port=\"%s/%s\",program=\"%s\"} 1\n", port, proto, who }'
}

# Accounts that may log in with a shell or become root, and that no role declares. Role base records those that it adopts. Those of the
# first check, other than root's, belong to the image of the host, and have the value 0.
accounts() {
  known=" $USERS $(given | sed -n 's#^user:\([^ ]*\).*#\1#p; s#^foreign-accounts:[^ ]* ##p' | tr '\n' ' ') "
  gauge provision_account_unknown
  { awk -F: '$3 == 0 || $7 ~ /\/(ba|da|z|fi|k|c|tc)?sh$/ { print $1, ($3 == 0 ? "root" : "shell") }' /etc/passwd
    for group in sudo admin wheel; do timeout 10 getent group "$group" | cut -d: -f 4 | tr ',' '\n' | sed '/^$/d; s/$/ sudo/'; done
    # A backslash continues a line.
    cat /etc/sudoers /etc/sudoers.d/* 2>/dev/null | awk '!/^[ \t]*#/ { while (sub(/\\$/, "") && (getline more) > 0) $0 = $0 more } $1 ~ /^[a-z_][a-z0-9_-]*$/ && /=/ { print $1, "sudo" }'
  } | sort -u | while read -r user what; do case $known in *" $user "*) ;; *) echo "$user $what" ;; esac; done >"$w/accounts"
  [ -e "$S/image" ] || { [ $fresh = no ] || grep -v ' root$' "$w/accounts"; } >"$S/image"
  while read -r user what; do
    grep -qxF "$user $what" "$S/image" && new=0 || new=1
    printf 'provision_account_unknown{user="%s",may="%s"} %s\n' "$user" "$what" "$new"
  done <"$w/accounts"
}

# Response times of all requests, from the log of the balancer; counted from the last position in the journal.
responses() {
  [ "$BALANCER" = yes ] || return 0
  journal '-t haproxy' "$S/haproxy.cursor" >"$w/requests"
  touch "$S/haproxy.counts"
  awk -v bounds='0.005 0.01 0.025 0.05 0.1 0.25 0.5 1 2.5 5 10 +Inf' '
    BEGIN { last = split(bounds, bound, " ") }
    FILENAME ~ /haproxy.counts$/ { if ($1 == "sum") sum = $2; else n[$1] = $2; next }
    { for (i = 1; i <= NF; i++) if ($i ~ /^-?[0-9]+\/-?[0-9]+\/-?[0-9]+\/-?[0-9]+\/\+?[0-9]+$/) break
      if (i > NF || $(i - 2) !~ /^(https~?|once)$/) next
      split($i, t, "/"); seconds = t[5] / 1000; sum += seconds
      for (b = 1; b <= last; b++) if (bound[b] == "+Inf" || seconds <= bound[b]) n[bound[b]]++ }
    END { for (b = 1; b <= last; b++) print bound[b], n[bound[b]] + 0; print "sum", sum + 0 }' "$S/haproxy.counts" "$w/requests" >"$w/counts" && mv "$w/counts" "$S/haproxy.counts"
  echo '# TYPE provision_site_response_seconds histogram'
  awk '$1 == "sum" { printf "provision_site_response_seconds_sum %s\n", $2; next } { printf "provision_site_response_seconds_bucket{le=\"%s\"} %s\n", $1, $2; all = $2 } END { print "provision_site_response_seconds_count", all }' "$S/haproxy.counts"
}

# Validity of the certificates in the record, and of those that users bring. Certificates that a balancer no longer uses are skipped. The reader decodes their paths, as sed does for the label.
certificates() {
  given | sed -nE 's#^certificate:[^ ]* (/.*) disk$#\1#p; s#^file:[^ ]* (/[^ ]*[.]own[.]pem) [0-9a-f]{64}$#\1#p' | grep -v '\.key$' | sort -u | while read -r path; do
    case $path in /etc/ssl/haproxy/*/*) ;; /etc/ssl/haproxy/*) [ ! -f /etc/haproxy/certificates.list ] || grep -qxF -e "$path" /etc/haproxy/certificates.list || continue ;; esac
    "$READ" text "$path" 65536 | plainly openssl x509 -noout -dates 2>/dev/null | sed 's/^[^=]*=//' | { read -r from && read -r to && printf '%s\t%s\t%s\n' "$path" "$(date -d "$from" +%s)" "$(date -d "$to" +%s)"; }
  done | sed 's/%20/ /g; s/%25/%/g' | plain >"$w/certificates"
  for side in 2:begins 3:ends; do
    gauge "provision_certificate_$(echo $side | cut -d: -f 2)_seconds"
    awk -F '\t' -v column="$(echo $side | cut -d: -f 1)" -v side="$(echo $side | cut -d: -f 2)" '{ printf "provision_certificate_%s_seconds{path=\"%s\"} %s\n", side, $1, $column }' "$w/certificates"
  done
}

# Resource use of each unit, from cgroup version 2 if present, else version 1.
units() {
  two=/sys/fs/cgroup; [ -e "$two/cgroup.controllers" ] || two=/sys/fs/cgroup/unified
  one() { echo "$1"/*.slice/*.service/"$2" "$1"/user.slice/"$2"; }
  counter provision_unit_cpu_seconds_total; table cpu "$(one $two cpu.stat)"
  gauge provision_unit_memory_bytes
  table memory "$(one $two memory.stat) $(one /sys/fs/cgroup/memory memory.stat)"
  counter provision_unit_oom_kills_total; table oom "$(one $two memory.events)"
  counter provision_unit_io_bytes_total; table io "$(one $two io.stat) $(one /sys/fs/cgroup/blkio blkio.throttle.io_service_bytes)"
}
table() {
  for file in $2; do [ ! -f "$file" ] || { printf '@ %s\n' "$file"; cat "$file"; }; done 2>/dev/null | plain | awk -v what="$1" '
    function put() {
      if (unit == "" || !known) return
      if (what == "cpu") printf "provision_unit_cpu_seconds_total{unit=\"%s\"} %.3f\n", unit, sum / 1000000
      if (what == "memory") printf "provision_unit_memory_bytes{unit=\"%s\"} %.0f\n", unit, sum
      if (what == "oom") printf "provision_unit_oom_kills_total{unit=\"%s\"} %d\n", unit, sum
      if (what == "io") printf "provision_unit_io_bytes_total{unit=\"%s\"} %.0f\n", unit, sum
    }
    $1 == "@" { put(); sum = 0; known = 0; n = split($2, p, "/"); unit = p[n - 1]; next }
    what == "cpu" && $1 == "usage_usec" { sum = $2; known = 1 }
    # Page cache is not counted.
    what == "memory" && ($1 == "anon" || $1 == "total_rss") { sum = $2; known = 1 }
    what == "oom" && $1 == "oom_kill" { sum = $2; known = 1 }
    what == "io" { known = 1; for (i = 2; i <= NF; i++) if ($i ~ /^[rw]bytes=/) { sub(/.*=/, "", $i); sum += $i }; if ($2 == "Read" || $2 == "Write") sum += $3 }
    END { put() }'
}

# A run in progress holds this lock. Its files are checked after it has ended.
if [ ! -e /run/provision.lock ] || flock -n /run/provision.lock true; then owned >"$w/owned"; grep -q '^watched ' "$w/files" || exit 1; mv "$w/owned" "$S/owned"; fi
cat "$S/owned" 2>/dev/null
package_files; updates; logins; firewall; ports; accounts; responses; certificates; units
gauge provision_checks_done_seconds; echo "provision_checks_done_seconds $now"
`
