import { describe, expect, it } from 'vitest'
import { SCRIPT } from '../../../../../roles/monitoring/dashboard/script.ts'
import { type Alert, NOW, type Node, open, type Page } from './browser.ts'

const at = (seconds: number): string => new Date((NOW - seconds) * 1000).toISOString()
interface More {
  readonly by?: string
  readonly silenced?: boolean
  readonly severity?: string
  readonly since?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly summary?: string
}
const alert = (name: string, host: string, { by, silenced, severity = 'critical', since = 600, labels, summary }: More = {}): Alert => ({
  labels: { alertname: name, host, severity, ...labels },
  annotations: { summary: summary ?? `${name} of ${host}`, runbook: `Run \`provision run --limit ${host}\` now.` },
  startsAt: at(since),
  fingerprint: `${name} ${host} ${JSON.stringify(labels ?? {})}`,
  status: { inhibitedBy: by === undefined ? [] : [`${by} {}`], silencedBy: silenced === true ? ['x'] : [] },
})
const instant = (query: string, value: number, ...metrics: readonly Readonly<Record<string, string>>[]) => ({
  [query]: metrics.map((metric) => ({ metric, values: [[NOW, String(value)] as const] })),
})
const TIMES = 'changes(alert:began_seconds[7d]) + 1'
const ENDED = 'last_over_time(alert:began_seconds[1d])'
const QUIET = { rules: [], silences: [], series: { ...instant(TIMES, 1), ...instant(ENDED, NOW) } }

const lines = (card: Node): readonly string[] =>
  card.all.filter(({ name }) => ['h3', 'h4', 'li', 'p'].includes(name)).map((one) => one.textContent)
const cards = (section: Node): readonly Node[] => section.all.filter(({ name }) => name === 'article')
const shown = async (alerts: readonly Alert[], more: Page = {}) => {
  const page = await open(SCRIPT, { ...QUIET, ...more, alerts })
  return { ...page, cards: cards(page.section('alerts')) }
}

