const uptime = (days: number): string =>
  `{{ with printf "floor(10000*last_over_time(probe:up:days${days}{instance='%s'}[15m]))/100" $i | query }}<dt>up, ${days} days</dt><dd>{{ template "share" . | first | value }}{{ with printf "86400*(last_over_time(probe:known:days${days}{instance='%s'}[15m]) < ${days - 0.1})" $i | query }} <small>of {{ template "age" . | first | value }} known</small>{{ end }}</dd>{{ end }}`

/** The parts of the path of a request, each with its state. */
export const PATH = `<h2>Path of a request</h2>
<section class="way">
<div class="stage"><h3>site, as visitors see it</h3>
{{ range query "probe_success{job='site'}" | sortByLabel "instance" }}{{ $i := .Labels.instance }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $i }}</b><i>{{ if eq (. | value) 1.0 }}answers{{ else }}does not answer{{ end }}</i>
<dl>{{ with printf "1000*probe:seconds:p50{instance='%s'}" $i | query }}<dt>median</dt><dd>{{ . | first | value | printf "%.0f" }} ms</dd>{{ end }}{{ with printf "1000*probe:seconds:p95{instance='%s'}" $i | query }}<dt>95th percentile</dt><dd>{{ . | first | value | printf "%.0f" }} ms</dd>{{ end }}{{ with printf "(probe_ssl_earliest_cert_expiry{instance='%s'}-time())/86400" $i | query }}<dt>certificate</dt><dd>{{ . | first | value | printf "%.0f" }} days left</dd>{{ end }}${uptime(30)}${uptime(90)}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
<div class="stage"><h3>load balancers</h3>
{{ range query "up{job='haproxy'}" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}</i>
<dl>{{ with printf "frontend:qps{host='%s'}" $h | query }}<dt>requests/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "100*frontend:saturation{host='%s',proxy='https'}" $h | query }}<dt>connections</dt><dd>{{ template "percent" . | first | value }} of the limit</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
<div class="stage"><h3>web servers</h3>
{{ range query "nginx_up or on (host) (up{job='nginx'} == 0)" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}</i>
<dl>{{ with printf "web:qps{host='%s'}" $h | query }}<dt>requests/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "1000*server:response_seconds{host='%s'}" $h | query }}<dt>response time</dt><dd>{{ . | first | value | printf "%.0f" }} ms</dd>{{ end }}{{ with printf "max(haproxy_server_status{server='%s',state='UP'})" $h | query }}<dt>in rotation</dt><dd>{{ if eq (. | first | value) 1.0 }}yes{{ else }}no{{ end }}</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
<div class="stage"><h3>databases</h3>
{{ range query "mysql_up or on (host) (up{job='mysql'} == 0)" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ $h }}</b><i>{{ if eq (. | value) 1.0 }}up{{ with printf "mysql_global_variables_read_only{host='%s'}" $h | query }}{{ if eq (. | first | value) 1.0 }}, read-only{{ end }}{{ end }}{{ with printf "mysql_global_status_wsrep_ready{host='%s'} == 0 and mysql_global_status_wsrep_cluster_size > 0" $h | query }}, refuses queries{{ end }}{{ else }}down{{ end }}</i>
<dl>{{ with printf "database:qps{host='%s'}" $h | query }}<dt>queries/s</dt><dd>{{ . | first | value | printf "%.1f" }}</dd>{{ end }}{{ with printf "100*database:saturation{host='%s'}" $h | query }}<dt>connections</dt><dd>{{ template "percent" . | first | value }} of the limit</dd>{{ end }}{{ with printf "mysql_global_status_wsrep_cluster_size{host='%s'} > 0" $h | query }}<dt>cluster members</dt><dd>{{ . | first | value | printf "%.0f" }}</dd>{{ end }}{{ with printf "max(mysql_slave_status_seconds_behind_master{host='%s'} or mysql_slave_status_seconds_behind_source{host='%s'})" $h $h | query }}<dt>replication lag</dt><dd>{{ template "age" . | first | value }}</dd>{{ end }}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
</section>
`
