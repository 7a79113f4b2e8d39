import { describe, expect, it } from 'vitest'
import { SCRIPT } from '../../../../../roles/monitoring/dashboard/script.ts'
import { NOW, type Node, open, type Series } from './browser.ts'

/** One series that ends with this value. */
const ending = (value: number, metric: Series['metric'] = {}): Series => ({ metric, values: [[NOW, String(value)]] })
const host = { host: 'web-01' }
const unit = { host: 'web-01', unit: 'nginx.service' }

const UNITS = (name: string): string => `${name}{host=~"web-01",unit=~"nginx\\\\.service"}`

/** Answers of Prometheus to all queries, with the labels that their rules keep. */
const EVERYTHING: Readonly<Record<string, readonly Series[]>> = {
  'site:qps': [ending(12)],
  'site:qps:usual': [ending(10)],
  'web:qps': [ending(6, host)],
  'database:qps': [ending(30, host)],
  'database:reads': [ending(4, host)],
  'database:writes': [ending(20, host)],
  'site:response_seconds:p50': [ending(0.02)],
  'site:response_seconds:p95': [ending(0.4)],
  'site:response_seconds:p99': [ending(1.5)],
  'max(probe:seconds:p50)': [ending(0.03)],
  'max(probe:seconds:p95)': [ending(0.2)],
  'max(probe:seconds:p99)': [ending(0.8)],
  'max by (phase) (avg_over_time(probe_http_duration_seconds{job="site"}[2m]))': [ending(0.01, { phase: 'tls' })],
  'server:response_seconds': [ending(0.1, { ...host, backend: 'shop' })],
  'site:error_ratio': [ending(0.05)],
  'host:cpu_busy': [ending(0.4, host)],
  'topk(6, avg_over_time(unit:cpu_cores[5m]))': [ending(0.25, unit)],
  [UNITS('unit:cpu_cores')]: [ending(0.25, unit), ending(9, { ...unit, host: 'web-02' })],
  '1 - host:memory_free': [ending(0.6, host)],
  'topk(6, avg_over_time(provision_unit_memory_bytes[5m]))': [ending(1, unit)],
  [UNITS('provision_unit_memory_bytes')]: [ending(3_000_000, unit)],
  'topk(6, avg_over_time(unit:io_bytes[5m]))': [ending(1, unit)],
  [UNITS('unit:io_bytes')]: [ending(2000, unit)],
  'host:network_receive_bytes': [ending(500, host)],
  'host:network_transmit_bytes': [ending(48_900_000, host)],
  'frontend:saturation': [ending(0.3, { host: 'lb-01', proxy: 'https' })],
  'database:saturation': [ending(0.1, host)],
  'increase(provision_ssh_failures_total[5m])': [ending(3, { ...host, instance: 'web-01' })],
  'sum by (host) (rate(provision_firewall_dropped_packets_total[5m]))': [ending(1.5, host)],
}

const READY = { alerts: [], rules: [], silences: [] }
const named = (node: Node, name: string): readonly Node[] => node.all.filter((one) => one.name === name)
const texts = (nodes: readonly Node[]): readonly string[] => nodes.map(({ textContent }) => textContent)
const legendOf = (figure: Node): readonly string[] =>
  named(figure, 'li').map((item) => item.children.map((part) => (typeof part === 'string' ? part : part.textContent)).join(' = '))