describe('the alerts of the dashboard', () => {
  it('are one card per cause, with its effects, and begin with the cause', async () => {
    const {
      cards: all,
      section,
      document,
    } = await shown([
      alert('BackendServerDown', 'web-02', { by: 'NginxDown web-02' }),
      alert('ExporterDown', 'web-02', { by: 'NginxDown web-02', severity: 'warning' }),
      alert('RebootNeeded', 'lb-01', { severity: 'warning', since: 90_000 }),
      alert('NginxDown', 'web-02', { since: 780 }),
      alert('UnitFailed', 'web-02', { by: 'NginxDown web-02', severity: 'warning' }),
      alert('Watchdog', 'lb-01', { severity: 'none' }),
      alert('WebServerDown', 'web-02', { by: 'NginxDown web-02' }),
    ])
    expect(all.map(({ attributes }) => [attributes.id, attributes.class])).toEqual([
      ['NginxDown', 'alert critical'],
      ['RebootNeeded', 'alert warning'],
    ])
    expect(lines(all[0] as Node)).toEqual([
      'NginxDown of web-02',
      'NginxDown · critical · since 07:47 (13 min)',
      'Follows from it',
      ...['BackendServerDown', 'ExporterDown', 'UnitFailed', 'WebServerDown'].map((name) => `${name} of web-02`),
      'Run provision run --limit web-02 now.',
      'history',
    ])
    expect(lines(all[1] as Node)[1]).toBe('RebootNeeded · warning · since 2027-01-14 07:00 (25 h 0 min)')
    expect([section('heading').textContent, document.title]).toEqual(['2 problems', '(2) monitoring'])
  })

  it('of one name on several hosts are one card, which counts how often they came back', async () => {
    const { cards: all } = await shown(
      ['web-03', 'web-01', 'web-02'].flatMap((host) =>
        ['a', 'b'].map((name) =>
          alert('UnitFailed', host, { labels: { name }, summary: `${name} failed on ${host}`, severity: 'warning' }),
        ),
      ),
      { series: { ...instant(TIMES, 3, { alertname: 'UnitFailed', host: 'web-01' }), ...instant(ENDED, NOW) } },
    )
    expect(all).toHaveLength(1)
    expect(lines(all[0] as Node)).toEqual([
      'UnitFailed: 6 alerts on web-01, web-02, web-03',
      'UnitFailed · warning · since 07:50 (10 min) · 3 times within 7 days',
      'Each alert',
      ...['a', 'b'].flatMap((name) => ['web-01', 'web-02', 'web-03'].map((host) => `${name} failed on ${host}`)),
      'Run provision run --limit web-01:web-02:web-03 now.',
      'history',
    ])
    const code = all[0]?.all.find(({ name }) => name === 'code')
    expect(code?.textContent).toBe('provision run --limit web-01:web-02:web-03')
  })

  it('about the site are below an alert about a host that began before them', async () => {
    const down = alert('SiteDown', 'lb-01', { since: 590 })
    const { cards: all } = await shown([down, alert('ErrorRatio', '', { since: 500 }), alert('NginxDown', 'web-01', { since: 600 })])
    expect(all.map(({ attributes }) => attributes.id)).toEqual(['NginxDown'])
    expect(lines(all[0] as Node).slice(2, 5)).toEqual(['Since then also', 'ErrorRatio of ', 'SiteDown of lb-01'])
    const { cards: apart } = await shown([down, alert('NginxDown', 'web-01', { since: 100 })])
    expect(apart.map(({ attributes }) => attributes.id)).toEqual(['NginxDown', 'SiteDown'])
  })

  it('with texts of a host show them as text, and long lists are cut', async () => {
    const hostile = '<img src=x onerror=alert(1)>'
    const many = Array.from({ length: 12 }, (_, i) =>
      alert('ManagedFileWrong', 'web-01', { labels: { path: `${i}` }, summary: `${hostile} ${i}` }),
    )
    const { cards: all } = await shown(many)
    expect(all[0]?.all.map(({ name }) => name)).not.toContain('img')
    expect(lines(all[0] as Node)).toContain(`${hostile} 0`)
    expect(lines(all[0] as Node)).toContain('and 4 more')
  })

  it('say if no receiver gets them', async () => {
    const to = (...names: readonly string[]) => ({ ...alert('RebootNeeded', 'web-01'), receivers: names.map((name) => ({ name })) })
    const line = async (one: Alert) => lines((await shown([one])).cards[0] as Node)[1]
    expect(await line(to('nobody'))).toMatch(/ · no receiver gets it$/)
    expect(await line(to('nobody', 'mail'))).not.toContain('receiver')
  })

  it('that ended within a day are listed', async () => {
    const past = [
      { alertname: 'HostDown', host: 'web-01', instance: 'web-01' },
      { alertname: 'SiteDown', host: 'lb-01', instance: 'www' },
      { alertname: 'NginxDown', host: 'web-01' },
    ]
    const { section } = await shown([alert('NginxDown', 'web-01')], {
      series: { ...instant(TIMES, 1), ...instant(ENDED, NOW - 3600, ...past) },
    })
    const over = section('alerts').querySelector('.over') as Node
    expect(over.all.map(({ name, textContent }) => `${name} ${textContent}`)).toEqual([
      'summary Over, within the last day: 2',
      expect.stringMatching(/^ul /),
      'li HostDown web-01, began 07:00',
      'li SiteDown lb-01 www, began 07:00',
    ])
  })

  it('come from Prometheus if Alertmanager does not answer, and the page says that they are not sent', async () => {
    const rules = [
      {
        state: 'firing',
        labels: { alertname: 'HostDown', host: 'web-01', severity: 'critical' },
        annotations: { summary: 'down' },
        activeAt: at(60),
      },
      { state: 'pending', labels: { alertname: 'DiskFull', host: 'web-01', severity: 'critical' }, annotations: {}, activeAt: at(5) },
    ]
    const { section } = await open(SCRIPT, { ...QUIET, rules })
    expect(cards(section('alerts')).map((card) => lines(card)[0])).toEqual(['down'])
    expect(section('notice').textContent).toBe('Alertmanager does not answer, so these alerts are not sent (/alerts returned status 422).')
  })

  it('are followed by a link of a message', async () => {
    const { section } = await shown([alert('HostDown', 'web-01')], { hash: '#HostDown' })
    expect(section('alerts').getElementById('HostDown')?.isShown).toBe(true)
  })
})

describe('an update of the dashboard', () => {
  it('replaces the state and the alerts after 30 seconds, and keeps a form that is open', async () => {
    const first = { ...QUIET, account: 'ann', alerts: [alert('HostDown', 'web-01')] }
    const { section, update, after } = await open(SCRIPT, first)
    expect(after()).toBe(30_000)
    const next = { ...first, alerts: [] }
    await update(30, next)
    expect([section('state').textContent, section('heading').textContent]).toEqual(['new state', 'new heading'])
    expect(cards(section('alerts'))).toEqual([])
    await update(30, first)
    const form = section('alerts').all.find(({ name }) => name === 'details') as Node
    form.open = true
    await update(30, next)
    expect(section('alerts').all).toContain(form)
  })

  it('says since when the monitoring does not answer, and when it does again', async () => {
    const good = { ...QUIET, alerts: [] }
    const { section, update } = await open(SCRIPT, good)
    await update(120, {})
    expect(section('heading').textContent).toBe('Monitoring does not answer')
    expect(section('notice').textContent).toMatch(/^Everything below is as it was at 08:00 \(status 422\)\.$/)
    await update(30, good)
    expect([section('heading').textContent, section('notice').textContent]).toEqual(['new heading', ''])
  })

  it('waits until the page is visible', async () => {
    const { asked, update } = await open(SCRIPT, { ...QUIET, alerts: [] })
    const before = asked.length
    await update(30, { ...QUIET, alerts: [], hidden: true })
    expect(asked.length).toBe(before)
  })

  it('marks a page that is drawn and fits', async () => {
    expect((await open(SCRIPT, { ...QUIET, alerts: [] })).body.dataset).toEqual({ drawn: 'yes', fits: 'yes' })
    expect((await open(SCRIPT, { ...QUIET, alerts: [], width: 401 })).body.dataset.fits).toBe('no')
  })
})

