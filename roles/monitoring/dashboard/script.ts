/** Script of the dashboard: draws charts as SVG from the HTTP API of Prometheus, without a library. */
export const SCRIPT = String.raw`'use strict'
const CURVES = [
  ['Requests per second', [['site', 'site:qps'], ['usual', 'site:qps:usual']], 'plain'],
  ['Requests per second, web servers', [['', 'web:qps']], 'plain'],
  ['Queries per second, databases', [['', 'database:qps'], ['reads', 'database:reads'], ['writes', 'database:writes']], 'plain'],
  ['Response time, all requests', [['median', 'site:response_seconds:p50'], ['95th percentile', 'site:response_seconds:p95'], ['99th percentile', 'site:response_seconds:p99']], 'seconds'],
  ['Response time, probes', [['median', 'max(probe:seconds:p50)'], ['95th percentile', 'max(probe:seconds:p95)'], ['99th percentile', 'max(probe:seconds:p99)']], 'seconds'],
  ['Response time, probes by phase', [['', 'max by (phase) (avg_over_time(probe_http_duration_seconds{job="site"}[2m]))']], 'seconds'],
  ['Response time, web servers', [['', 'server:response_seconds']], 'seconds'],
  ['Error ratio', [['', 'site:error_ratio']], 'part'],
  ['CPU busy', [['', 'host:cpu_busy']], 'part'],
  ['CPU cores by component', [['', 'topk(6, sum by (host, unit) (unit:cpu_cores))']], 'plain'],
  ['Memory in use', [['', '1 - host:memory_free']], 'part'],
  ['Memory by component', [['', 'topk(6, provision_unit_memory_bytes)']], 'bytes'],
  ['Disk reads and writes by component', [['', 'topk(6, unit:io_bytes)']], 'bytes'],
  ['Connections, share of the limit', [['', 'frontend:saturation'], ['', 'database:saturation']], 'part'],
  ['Failed logins in 5 minutes', [['', 'increase(provision_ssh_failures_total[5m])']], 'plain'],
  ['Dropped packets per second', [['', 'sum by (host) (rate(provision_firewall_dropped_packets_total[5m]))']], 'plain'],
]
const minutes = Number(new URLSearchParams(location.search).get('m')) || 15
const SVG = 'http://www.w3.org/2000/svg'
const make = (name, attributes, namespace) => {
  const node = namespace ? document.createElementNS(namespace, name) : document.createElement(name)
  for (const [key, value] of Object.entries(attributes || {})) node.setAttribute(key, value)
  return node
}
const short = (value) => {
  if (value === 0) return '0'
  for (const [size, mark] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) if (Math.abs(value) >= size) return Number((value / size).toPrecision(3)) + mark
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(2)))
}
const WORDS = {
  plain: short,
  bytes: (value) => short(value) + 'B',
  part: (value) => short(value * 100) + ' %',
  seconds: (value) => (value < 1 ? short(value * 1000) + ' ms' : short(value) + ' s'),
}
const nameOf = (given, metric) =>
  [given, metric.host, metric.instance !== metric.host ? metric.instance : '', (metric.unit || '').replace(/\.service$/, ''), metric.phase, metric.proxy, metric.backend]
    .filter(Boolean).join(' ')

const ask = async (query, from, to) => {
  const step = Math.max(10, Math.round((to - from) / 150))
  const answer = await fetch(location.origin + '/api/v1/query_range?query=' + encodeURIComponent(query) + '&start=' + from + '&end=' + to + '&step=' + step)
  if (!answer.ok) throw new Error('Prometheus returned status ' + answer.status)
  return (await answer.json()).data.result
}

const draw = (figure, lines, words, from, to) => {
  const box = figure.querySelector('.box')
  box.replaceChildren()
  if (lines.length === 0) { box.append(Object.assign(make('p'), { textContent: 'no data' })); return }
  const most = Math.max(...lines.flatMap(({ values }) => values.map(([, value]) => Number(value)).filter(Number.isFinite)), 0) || 1
  const svg = make('svg', { viewBox: '0 0 300 90', preserveAspectRatio: 'none', role: 'img' }, SVG)
  for (const part of [0, 0.5, 1]) svg.append(make('line', { x1: 0, x2: 300, y1: 88 - 86 * part, y2: 88 - 86 * part, class: 'grid' }, SVG))
  lines.forEach(({ values }, i) => {
    const points = values.filter(([, value]) => Number.isFinite(Number(value))).map(([at, value]) => (((at - from) / (to - from)) * 300).toFixed(1) + ',' + (88 - (86 * Number(value)) / most).toFixed(1))
    svg.append(make('polyline', { points: points.join(' '), class: 'line c' + (i % 8) }, SVG))
  })
  const scale = Object.assign(make('p', { class: 'scale' }), { textContent: WORDS[words](most) })
  const legend = make('ul')
  lines.forEach(({ name, values }, i) => {
    const item = make('li', { class: 'c' + (i % 8) })
    item.append(name || 'all', Object.assign(make('b'), { textContent: WORDS[words](Number(values.at(-1)[1])) }))
    legend.append(item)
  })
  box.append(scale, svg, legend)
}

const refresh = async () => {
  const to = Math.floor(Date.now() / 1000), from = to - minutes * 60
  await Promise.all(CURVES.map(async ([title, queries, words], i) => {
    const figure = document.getElementById('curve' + i)
    try {
      const found = await Promise.all(queries.map(async ([given, query]) => (await ask(query, from, to)).map(({ metric, values }) => ({ name: nameOf(given, metric), values }))))
      const last = ({ values }) => Number(values.at(-1)[1]) || 0
      draw(figure, found.flat().sort((one, other) => (queries.length > 1 ? 0 : last(other) - last(one))).slice(0, 8), words, from, to)
    } catch (error) { figure.querySelector('.box').textContent = String(error) }
  }))
}

// The template renders only the names of alerts. This adds their summaries and runbooks.
const words = async () => {
  const answer = await fetch(location.origin + '/api/v1/alerts')
  const firing = (await answer.json()).data.alerts.filter(({ state, labels }) => state === 'firing' && labels.severity !== 'none')
  const order = ({ labels }) => labels.severity + ' ' + labels.alertname + ' ' + labels.host
  const element = (name, textContent) => Object.assign(make(name), { textContent })
  const lines = firing.sort((one, other) => (order(one) < order(other) ? -1 : 1)).map(({ labels, annotations }) => {
    const line = make('p', { class: 'alert ' + labels.severity })
    line.append(element('b', labels.alertname), element('span', annotations.summary), element('small', annotations.runbook))
    return line
  })
  document.getElementById('alerts').replaceChildren(...lines)
}

CURVES.forEach(([title], i) => {
  const figure = make('figure', { id: 'curve' + i })
  figure.append(Object.assign(make('figcaption'), { textContent: title }), make('div', { class: 'box' }))
  document.getElementById('curves').append(figure)
})
for (const link of document.querySelectorAll('nav a')) if (link.search === '?m=' + minutes) link.className = 'here'
Promise.all([refresh(), words()]).then(() => {
  document.body.dataset.drawn = 'yes'
  document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth ? 'yes' : 'no'
})
// The template renders the state, so the whole page is loaded again.
setTimeout(() => { if (!document.hidden) location.reload(); else document.addEventListener('visibilitychange', () => location.reload(), { once: true }) }, 30000)
`