describe('the charts of the dashboard', () => {
  it('show every measurement, with its unit and the names of its lines', async () => {
    const { section, asked } = await open(SCRIPT, { ...READY, series: EVERYTHING })
    const charts = named(section('curves'), 'figure').map((figure) => [
      texts(named(figure, 'figcaption')).join(''),
      texts(named(figure, 'text'))
        .filter((text) => !text.includes(':'))
        .at(-1),
      ...legendOf(figure),
    ])
    expect(charts).toEqual([
      ['Requests per second', '15', 'site = 12', 'usual = 10'],
      ['Requests per second, web servers', '6', 'web-01 = 6'],
      ['Queries per second, databases', '30', 'web-01 = 30', 'reads web-01 = 4', 'writes web-01 = 20'],
      ['Response time, all requests', '1.5 s', 'median = 20 ms', '95th percentile = 400 ms', '99th percentile = 1.5 s'],
      ['Response time, probes', '800 ms', 'median = 30 ms', '95th percentile = 200 ms', '99th percentile = 800 ms'],
      ['Response time, probes by phase', '10 ms', 'tls = 10 ms'],
      ['Response time, web servers', '100 ms', 'web-01 shop = 100 ms'],
      ['Error ratio', '6%', 'all = 5%'],
      ['CPU busy', '40%', 'web-01 = 40%'],
      ['CPU cores by component', '0.3', 'web-01 nginx = 0.25'],
      ['Memory in use', '60%', 'web-01 = 60%'],
      ['Memory by component', '3 MB', 'web-01 nginx = 3 MB'],
      ['Disk reads and writes by component', '2 kB/s', 'web-01 nginx = 2 kB/s'],
      ['Network traffic', '60 MB/s', 'in web-01 = 500 B/s', 'out web-01 = 48.9 MB/s'],
      ['Connections, share of the limit', '30%', 'lb-01 https = 30%', 'web-01 = 10%'],
      ['Failed logins in 5 minutes', '3', 'web-01 = 3'],
      ['Dropped packets per second', '1.5', 'web-01 = 1.5'],
    ])
    const ranges = asked.filter(({ url }) => url.pathname === '/api/v1/query_range')
    expect(ranges.map(({ url }) => url.searchParams.get('query')).toSorted()).toEqual(
      Object.keys(EVERYTHING)
        .filter((query) => !query.startsWith('topk'))
        .toSorted(),
    )
  })

  it('ask for the chosen minutes, with at most 150 values of a line', async () => {
    const range = async (search: string) => {
      const { asked, links } = await open(SCRIPT, { ...READY, search, series: EVERYTHING })
      const { origin, searchParams } = new URL(asked.find(({ url }) => url.pathname === '/api/v1/query_range')?.url ?? '')
      const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(searchParams.get(name))) as [number, number, number]
      return [origin, NOW - start, NOW - end, step, links.map(({ attributes }) => attributes.class ?? '').join('|')]
    }
    expect(await range('')).toEqual(['https://lb-01:9443', 900, 0, 10, 'here||'])
    expect(await range('?m=60')).toEqual(['https://lb-01:9443', 3600, 0, 24, '|here|'])
    expect(await range('?m=1440')).toEqual(['https://lb-01:9443', 86_400, 0, 576, '||here'])
  })

  const chart = async (series: readonly Series[], search = '') => {
    const { section } = await open(SCRIPT, { ...READY, search, series: { 'web:qps': series } })
    return named(section('curves'), 'figure')[1] as Node
  }
  const points = (figure: Node): readonly (string | undefined)[] => named(figure, 'polyline').map(({ attributes }) => attributes.points)
  /** Values each ten seconds, from the first second of the chart. */
  const each = (...values: readonly number[]): Series['values'] => values.map((value, i) => [NOW - 900 + 10 * i, String(value)])

  it('draw lines from the left to the right edge, below round values and times', async () => {
    const values: Series['values'] = Array.from({ length: 91 }, (_, i) => [NOW - 900 + 10 * i, String(i)])
    const figure = await chart([{ metric: host, values }])
    expect(points(figure)).toHaveLength(1)
    expect(points(figure)[0]).toMatch(/^52\.0,112\.0 [\s\S]* 316\.0,16\.[0-9]$/)
    expect(texts(named(figure, 'text'))).toEqual(['0', '25', '50', '75', '100', '07:45', '07:50', '07:55', '08:00'])
    const drawn = figure.all.filter(({ name }) => ['svg', 'line', 'polyline', 'text'].includes(name))
    expect(new Set(drawn.map(({ namespace }) => namespace))).toEqual(new Set(['http://www.w3.org/2000/svg']))
    expect(texts(named(await chart([{ metric: host, values: [[NOW, '7']] }], '?m=10080'), 'text')).slice(-2)).toEqual(['01-12', '01-14'])
  })

  it('draw no line through an outage, and show when a series ended instead of its last value', async () => {
    const one = { metric: host, values: [...each(1, 2, 3), [NOW - 800, 'NaN'], [NOW - 600, '4'], [NOW - 590, '5'], [NOW, '6']] } as Series
    const figure = await chart([one, { metric: { host: 'web-02' }, values: each(9, 9) }])
    expect(points(figure).map((line) => line?.split(' ').length)).toEqual([2, 3, 2, 2])
    expect(legendOf(figure)).toEqual(['web-02 = until 07:45', 'web-01 = 6'])
    expect(named(figure, 'b').map(({ attributes }) => attributes.class)).toEqual(['ended', 'value'])
  })

  it('show the values at the cursor of a pointer or a keyboard, in all charts', async () => {
    const values: Series['values'] = Array.from({ length: 91 }, (_, i) => [NOW - 900 + 10 * i, String(i)])
    const series = { 'web:qps': [{ metric: host, values }], 'site:qps': [{ metric: {}, values: each(1, 2) }], 'site:qps:usual': [] }
    const { section } = await open(SCRIPT, { ...READY, series })
    const [site, web] = named(section('curves'), 'figure') as [Node, Node]
    const [svg] = named(web, 'svg') as [Node]
    const seen = () => [site, web].map((figure) => [figure.querySelector('.scale')?.textContent, ...legendOf(figure)])
    expect(svg.attributes).toMatchObject({ tabindex: '0', role: 'img' })
    expect(seen()).toEqual([
      ['', 'site = until 07:45'],
      ['', 'web-01 = 90'],
    ])
    svg.listeners.pointermove?.({ offsetX: 52 + 264 / 2 })
    expect(seen()).toEqual([
      ['07:52', 'site = no value'],
      ['07:52', 'web-01 = 45'],
    ])
    for (let i = 0; i < 50; i++) svg.listeners.keydown?.({ key: 'ArrowLeft', preventDefault: () => undefined })
    expect(seen()[1]).toEqual(['07:45', 'web-01 = 0'])
    expect(seen()[0]).toEqual(['07:45', 'site = 1'])
    svg.listeners.keydown?.({ key: 'ArrowRight', preventDefault: () => undefined })
    expect(seen()[1]).toEqual(['07:45', 'web-01 = 1'])
    svg.listeners.keydown?.({ key: 'Escape' })
    expect(seen()[1]).toEqual(['', 'web-01 = 90'])
  })

  it('show the eight greatest lines in eight colours, and all lines of zeros at the bottom', async () => {
    const many = Array.from({ length: 10 }, (_, i) => ending(i, { host: `web-${i}` }))
    const figure = await chart(many)
    expect(legendOf(figure)).toEqual([9, 8, 7, 6, 5, 4, 3, 2].map((i) => `web-${i} = ${i}`))
    expect(named(figure, 'li').map(({ attributes }) => attributes.class)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => `c${i}`))
    expect(named(figure, 'polyline').map(({ attributes }) => attributes.class)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => `line c${i}`))
    expect(points(await chart([ending(0, host)]))).toEqual(['316.0,112.0 316.0,112.0'])
  })

  it('write the reason where Prometheus has no data or refuses a query', async () => {
    expect((await chart([])).textContent).toContain('no data')
    const { section } = await open(SCRIPT, READY)
    expect(section('curves').querySelector('.box')?.textContent).toBe('Error: /api/v1/query_range returned status 422')
  })
})