describe('silences on the dashboard', () => {
  const buttons = (section: Node) => section.all.filter(({ name }) => name === 'button').map((one) => one.textContent)
  const two = [
    alert('UnitFailed', 'web-01', { labels: { name: 'a.service', job: 'node' } }),
    alert('UnitFailed', 'web-02', { labels: { name: 'a.service' } }),
  ]

  it('are offered to accounts in `may_silence`, with the labels that the alerts share', async () => {
    expect(buttons((await shown(two)).section('alerts'))).toEqual([])
    const { section, asked } = await shown(two, { account: 'ann' })
    expect(buttons(section('alerts'))).toEqual(['Acknowledge for 4 hours', 'Silence'])
    const [acknowledge] = section('alerts').all.filter(({ name }) => name === 'button')
    acknowledge?.listeners.click?.({})
    const sent = () => asked.find(({ url }) => url.pathname === '/silence/add')
    await expect.poll(sent).toBeDefined()
    expect(sent()?.request.method).toBe('POST')
    expect(JSON.parse(sent()?.request.body ?? '')).toEqual({
      ...{ startsAt: new Date(NOW * 1000 + 999).toISOString(), endsAt: new Date((NOW + 14_400) * 1000 + 999).toISOString() },
      ...{ createdBy: 'ann', comment: 'acknowledged' },
      matchers: [
        { name: 'alertname', value: 'UnitFailed', isRegex: false, isEqual: true },
        { name: 'host', value: 'web-01|web-02', isRegex: true, isEqual: true },
        { name: 'name', value: 'a.service', isRegex: false, isEqual: true },
      ],
    })
  })

  it('need a reason and a duration, and match hostile values as text', async () => {
    const hostile = [
      alert('ManagedFileWrong', 'web-01', { labels: { path: '/a.b' } }),
      alert('ManagedFileWrong', 'web-01', { labels: { path: '/a|.*' } }),
    ]
    const { section, asked } = await shown(hostile, { account: 'ann' })
    const part = (name: string) => section('alerts').all.find((one) => one.name === name) as Node
    expect(part('input').attributes).toMatchObject({ required: '' })
    part('input').value = 'a new release'
    part('select').value = '12'
    part('form').listeners.submit?.({ preventDefault: () => undefined })
    await expect.poll(() => asked.filter(({ url }) => url.pathname === '/silence/add').length).toBe(1)
    const body = JSON.parse(asked.find(({ url }) => url.pathname === '/silence/add')?.request.body ?? '')
    expect([body.comment, Date.parse(body.endsAt) - Date.parse(body.startsAt)]).toEqual(['a new release', 12 * 3_600_000])
    expect(body.matchers[2]).toEqual({ name: 'path', value: '/a\\.b|/a\\|\\.\\*', isRegex: true, isEqual: true })
  })

  it('are listed while they last, and can be ended; silenced alerts are shown, but not counted as problems', async () => {
    const silence = (id: string, state: string) => ({
      ...{ id, status: { state }, endsAt: at(-7200), createdBy: '<b>ann', comment: 'release' },
      matchers: [
        { name: 'alertname', value: 'HostDown', isEqual: true },
        { name: 'host', value: 'web-01', isEqual: true },
        { name: 'instance', value: 'web-01', isEqual: true },
      ],
    })
    const silences = [silence('1-1', 'active'), silence('2-2', 'expired')]
    const { section, asked } = await shown([alert('HostDown', 'web-01', { silenced: true })], { account: 'ann', silences })
    expect(section('heading').textContent).toBe('1 problem, silenced')
    expect(
      section('silences')
        .all.filter(({ name }) => name === 'p')
        .map(({ children }) => children[0]),
    ).toEqual(['Silenced until 10:00 by <b>ann: HostDown, host web-01 (release)'])
    const [end] = section('silences').all.filter(({ name }) => name === 'button')
    end?.listeners.click?.({})
    await expect
      .poll(() => asked.filter(({ request }) => request.method === 'DELETE').map(({ url }) => url.pathname))
      .toEqual(['/silence/end/1-1'])
    expect(buttons((await shown([], { silences })).section('silences'))).toEqual([])
  })
})
