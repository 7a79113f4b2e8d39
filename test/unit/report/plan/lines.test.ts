import { describe, expect, test } from 'vitest'
import { changeLines } from '../../../../src/report/plan/change.ts'
import { placeLines, planHeadline } from '../../../../src/report/plan/headline.ts'
import { planLines } from '../../../../src/report/plan/lines.ts'
import { painter } from '../../../../src/report/view.ts'
import { change, plainView, planOf } from '../values.ts'

const lines = (plan: ReturnType<typeof planOf>, view = plainView): readonly string[] => planLines(plan, ['web servers', 'balancer'], view)

describe('the plan', () => {
  test.each([
    [[1], ['lb-01'], 'one at a time; each is drained from lb-01 while it changes'],
    [[2], [], '2 at a time'],
    [[1, 3, 5], ['lb-01', 'lb-02'], 'one first, then 3, then 5 at a time; each is drained from lb-01 and lb-02 while it changes'],
  ])('shows the batch size of a play: %j', (serial, at, text) => {
    const plan = planOf(change('a', 'file:/1'), change('a', 'file:/2', { play: 1 }))
    const shown = lines({ ...plan, rollouts: [{ play: 1, serial, at, maxFailures: 0 }] })
    expect(shown.filter((line) => line.includes('at a time'))).toEqual([`  ${text}`])
    expect(shown[shown.indexOf(`  ${text}`) - 1]).toBe('balancer')
  })

  test('shows a change that is the same on several hosts once, under all of them', () => {
    const diff = '--- a\n+++ b\n@@ -3,2 +3,2 @@\n user www-data;\n-old\n+new\n'
    const same = ['web-01', 'web-02'].map((host) =>
      change(host, 'file:/etc/nginx/nginx.conf', { action: 'update', reason: 'content differs', diff }),
    )
    expect(lines(planOf(...same, change('web-02', 'package:nginx', { reason: 'not installed' })))).toEqual([
      '',
      'web servers',
      '',
      '  nginx  web-01 web-02',
      '    ~ file /etc/nginx/nginx.conf  content differs',
      '        @@ -3,2 +3,2 @@',
      '         user www-data;',
      '        -old',
      '        +new',
      '',
      '  nginx  web-02',
      '    + package nginx  not installed',
    ])
  })

  test('shows why a content is not shown, and no head without a value', () => {
    const hidden = { key: 'content', to: 'not shown, because it contains a secret' }
    const differences = [hidden, { key: 'configuration at boot' }]
    const plan = planOf(change('a', 'file:/key', { action: 'update', reason: 'content and configuration at boot differ', differences }))
    expect(lines(plan).slice(4)).toEqual([
      '    ~ file /key  content and configuration at boot differ',
      '        content: not shown, because it contains a secret',
    ])
  })

  test('shows changes separately if only their diffs differ', () => {
    const plan = planOf(
      change('web-01', 'file:/a', { action: 'update', diff: '@@ -1 +1 @@\n-x\n+one\n' }),
      change('web-02', 'file:/a', { action: 'update', diff: '@@ -1 +1 @@\n-x\n+two\n' }),
    )
    expect(lines(plan).filter((line) => line.includes('file /a'))).toHaveLength(2)
  })

  test('shows a new file without its content, once for hosts with different contents, and says how to see them', () => {
    const news = ['one', 'two'].map((text, i) => change(`web-0${i + 1}`, 'file:/a', { diff: `@@ -0,0 +1 @@\n+${text}\n` }))
    expect(lines(planOf(...news))).toEqual([
      '',
      'web servers',
      '',
      '  nginx  web-01 web-02',
      '    + file /a  does not exist',
      '',
      'Contents of new resources are not shown; --verbose shows them.',
    ])
    const all = lines(planOf(...news), { ...plainView, verbose: true })
    expect(all.filter((line) => /^ {8}\+/.test(line))).toEqual(['        +one', '        +two'])
    expect(all.at(-1)).toBe('        +two')
  })

  test('of more than 40 lines shows new resources of a kind on one line, and all other changes one by one', () => {
    const files = Array.from({ length: 40 }, (_, i) =>
      change('a', `file:/etc/file-number-${i}`, { certainty: i % 2 ? 'exact' : 'dependent' }),
    )
    const others = [
      change('a', 'file:/etc/old', { action: 'update', reason: 'mode differs' }),
      change('a', 'service:x', { certainty: 'dependent' }),
    ]
    const short = lines(planOf(...files))
    expect(short.filter((line) => line.startsWith('    + file'))).toHaveLength(40)
    expect(lines(planOf(...files, ...others)).slice(1)).toEqual([
      'web servers',
      '  nginx  a',
      '    + 40 × file  /etc/file-number-0, /etc/file-number-1, /etc/file-number-2, 37 more',
      '    ~ file /etc/old  mode differs',
      '    + service x  does not exist',
      '',
      'New resources of a kind share a line, and their contents are not shown; --verbose shows them.',
    ])
    expect(
      lines(planOf(...files, ...others), { ...plainView, verbose: true }).filter((line) => line.startsWith('    + file')),
    ).toHaveLength(40)
  })

  test('shows a shared summary once, and each full diff if verbose', () => {
    const fullDiff = (port: number): string => `@@ -0,0 +1 @@\n+tcp dport ${port} accept\n`
    const plan = planOf(
      ...[80, 443].map((port, i) =>
        change(`web-0${i + 1}`, 'nftables:x', { action: 'update', diff: '@@ -0,0 +1 @@\n+site\n', fullDiff: fullDiff(port) }),
      ),
    )
    expect(lines(plan).slice(3)).toEqual(['  nginx  web-01 web-02', '    ~ nftables x  does not exist', '        +site'])
    const all = lines(plan, { ...plainView, verbose: true })
    expect(all.slice(3, 8)).toEqual(['  nginx  web-01', '    ~ nftables x  does not exist', '        +site', '', '        full diff:'])
    expect(all.filter((line) => line.includes('dport'))).toEqual(['        +tcp dport 80 accept', '        +tcp dport 443 accept'])
  })

  test('keeps plays, roles and the order of changes', () => {
    const plan = planOf(change('a', 'file:/2'), change('a', 'file:/1'), change('a', 'file:/3', { play: 1, role: 'haproxy' }))
    expect(lines(plan).filter((line) => line !== '')).toEqual([
      'web servers',
      '  nginx  a',
      '    + file /2  does not exist',
      '    + file /1  does not exist',
      'balancer',
      '  haproxy  a',
      '    + file /3  does not exist',
    ])
  })

  test('wraps names and reasons at words', () => {
    const reason = 'not running, not enabled, joins the cluster'
    const plan = planOf(change('a', 'service:nginx.service', { reason, certainty: 'dependent' }))
    expect(lines(plan, { ...plainView, columns: 40 }).slice(4)).toEqual([
      '    + service nginx.service',
      '        not running, not enabled, joins',
      '        the cluster, depends on another',
      '        change',
    ])
  })

  test('shows the certainty of each change that is not exact', () => {
    const plan = planOf(
      change('a', 'service:x', { certainty: 'dependent' }),
      change('a', 'command:y', { certainty: 'opaque', action: 'run' }),
    )
    expect(lines(plan).slice(-2)).toEqual([
      '    + service x  does not exist, depends on another change',
      '    ! command y  does not exist, opaque: cannot be predicted',
    ])
  })

  test('shows the settings that differ, and no digest of content that has a diff', () => {
    const differences = [
      { key: 'mode', from: '644', to: '600' },
      { key: 'content', from: 'abc', to: 'def' },
    ]
    const shown = lines(planOf(change('a', 'file:/x', { action: 'update', differences, diff: '@@ -1 +1 @@\n-a\n+b\n' }))).map((line) =>
      line.trim(),
    )
    expect(shown).toContain('mode: 644 → 600')
    expect(shown.filter((line) => line.startsWith('content'))).toEqual([])
  })

  test('shows a setting with one value, one of content without a diff, and none without a value', () => {
    const differences = [{ key: 'mode', to: '600' }, { key: 'owner', from: 'ann' }, { key: 'content', from: 'abc' }, { key: 'hidden' }]
    expect(lines(planOf(change('a', 'file:/x', { action: 'update', differences }))).slice(5)).toEqual([
      '        mode: 600',
      '        owner: ann',
      '        content: abc',
    ])
    const long = [{ key: 'names', to: 'one two three four five six' }]
    expect(lines(planOf(change('a', 'file:/x', { action: 'update', differences: long })), { ...plainView, columns: 30 }).slice(-2)).toEqual(
      ['        names: one two three', '        four five six'],
    )
  })

  test('names many hosts with their number, on as many lines as they need, and a play without a name by its place', () => {
    const hosts = ['web-01', 'web-02', 'web-03', 'web-04', 'web-05']
    const five = lines(planOf(...hosts.map((host) => change(host, 'file:/x', { play: 2 }))), { ...plainView, columns: 40 })
    expect(five.slice(1, 5)).toEqual(['play 3', '', '  nginx  5 hosts: web-01 web-02 web-03', '         web-04 web-05'])
    expect(lines(planOf(...hosts.slice(1).map((host) => change(host, 'file:/x'))))[3]).toBe('  nginx  web-02 web-03 web-04 web-05')
  })

  test('has a colour and a sign for each action', () => {
    const { green, yellow, red, blue } = painter(true)
    const view = { ...plainView, paint: painter(true) }
    const signs = (['create', 'update', 'delete', 'run'] as const).map((action) => changeLines(change('a', 'file:/x', { action }), view)[0])
    expect(signs.map((line) => line?.split(' file')[0])).toEqual([green('+'), yellow('~'), red('-'), blue('!')])
  })

  test('shows a record of provision as one line without a diff', () => {
    const shown = lines(planOf(change('a', 'owned:nginx', { bookkeeping: true, diff: '@@ -0,0 +1 @@\n+x\n' })))
    expect(shown.slice(4)).toEqual(['    + owned nginx  record of managed resources'])
  })

  test('ends a long diff with the number of hidden lines, unless verbose', () => {
    const diff = `@@ -0,0 +1,100 @@\n${Array.from({ length: 100 }, (_, i) => `+line ${i}`).join('\n')}\n`
    const short = lines(planOf(change('a', 'file:/x', { action: 'update', diff })))
    expect(short.at(-1)).toBe('        … 80 more lines (--verbose shows all)')
    const whole = lines(planOf(change('a', 'file:/x', { action: 'update', diff })), { ...plainView, verbose: true })
    expect(whole.at(-1)).toBe('        +line 99')
  })

  test('contains no control characters from files of a host', () => {
    const evil = '\x1b]0;owned\x07\x9b2J\r'
    const differences = [{ key: evil, from: evil, to: evil }]
    const plan = planOf(change(evil, `file:${evil}`, { role: evil, reason: evil, differences, diff: `@@ -1 +1 @@\n-${evil}\n+${evil}x\n` }))
    expect(planLines(plan, [evil], plainView).join('\n')).not.toMatch(/[\x00-\x09\x0b-\x1f\x7f-\x9f]/)
  })

  test('lets no line break in a name or reason imitate a line of the plan', () => {
    const evil = 'x\n✔ Nothing to do: 45 resources on 3 hosts as declared'
    const plan = planOf(change('a', `file:/${evil}`, { role: evil, reason: evil, differences: [{ key: evil, from: evil, to: evil }] }))
    const shown = planLines(plan, [evil], plainView).join('\n').split('\n')
    expect(shown.filter((line) => line.startsWith('✔'))).toEqual([])
  })

  test('has colours only if they are enabled', () => {
    const plan = planOf(change('a', 'file:/x', { action: 'update', diff: '@@ -0,0 +1 @@\n+x\n' }))
    expect(lines(plan).join('')).not.toContain('\x1b')
    expect(lines(plan, { ...plainView, paint: painter(true) }).join('')).toContain('\x1b[32m+x\x1b[39m')
  })

  test('counts changes by action, and the controller apart from the hosts', () => {
    const plan = planOf(change('controller', 'acme-account:x'), change('a', 'file:/x'), change('b', 'file:/x', { action: 'delete' }))
    expect(planHeadline(plan, plainView)).toBe('3 changes on 2 hosts and the controller  2 to create · 1 to delete')
    expect(placeLines(plan, plainView)).toEqual(['  controller 1 · a 1 · b 1'])
    expect(placeLines(planOf(change('a', 'file:/x')), plainView)).toEqual([])
  })
})
