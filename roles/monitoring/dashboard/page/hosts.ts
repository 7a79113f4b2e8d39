interface Meter {
  readonly name: string
  /** Query of the percentage, and of the units that use most; `%s` is the host. */
  readonly percent: string
  readonly units: string
  readonly low: number
  readonly high: number
  /** Template of the use of a unit. */
  readonly use: string
}

const METERS: readonly Meter[] = [
  {
    ...{ name: 'CPU', percent: '100*host:cpu_busy', units: 'unit:cpu_cores%s > 0.005', low: 70, high: 90 },
    use: '{{ . | value | printf "%.2f" }} cores',
  },
  {
    ...{ name: 'memory', percent: '100-100*host:memory_free', units: 'provision_unit_memory_bytes%s', low: 80, high: 95 },
    use: '{{ template "bytes" . | value }}',
  },
  {
    ...{ name: 'disk', percent: '100-100*host:disk_free', units: 'unit:io_bytes%s > 1000', low: 80, high: 90 },
    use: '{{ template "bytes" . | value }}/s',
  },
]

const OF_HOST = `{host='%s'}`

const meterRow = ({ name, percent, units, low, high, use }: Meter): string =>
  `<tr><th>${name}</th><td>{{ with printf "${percent}${OF_HOST}" $h | query }}<meter min="0" max="100" low="${low}" high="${high}" optimum="0" value="{{ . | first | value }}"></meter> {{ . | first | value | printf "%.0f" }}%{{ end }}</td>
<td>{{ range printf "topk(3, ${units.replace('%s', OF_HOST)})" $h | query }}<span class="unit">{{ reReplaceAll "[.]service$" "" .Labels.unit }} ${use}</span>{{ end }}</td></tr>`

/** Each host with the units that use most of it, and the age of its last check. */
export const HOSTS = `<h2>Hosts, by component</h2>
<section class="hosts">
{{ range query "up{job='node'}" | sortByLabel "host" }}{{ $h := .Labels.host }}<div class="host {{ if eq (. | value) 1.0 }}up{{ else }}down{{ end }}"><h3>{{ $h }} <i>{{ if eq (. | value) 1.0 }}up{{ else }}does not answer{{ end }}</i></h3>
<table>${METERS.map(meterRow).join('\n')}
<tr><th>network</th><td colspan="2">{{ with printf "host:network_receive_bytes${OF_HOST}" $h | query }}<span class="unit">in {{ template "bytes" . | first | value }}/s</span>{{ end }}{{ with printf "host:network_transmit_bytes${OF_HOST}" $h | query }}<span class="unit">out {{ template "bytes" . | first | value }}/s</span>{{ end }}</td></tr>
<tr><th>checked</th><td colspan="2">{{ with printf "time()-provision_checks_done_seconds${OF_HOST}" $h | query }}{{ template "age" . | first | value }} ago{{ else }}unknown{{ end }}</td></tr></table></div>
{{ else }}<p>no measurements</p>{{ end }}</section>
`
