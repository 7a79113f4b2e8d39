/** A line of a part: the value of a query, in which `%s` is the part. It is omitted without a result. */
const fact = (name: string, query: string, value: string, of = '$h'): string =>
  `{{ with printf "${query}" ${of} | query }}<dt>${name}</dt><dd>${value}</dd>{{ end }}`

const number = (format: string): string => `{{ . | first | value | printf "${format}" }}`
const OF_LIMIT = '{{ template "percent" . | first | value }} of the limit'

const uptime = (days: number): string =>
  fact(
    `up, ${days} days`,
    `floor(10000*last_over_time(probe:up:days${days}{instance='%s'}[15m]))/100`,
    `{{ template "share" . | first | value }}{{ with printf "86400*(last_over_time(probe:known:days${days}{instance='%s'}[15m]) < ${days - 0.1})" $i | query }} <small>of {{ template "age" . | first | value }} known</small>{{ end }}`,
    '$i',
  )

interface Stage {
  readonly title: string
  /** Query of the parts: 1 if a part is up. */
  readonly query: string
  /** Words for the state of a part. */
  readonly up: string
  readonly down: string
  readonly facts: readonly string[]
}

/** The parts of a stage, by the label that names them. `$i` or `$h` is that of a part. */
const stage = (label: 'instance' | 'host', { title, query, up, down, facts }: Stage): string => {
  const name = `$${label.charAt(0)}`
  return `<div class="stage"><h3>${title}</h3>
{{ range query "${query}" | sortByLabel "${label}" }}{{ ${name} := .Labels.${label} }}<div class="part {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><b>{{ ${name} }}</b><i>{{ if eq (. | value) 1.0 }}${up}{{ else }}${down}{{ end }}</i>
<dl>${facts.join('')}</dl></div>{{ else }}<p>none</p>{{ end }}
</div>
`
}

const SITE: Stage = {
  ...{ title: 'site, as visitors see it', query: "probe_success{job='site'}", up: 'answers', down: 'does not answer' },
  facts: [
    fact('median', "1000*probe:seconds:p50{instance='%s'}", `${number('%.0f')} ms`, '$i'),
    fact('95th percentile', "1000*probe:seconds:p95{instance='%s'}", `${number('%.0f')} ms`, '$i'),
    fact('certificate', "(probe_ssl_earliest_cert_expiry{instance='%s'}-time())/86400", `${number('%.0f')} days left`, '$i'),
    ...[30, 90].map(uptime),
  ],
}

const BALANCERS: Stage = {
  ...{ title: 'load balancers', query: "up{job='haproxy'}", up: 'up', down: 'down' },
  facts: [
    fact('requests/s', "frontend:qps{host='%s'}", number('%.1f')),
    fact('connections', "100*frontend:saturation{host='%s',proxy='https'}", OF_LIMIT),
  ],
}

const WEB_SERVERS: Stage = {
  ...{ title: 'web servers', query: "nginx_up or on (host) (up{job='nginx'} == 0)", up: 'up', down: 'down' },
  facts: [
    fact('requests/s', "web:qps{host='%s'}", number('%.1f')),
    fact('response time', "1000*server:response_seconds{host='%s'}", `${number('%.0f')} ms`),
    fact(
      'in rotation',
      "max(haproxy_server_status{server='%s',state='UP'})",
      '{{ if eq (. | first | value) 1.0 }}yes{{ else }}no{{ end }}',
    ),
  ],
}

const IF_READ_ONLY = `{{ with printf "mysql_global_variables_read_only{host='%s'}" $h | query }}{{ if eq (. | first | value) 1.0 }}, read-only{{ end }}{{ end }}`
const IF_REFUSING = `{{ with printf "mysql_global_status_wsrep_ready{host='%s'} == 0 and mysql_global_status_wsrep_cluster_size > 0" $h | query }}, refuses queries{{ end }}`

const DATABASES: Stage = {
  ...{ title: 'databases', query: "mysql_up or on (host) (up{job='mysql'} == 0)", up: `up${IF_READ_ONLY}${IF_REFUSING}`, down: 'down' },
  facts: [
    fact('queries/s', "database:qps{host='%s'}", number('%.1f')),
    fact('connections', "100*database:saturation{host='%s'}", OF_LIMIT),
    fact('cluster members', "mysql_global_status_wsrep_cluster_size{host='%s'} > 0", number('%.0f')),
    fact(
      'replication lag',
      "max(mysql_slave_status_seconds_behind_master{host='%s'} or mysql_slave_status_seconds_behind_source{host='%s'})",
      '{{ template "age" . | first | value }}',
      '$h $h',
    ),
  ],
}

/** The parts of the path of a request, each with its state. */
export const PATH = `<h2>Path of a request</h2>
<section class="way">
${stage('instance', SITE)}${[BALANCERS, WEB_SERVERS, DATABASES].map((one) => stage('host', one)).join('')}</section>
`
