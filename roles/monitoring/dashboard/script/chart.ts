/** Charts as SVG from the HTTP API of Prometheus, without a library. A cursor shows the values at one time in all charts. */
export const CHART = String.raw`
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
  ['CPU cores by component', [['', 'unit:cpu_cores', 'most']], 'plain'],
  ['Memory in use', [['', '1 - host:memory_free']], 'part'],
  ['Memory by component', [['', 'provision_unit_memory_bytes', 'most']], 'memory'],
  ['Disk reads and writes by component', [['', 'unit:io_bytes', 'most']], 'bytes'],
  ['Network traffic', [['in', 'host:network_receive_bytes'], ['out', 'host:network_transmit_bytes']], 'bytes'],
  ['Connections, share of the limit', [['', 'frontend:saturation'], ['', 'database:saturation']], 'part'],
  ['Failed logins in 5 minutes', [['', 'increase(provision_ssh_failures_total[5m])']], 'plain'],
  ['Dropped packets per second', [['', 'sum by (host) (rate(provision_firewall_dropped_packets_total[5m]))']], 'plain'],
]
const minutes = Number(new URLSearchParams(location.search).get('m')) || 15
const HEIGHT = 130, LEFT = 52, TOP = 6, BOTTOM = 18
const nameOf = (given, metric) =>
  [given, metric.host, metric.instance !== metric.host ? metric.instance : '', (metric.unit || '').replace(/\.service$/, ''), metric.phase, metric.proxy, metric.backend]
    .filter(Boolean).join(' ')
const stepOf = (from, to) => Math.max(10, Math.round((to - from) / 150))

/** The units of hosts that use most at the end of the period. A query for the greatest at each time would return pieces of lines. */
const unitsOf = async (query) => (await instant('topk(6, avg_over_time(' + query + '[5m]))')).map(({ metric: { host, unit } }) => ({ host, unit }))
const quoted = (values) => JSON.stringify(listOf(values).map(escaped).join('|'))
const askMost = async (query, from, to) => {
  const units = await unitsOf(query)
  const among = query + '{host=~' + quoted(units.map(({ host }) => host)) + ',unit=~' + quoted(units.map(({ unit }) => unit)) + '}'
  const found = units.length === 0 ? [] : await ask(among, from, to)
  return found.filter(({ metric }) => units.some(({ host, unit }) => host === metric.host && unit === metric.unit))
}
const ask = async (query, from, to) =>
  (await json('/api/v1/query_range?query=' + encodeURIComponent(query) + '&start=' + from + '&end=' + to + '&step=' + stepOf(from, to))).data.result

// Round values from 0 to at least the greatest one.
const ticksTo = (most) => {
  const size = 10 ** Math.floor(Math.log10(most / 3))
  const step = [1, 2, 2.5, 5, 10].map((part) => part * size).find((part) => part * 4 >= most)
  return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, i) => i * step)
}
// Round times of this time zone.
const timesIn = (from, to) => {
  const step = [60, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400].find((one) => (to - from) / one <= 5) || 172800
  const zone = new Date(to * 1000).getTimezoneOffset() * 60
  const first = Math.ceil((from - zone) / step) * step + zone
  return Array.from({ length: Math.max(0, Math.floor((to - first) / step) + 1) }, (_, i) => first + i * step)
}
// Points without a gap between them.
const piecesOf = (points, step) => {
  const pieces = []
  for (const point of points) {
    const last = pieces.at(-1)
    if (last != null && point[0] - last.at(-1)[0] <= 1.5 * step) last.push(point)
    else pieces.push([point])
  }
  return pieces
}

const charts = []
let cursor
/** Shows the values at the cursor, or the last ones. A series that ended has none. */
const point = (at) => {
  cursor = at
  for (const chart of charts) chart.show?.(at)
}

const draw = (chart, lines, words, from, to) => {
  const { box, title } = chart
  chart.show = null
  if (lines.length === 0) { box.replaceChildren(make('p', {}, 'no data')); return }
  const step = stepOf(from, to), width = box.clientWidth || 320
  const series = lines.map(({ name, values }) => ({ name, points: values.map(([at, value]) => [at, Number(value)]).filter(([, value]) => Number.isFinite(value)) }))
  const ticks = ticksTo(Math.max(...series.flatMap(({ points }) => points.map(([, value]) => value)), 0) || 1)
  const x = (at) => LEFT + ((at - from) / (to - from)) * (width - LEFT - 4)
  const y = (value) => HEIGHT - BOTTOM - (Math.max(0, value) / ticks.at(-1)) * (HEIGHT - BOTTOM - TOP)
  const svg = make('svg', { viewBox: '0 0 ' + width + ' ' + HEIGHT, role: 'img', tabindex: '0', 'aria-label': title + '. Arrow keys move the cursor.' })
  for (const value of ticks) svg.append(
    make('line', { x1: LEFT, x2: width - 4, y1: y(value).toFixed(1), y2: y(value).toFixed(1), class: 'grid' }),
    make('text', { x: LEFT - 5, y: (y(value) + 4).toFixed(1), class: 'tick right' }, WORDS[words](value)))
  for (const at of timesIn(from, to)) svg.append(
    make('line', { x1: x(at).toFixed(1), x2: x(at).toFixed(1), y1: HEIGHT - BOTTOM, y2: HEIGHT - BOTTOM + 4, class: 'grid' }),
    make('text', { x: x(at).toFixed(1), y: HEIGHT - 3, class: 'tick' }, to - from > 172800 ? dateOf(at).slice(5) : clock(at)))
  series.forEach(({ points }, i) => {
    for (const piece of piecesOf(points, step)) {
      const drawn = piece.length === 1 ? [piece[0], piece[0]] : piece
      svg.append(make('polyline', { points: drawn.map(([at, value]) => x(at).toFixed(1) + ',' + y(value).toFixed(1)).join(' '), class: 'line c' + (i % 8) }))
    }
  })
  const hair = make('line', { y1: TOP, y2: HEIGHT - BOTTOM, x1: -9, x2: -9, class: 'hair' })
  svg.append(hair)
  const time = make('p', { class: 'scale' })
  const legend = make('ul')
  const values = series.map(({ name }, i) => {
    const value = make('b')
    legend.append(make('li', { class: 'c' + (i % 8) }, make('span', {}, name || 'all'), value))
    return value
  })
  chart.show = (at) => {
    const seen = at == null ? to : Math.min(to, Math.max(from, at))
    const here = at == null ? -9 : x(seen).toFixed(1)
    hair.setAttribute('x1', here)
    hair.setAttribute('x2', here)
    time.textContent = at == null ? '' : moment(seen)
    series.forEach(({ points }, i) => {
      const [nearest] = points.toSorted(([one], [other]) => Math.abs(one - seen) - Math.abs(other - seen))
      const isThere = nearest != null && Math.abs(nearest[0] - seen) <= 1.5 * step
      values[i].textContent = isThere ? WORDS[words](nearest[1]) : at == null && nearest != null ? 'until ' + moment(points.at(-1)[0]) : 'no value'
      values[i].setAttribute('class', isThere ? 'value' : 'ended')
    })
  }
  svg.addEventListener('pointermove', ({ offsetX }) => point(from + ((offsetX - LEFT) / (width - LEFT - 4)) * (to - from)))
  svg.addEventListener('pointerleave', () => point())
  svg.addEventListener('blur', () => point())
  svg.addEventListener('keydown', (event) => {
    const move = { ArrowLeft: -step, ArrowRight: step }[event.key]
    if (move != null) { event.preventDefault(); point(Math.min(to, Math.max(from, (cursor ?? to) + move))) }
    if (event.key === 'Escape') point()
  })
  // The chart keeps the focus of the keyboard.
  const hadFocus = document.activeElement !== null && box.contains(document.activeElement)
  box.replaceChildren(time, svg, legend)
  if (hadFocus) svg.focus()
  chart.show(cursor)
}

const drawAll = async () => {
  const to = Math.floor(Date.now() / 1000), from = to - minutes * 60
  await Promise.all(CURVES.map(async ([title, queries, words], i) => {
    const chart = charts[i]
    try {
      const found = await Promise.all(queries.map(async ([given, query, which]) => (await (which === 'most' ? askMost : ask)(query, from, to)).map(({ metric, values }) => ({ name: nameOf(given, metric), values }))))
      const last = ({ values }) => Number(values.at(-1)[1]) || 0
      draw(chart, found.flat().sort((one, other) => (queries.length > 1 ? 0 : last(other) - last(one))).slice(0, 8), words, from, to)
    } catch (error) { chart.show = null; chart.box.textContent = String(error) }
  }))
}

for (const [title] of CURVES) {
  const box = make('div', { class: 'box' })
  charts.push({ title, box })
  document.getElementById('curves').append(make('figure', {}, make('figcaption', {}, title), box))
}
for (const link of document.querySelectorAll('nav a')) if (link.search === '?m=' + minutes) { link.className = 'here'; link.setAttribute('aria-current', 'page') }
document.getElementById('times').textContent = 'Times are local (' + Intl.DateTimeFormat().resolvedOptions().timeZone + '); messages have UTC.'
`
