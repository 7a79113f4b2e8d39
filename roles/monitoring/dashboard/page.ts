/** The dashboard as a console template of Prometheus. It renders without JavaScript; the script adds alert texts and charts. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ with query "count(ALERTS{alertstate='firing',severity!='none'})" }}({{ . | first | value }}) {{ end }}monitoring</title>
<link rel="stylesheet" href="/static/dashboard.css">
<link rel="icon" href="/static/icon.svg">
</head>
<body>
<header>
<h1>{{ with query "count(ALERTS{alertstate='firing',severity!='none'})" }}<span class="bad">{{ . | first | value }} alert{{ if gt (. | first | value) 1.0 }}s{{ end }}</span>{{ else }}<span class="good">No alerts</span>{{ end }}</h1>
<nav><a href="?m=15">15 min</a><a href="?m=60">1 h</a><a href="?m=360">6 h</a><a href="?m=1440">1 d</a><a href="?m=10080">7 d</a><a href="/classic/graph">query</a><a href="/classic/alerts">rules</a></nav>
</header>

<section id="alerts">
{{ range query "ALERTS{alertstate='firing',severity!='none'}" | sortByLabel "severity" }}<p class="alert {{ .Labels.severity }}"><b>{{ .Labels.alertname }}</b> <span>{{ .Labels.host }} {{ .Labels.instance }}</span></p>
{{ end }}</section>

<h2>Path of a request</h2>
<section class="way">
<div class="stage"><h3>site, as visitors see it</h3>
{{ range query "probe_success{job='site'}" | sortByLabel "instance" }}{{ $i := .Labels.instance }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $i }}</b><i>{{ if eq (. | value) 1.0 }}answers{{ else }}does not answer{{ end }}</i>
<dl>{{ with printf "probe:seconds:p50{instance='%s'}" $i | query }}<dt>median</dt><dd>{{ . | first | value | humanizeDuration }}</dd>{{ end }}{{ with printf "probe:seconds:p95{instance='%s'}" $i | query }}<dt>95th percentile</dt><dd>{{ . | first | value | humanizeDuration }}</dd>{{ end }}{{ with printf "(probe_ssl_earliest_cert_expiry{instance='%s'}-time())/86400" $i | query }}<dt>certificate</dt><dd>{{ . | first | value | printf "%.0f" }} days</dd>{{ end }}</dl></div>{{ end }}
</div>
<div class="stage"><h3>load balancers</h3>
{{ range query "up{job='haproxy'}" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}</i>
<dl>{{ with printf "frontend:qps{host='%s'}" $h | query }}<dt>requests/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "frontend:saturation{host='%s',proxy='https'}" $h | query }}<dt>connections</dt><dd>{{ . | first | value | humanizePercentage }}</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
<div class="stage"><h3>web servers</h3>
{{ range query "nginx_up" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}</i>
<dl>{{ with printf "web:qps{host='%s'}" $h | query }}<dt>requests/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "server:response_seconds{host='%s'}" $h | query }}<dt>response time</dt><dd>{{ . | first | value | humanizeDuration }}</dd>{{ end }}{{ with printf "max(haproxy_server_status{server='%s',state='UP'})" $h | query }}<dt>in rotation</dt><dd>{{ if eq (. | first | value) 1.0 }}yes{{ else }}no{{ end }}</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
<div class="stage"><h3>databases</h3>
{{ range query "mysql_up" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ with printf "mysql_global_variables_read_only{host='%s'}" $h | query }}{{ if eq (. | first | value) 1.0 }}, read-only{{ end }}{{ end }}{{ with printf "mysql_global_status_wsrep_ready{host='%s'} == 0 and mysql_global_status_wsrep_cluster_size > 0" $h | query }}, refuses queries{{ end }}{{ else }}down{{ end }}</i>
<dl>{{ with printf "database:qps{host='%s'}" $h | query }}<dt>queries/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "database:saturation{host='%s'}" $h | query }}<dt>connections</dt><dd>{{ . | first | value | humanizePercentage }}</dd>{{ end }}{{ with printf "mysql_global_status_wsrep_cluster_size{host='%s'} > 0" $h | query }}<dt>cluster members</dt><dd>{{ . | first | value | printf "%.0f" }}</dd>{{ end }}{{ with printf "max(mysql_slave_status_seconds_behind_master{host='%s'} or mysql_slave_status_seconds_behind_source{host='%s'})" $h $h | query }}<dt>replication lag</dt><dd>{{ . | first | value | humanizeDuration }}</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
</section>

<h2>Hosts, by component</h2>
<section class="hosts">
{{ range query "up{job='node'}" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="host {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><h3>{{ $h }} <i>{{ if eq (. | value) 1.0 }}up{{ else }}does not answer{{ end }}</i></h3>
<table><tr><th>CPU</th><td>{{ with printf "100*host:cpu_busy{host='%s'}" $h | query }}<meter min="0" max="100" low="70" high="90" optimum="0" value="{{ . | first | value }}"></meter> {{ . | first | value | printf "%.0f" }} %{{ end }}</td>
<td>{{ range printf "topk(3, unit:cpu_cores{host='%s'} > 0.001)" $h | query }}<span class="unit">{{ reReplaceAll "[.]service$" "" .Labels.unit }} {{ . | value | printf "%.3f" }}</span>{{ end }}</td></tr>
<tr><th>memory</th><td>{{ with printf "100-100*host:memory_free{host='%s'}" $h | query }}<meter min="0" max="100" low="80" high="95" optimum="0" value="{{ . | first | value }}"></meter> {{ . | first | value | printf "%.0f" }} %{{ end }}</td>
<td>{{ range printf "topk(3, provision_unit_memory_bytes{host='%s'})" $h | query }}<span class="unit">{{ reReplaceAll "[.]service$" "" .Labels.unit }} {{ . | value | humanize1024 }}B</span>{{ end }}</td></tr>
<tr><th>disk</th><td>{{ with printf "100-100*host:disk_free{host='%s'}" $h | query }}<meter min="0" max="100" low="80" high="90" optimum="0" value="{{ . | first | value }}"></meter> {{ . | first | value | printf "%.0f" }} %{{ end }}</td>
<td>{{ range printf "topk(3, unit:io_bytes{host='%s'} > 1024)" $h | query }}<span class="unit">{{ reReplaceAll "[.]service$" "" .Labels.unit }} {{ . | value | humanize1024 }}B/s</span>{{ end }}</td></tr></table></div>
{{ end }}</section>

<h2>Charts</h2>
<section id="curves"></section>
<script src="/static/dashboard.js"></script>
</body>
</html>
`
