import { describe, expect, it } from 'vitest'
import { SCRIPT } from '../../../../../roles/monitoring/dashboard/script.ts'
import { type Alert, NOW, open, type Series } from './browser.ts'

/** One series that ends with this value. */
const ending = (value: number, metric: Series['metric'] = {}): Series => ({ metric, values: [[NOW, String(value)]] })
const host = { host: 'web-01' }
const unit = { host: 'web-01', unit: 'nginx.service' }

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
  'topk(6, sum by (host, unit) (unit:cpu_cores))': [ending(0.25, unit)],
  '1 - host:memory_free': [ending(0.6, host)],
  'topk(6, provision_unit_memory_bytes)': [ending(3_000_000, unit)],
  'topk(6, unit:io_bytes)': [ending(2000, unit)],
  'frontend:saturation': [ending(0.3, { host: 'lb-01', proxy: 'https' })],
  'database:saturation': [ending(0.1, host)],
  'increase(provision_ssh_failures_total[5m])': [ending(3, { ...host, instance: 'web-01' })],
  'sum by (host) (rate(provision_firewall_dropped_packets_total[5m]))': [ending(1.5, host)],
}

describe('the script of the dashboard', () => {
  it('draws a chart of every measurement, with its unit and the names of its lines', async () => {
    const { curves, asked } = await open(SCRIPT, { series: EVERYTHING })
    const charts = curves.children.map((figure) => {
      const [title, box] = typeof figure === 'string' ? [] : figure.children
      const [scale, , legend] = typeof box === 'object' ? box.children : []
      const items = typeof legend === 'object' ? legend.children.map((item) => (typeof item === 'object' ? item.children : [])) : []
      return [title, scale, ...items.map(([name, value]) => `${name} = ${typeof value === 'object' ? value.textContent : '?'}`)].map(
        (one) => (typeof one === 'object' ? one.textContent : one),
      )
    })
    expect(charts).toEqual([
      ['Requests per second', '12', 'site = 12', 'usual = 10'],
      ['Requests per second, web servers', '6', 'web-01 = 6'],
      ['Queries per second, databases', '30', 'web-01 = 30', 'reads web-01 = 4', 'writes web-01 = 20'],
      ['Response time, all requests', '1.5 s', 'median = 20 ms', '95th percentile = 400 ms', '99th percentile = 1.5 s'],
      ['Response time, probes', '800 ms', 'median = 30 ms', '95th percentile = 200 ms', '99th percentile = 800 ms'],
      ['Response time, probes by phase', '10 ms', 'tls = 10 ms'],
      ['Response time, web servers', '100 ms', 'web-01 shop = 100 ms'],
      ['Error ratio', '5 %', 'all = 5 %'],
      ['CPU busy', '40 %', 'web-01 = 40 %'],
      ['CPU cores by component', '0.25', 'web-01 nginx = 0.25'],
      ['Memory in use', '60 %', 'web-01 = 60 %'],
      ['Memory by component', '3MB', 'web-01 nginx = 3MB'],
      ['Disk reads and writes by component', '2kB', 'web-01 nginx = 2kB'],
      ['Connections, share of the limit', '30 %', 'lb-01 https = 30 %', 'web-01 = 10 %'],
      ['Failed logins in 5 minutes', '3', 'web-01 = 3'],
      ['Dropped packets per second', '1.5', 'web-01 = 1.5'],
    ])
    const ranges = asked.filter(({ pathname }) => pathname === '/api/v1/query_range')
    expect(ranges.map(({ searchParams }) => searchParams.get('query'))).toEqual(Object.keys(EVERYTHING))
  })

  it('asks for the chosen minutes, with at most 150 values of a line', async () => {
    const range = async (search: string) => {
      const { asked, links } = await open(SCRIPT, { search, series: EVERYTHING })
      const { origin, searchParams } = asked[0] as URL
      const [start, end, step] = ['start', 'end', 'step'].map((name) => Number(searchParams.get(name))) as [number, number, number]
      return [origin, NOW - start, NOW - end, step, links.map(({ attributes }) => attributes.class ?? '').join('|')]
    }
    expect(await range('')).toEqual(['https://lb-01:9443', 900, 0, 10, 'here||'])
    expect(await range('?m=60')).toEqual(['https://lb-01:9443', 3600, 0, 24, '|here|'])
    expect(await range('?m=1440')).toEqual(['https://lb-01:9443', 86_400, 0, 576, '||here'])
  })

  const chart = async (series: readonly Series[]) => {
    const { curves } = await open(SCRIPT, { series: { 'web:qps': series } })
    const [, figure] = curves.children
    if (typeof figure !== 'object') throw new Error('no second chart')
    return figure
  }

  it('draws lines from the left to the right edge, as high as the greatest value', async () => {
    const values = [
      [NOW - 900, '0'],
      [NOW - 450, '50'],
      [NOW - 225, 'NaN'],
      [NOW, '100'],
    ] as const
    const { html, all } = await chart([{ metric: host, values }])
    expect(html).toBe(
      [
        '<figure id="curve1"><figcaption>Requests per second, web servers</figcaption><div class="box"><p class="scale">100</p>',
        '<svg viewBox="0 0 300 90" preserveAspectRatio="none" role="img">',
        ...[88, 45, 2].map((y) => `<line x1="0" x2="300" y1="${y}" y2="${y}" class="grid"></line>`),
        '<polyline points="0.0,88.0 150.0,45.0 300.0,2.0" class="line c0"></polyline></svg>',
        '<ul><li class="c0">web-01<b>100</b></li></ul></div></figure>',
      ].join(''),
    )
    const drawn = all.filter(({ name }) => ['svg', 'line', 'polyline'].includes(name))
    expect(drawn.map(({ namespace }) => namespace)).toEqual(drawn.map(() => 'http://www.w3.org/2000/svg'))
  })

  it('shows the eight greatest lines in eight colours, and all lines of zeros at the bottom', async () => {
    const many = Array.from({ length: 10 }, (_, i) => ending(i, { host: `web-${i}` }))
    const figure = await chart(many)
    const items = figure.all.filter(({ name }) => name === 'li')
    expect(items.map(({ textContent }) => textContent)).toEqual([9, 8, 7, 6, 5, 4, 3, 2].map((i) => `web-${i}${i}`))
    expect(items.map(({ attributes }) => attributes.class)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => `c${i}`))
    const lines = figure.all.filter(({ name }) => name === 'polyline')
    expect(lines.map(({ attributes }) => attributes.class)).toEqual([0, 1, 2, 3, 4, 5, 6, 7].map((i) => `line c${i}`))
    const idle = await chart([ending(0, host)])
    expect(idle.all.find(({ name }) => name === 'polyline')?.attributes.points).toBe('300.0,88.0')
  })

  it('writes the reason where Prometheus has no data or refuses a query', async () => {
    expect((await chart([])).html).toContain('<div class="box"><p>no data</p></div>')
    const { curves } = await open(SCRIPT, {})
    expect(curves.all.find(({ attributes }) => attributes.class === 'box')?.textContent).toBe('Error: Prometheus returned status 422')
  })

  it('replaces the alerts by those that fire, the critical ones first, with their runbooks', async () => {
    const alert = (alertname: string, on: string, severity: string, state = 'firing'): Alert => ({
      state,
      labels: { alertname, severity, host: on },
      annotations: { summary: `${alertname} on ${on}`, runbook: `repair ${on}` },
    })
    const { shown } = await open(SCRIPT, {
      alerts: [
        alert('Watchdog', 'lb-01', 'none'),
        alert('SiteSlow', 'lb-01', 'warning'),
        alert('NginxDown', 'web-02', 'critical'),
        alert('NginxDown', 'web-01', 'critical'),
        alert('HostDown', 'web-03', 'critical', 'pending'),
        alert('DiskFull', 'web-04', 'critical'),
      ],
    })
    expect(shown.children.map((one) => (typeof one === 'string' ? one : one.html))).toEqual(
      [
        ['critical', 'DiskFull', 'web-04'],
        ['critical', 'NginxDown', 'web-01'],
        ['critical', 'NginxDown', 'web-02'],
        ['warning', 'SiteSlow', 'lb-01'],
      ].map(
        ([severity, name, on]) => `<p class="alert ${severity}"><b>${name}</b><span>${name} on ${on}</span><small>repair ${on}</small></p>`,
      ),
    )
  })

  it('loads the page again after 30 seconds, or when it becomes visible', async () => {
    const shown = await open(SCRIPT, {})
    expect([shown.body.dataset.drawn, shown.body.dataset.fits, shown.later()?.after]).toEqual(['yes', 'yes', 30_000])
    shown.later()?.act()
    expect(shown.reloads).toEqual(['page'])
    const hidden = await open(SCRIPT, { hidden: true, width: 401 })
    expect(hidden.body.dataset.fits).toBe('no')
    hidden.later()?.act()
    expect([hidden.reloads, hidden.visible()?.once]).toEqual([[], true])
    hidden.visible()?.act()
    expect(hidden.reloads).toEqual(['page'])
  })
})
