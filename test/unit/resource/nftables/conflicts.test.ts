import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { defeatsScript, hasDefeats } from '../../../../src/resource/nftables/conflicts.ts'

let place = ''
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'conflicts-'))
  mkdirSync(join(place, 'bin'))
  writeFileSync(join(place, 'bin/nft'), '#!/bin/sh\n[ "$*" = "-t list ruleset" ] && cat "$T/listing"\n', { mode: 0o755 })
})
afterAll(() => rmSync(place, { recursive: true }))

/** The lines about this ruleset. The exit status is 1 if there is one. */
const defeats = (listing: string, planned?: string): readonly string[] => {
  writeFileSync(join(place, 'listing'), listing)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', String(defeatsScript('inet provision', planned))], {
    env: { PATH: `${join(place, 'bin')}:${process.env.PATH}`, T: place },
    encoding: 'utf8',
  })
  expect(stderr).toBe('')
  const lines = stdout.split('\n').slice(0, -1)
  expect(status).toBe(lines.length > 0 ? 1 : 0)
  return lines
}

/** A table as nft lists it; each chain is its name, its head or '', and its rules. */
const table = (name: string, ...chains: readonly (readonly string[])[]): string =>
  [
    `table ${name} {`,
    ...chains.flatMap(([chain, head = '', ...rules]) => [
      `\tchain ${chain} {`,
      ...(head === '' ? [] : [`\t\t${head}`]),
      ...rules.map((rule) => `\t\t${rule}`),
      '\t}',
    ]),
    '}\n',
  ].join('\n')

const INPUT = 'type filter hook input priority filter; policy accept;'
const DROPS = 'type filter hook input priority filter; policy drop;'
const ours = table('inet provision', [
  'input',
  DROPS,
  'udp sport 67 udp dport 68 accept',
  'ct state established,related accept',
  'tcp dport 22 ip saddr @admins4 accept',
  'tcp dport { 80, 443 } counter packets 3 bytes 180 accept comment "443/tcp (https), from anyone"',
  'tcp dport 8000-8010 drop',
])
const beside = (...rules: readonly string[]): readonly string[] => defeats(ours + table('inet x', ['in', INPUT, ...rules]))
const at = (rule: string, rest: string): string => `table inet x, chain in: ${rule} ${rest}`

describe('rules of others', () => {
  it.each<[string, readonly string[], readonly string[]]>([
    ['block a port', ['tcp dport 443 drop'], [at('tcp dport 443 drop', 'blocks 443/tcp, which provision opens')]],
    ['block a range', ['tcp dport 440-450 reject'], [at('tcp dport 440-450 reject', 'blocks 443/tcp, which provision opens')]],
    ['block up to a port', ['tcp dport 1-22 reject'], [at('tcp dport 1-22 reject', 'blocks 22/tcp, which provision opens')]],
    [
      'block several ports',
      ['tcp dport { 25, 80, 440-450 } reject with icmpx port-unreachable'],
      [at('tcp dport { 25, 80, 440-450 } reject with icmpx port-unreachable', 'blocks 80/tcp, 443/tcp, which provision opens')],
    ],
    [
      'block a port twice',
      ['tcp dport 443 drop', 'tcp dport 443 reject'],
      ['drop', 'reject'].map((how) => at(`tcp dport 443 ${how}`, 'blocks 443/tcp, which provision opens')),
    ],
    [
      'count and log what they block',
      ['meta l4proto tcp tcp dport 443 counter packets 7 bytes 420 log prefix "no " level info drop comment "mine"'],
      [
        at(
          'meta l4proto tcp tcp dport 443 counter log prefix "no " level info drop comment "mine"',
          'blocks 443/tcp, which provision opens',
        ),
      ],
    ],
    [
      'count by name what they block',
      ['ip protocol tcp tcp dport 443 counter name "https" drop'],
      [at('ip protocol tcp tcp dport 443 counter name "https" drop', 'blocks 443/tcp, which provision opens')],
    ],
    [
      'redirect a port',
      ['tcp dport 443 redirect to :8443'],
      [at('tcp dport 443 redirect to :8443', 'redirects 443/tcp, before the rules of provision apply')],
    ],
    [
      'forward a port',
      ['tcp dport 80 dnat ip to 10.0.0.2:80'],
      [at('tcp dport 80 dnat ip to 10.0.0.2:80', 'redirects 80/tcp, before the rules of provision apply')],
    ],
    [
      'open a port by way of ours',
      ['tcp dport 8443 redirect to :443'],
      [at('tcp dport 8443 redirect to :443', 'redirects to 443/tcp, from a port that provision closes')],
    ],
    [
      'block what they accepted for some',
      ['ip saddr 10.0.0.1 tcp dport 80 drop', 'tcp dport 443 drop', 'tcp dport 443 accept'],
      [at('tcp dport 443 drop', 'blocks 443/tcp, which provision opens')],
    ],
  ])('%s', (_, rules, lines) => expect(beside(...rules)).toEqual(lines))

  it.each<[string, readonly string[]]>([
    ['close a port that is closed', ['tcp dport 25 drop', 'tcp dport 8000 drop', 'tcp dport 68 drop']],
    ['close a port of another protocol', ['udp dport 443 drop']],
    ['close the ports beside ours', ['tcp dport { 81-442, 444 } drop', 'tcp dport 23-79 drop']],
    ['ban a source', ['ip saddr 203.0.113.7 tcp dport 443 drop']],
    ['limit a port', ['tcp dport 443 limit rate over 10/second drop']],
    ['accept the port before', ['tcp dport 443 accept', 'tcp dport 443 drop']],
    ['leave the port before', ['tcp dport 443 return', 'tcp dport 443 drop']],
    ['say in a comment that they drop', ['tcp dport 443 accept comment "no drop"']],
    ['redirect to another port', ['tcp dport 8443 redirect to :4430', 'udp dport 8443 redirect to :443']],
    ['mark packets', ['tcp dport 443 meta mark set 0x1']],
  ])('defeat none of ours if they %s', (_, rules) => expect(beside(...rules)).toEqual([]))

  const other = (name: string, head: string): readonly string[] => defeats(ours + table(name, ['in', head, 'tcp dport 443 drop']))

  it('count in chains that packets to the host reach', () => {
    for (const hook of ['input', 'prerouting', 'ingress']) expect(other('inet x', `type filter hook ${hook} priority 0;`)).toHaveLength(1)
    for (const hook of ['output', 'forward', 'postrouting']) expect(other('inet x', `type filter hook ${hook} priority 0;`)).toEqual([])
    for (const name of ['bridge x', 'arp x']) expect(other(name, INPUT)).toEqual([])
    expect(other('inet x', '')).toEqual([])
  })

  it('count in chains that another rule calls', () => {
    const called = (rule: string) => defeats(ours + table('ip x', ['in', INPUT, rule], ['more', '', 'tcp dport 443 drop'], ['less', '']))
    const line = 'table ip x, chain more: tcp dport 443 drop blocks 443/tcp, which provision opens'
    expect([called('jump more'), called('tcp dport 443 goto more')]).toEqual([[line], [line]])
    expect(called('jump less')).toEqual([])
  })

  it('are not confused by sets, maps and counters', () => {
    const sets = `table inet x {
\tset banned {
\t\ttype ipv4_addr
\t\telements = { 203.0.113.7 }
\t}
\tct helper ftp {
\t\ttype "ftp" protocol tcp
\t}
\tchain in {
\t\t${INPUT}
\t\tip saddr @banned drop
\t\ttcp dport 443 drop
\t}
}
`
    expect(defeats(ours + sets)).toEqual([at('tcp dport 443 drop', 'blocks 443/tcp, which provision opens')])
  })
})

describe('a table of others that drops everything else', () => {
  const blocks = (...rules: readonly string[]): readonly string[] => defeats(ours + table('inet x', ['in', DROPS, ...rules]))
  const all = at('policy drop', 'blocks 22/tcp, 80/tcp, 443/tcp, which provision opens')

  it('blocks all ports that it does not accept', () => {
    expect(blocks()).toEqual([all])
    expect(blocks('tcp dport 80 accept')).toEqual([at('policy drop', 'blocks 22/tcp, 443/tcp, which provision opens')])
    expect(blocks('tcp dport { 22, 80, 443 } ct state new accept')).toEqual([])
  })

  it.each([
    'ct state established,related accept',
    'iif "lo" accept',
    'iifname "lo" accept',
    'icmp type echo-request accept',
    'ip saddr 10.0.0.1 accept',
    'udp dport 443 accept',
  ])('does so although it has the rule: %s', (rule) => expect(blocks(rule)).toEqual([all]))

  it.each(['accept', 'meta l4proto tcp accept', 'xt match "conntrack" accept', 'tcp dport vmap { 443 : accept }', 'oifname "eth0" accept'])(
    'may accept all by the rule: %s',
    (rule) => expect(blocks(rule)).toEqual([]),
  )

  it('does so by its last rule as well, unless only some packets reach it', () => {
    const last = (...chains: readonly (readonly string[])[]) => defeats(ours + table('inet x', ...chains))
    expect(last(['in', INPUT, 'counter packets 3 bytes 180 drop'])).toEqual([
      at('counter drop', 'blocks 22/tcp, 80/tcp, 443/tcp, which provision opens'),
    ])
    expect(last(['in', INPUT, 'reject with icmpx admin-prohibited'])).toHaveLength(1)
    expect(last(['in', INPUT, 'ip saddr 10.0.0.1 jump more'], ['more', '', 'drop'])).toEqual([])
    expect(last(['in', INPUT, 'ip saddr 203.0.113.0/24 drop'])).toEqual([])
  })

  it('is named once for each table', () => {
    const listing = ours + table('inet x', ['in', DROPS], ['pre', DROPS.replace('input', 'prerouting')]) + table('ip y', ['in', DROPS])
    expect(defeats(listing).map((line) => line.replace(/ blocks.*/, ''))).toEqual([
      'table inet x, chain pre: policy drop',
      'table ip y, chain in: policy drop',
    ])
  })
})

describe('planned rules', () => {
  const planned = `table inet provision {
  set admins4 { type ipv4_addr; }
  chain input {
    type filter hook input priority filter; policy drop;
    udp sport 67 udp dport 68 accept
    udp dport 53 accept
    tcp dport { 8080, 9000-9010 } ip saddr @admins4 accept
    tcp dport 25 drop
  }
  chain output { type filter hook output priority filter; tcp dport 443 accept; }
}`
  const found = (rule: string, more = ''): readonly string[] => defeats(ours + table('inet x', ['in', INPUT, rule]) + more, planned)

  it('open their own ports, with any active rules', () => {
    expect(found('tcp dport 8080 drop')).toEqual([at('tcp dport 8080 drop', 'blocks 8080/tcp, which provision opens')])
    expect(found('udp dport 53 drop')).toEqual([at('udp dport 53 drop', 'blocks 53/udp, which provision opens')])
    for (const rule of ['tcp dport 443 drop', 'udp dport 68 drop', 'tcp dport 25 drop']) expect(found(rule)).toEqual([])
  })

  it('are not compared with thousands of others, which only a check does', () => {
    const many = table('inet y', ['in', '', ...Array.from({ length: 5000 }, (_, i) => `tcp dport ${10_000 + i} accept`)])
    expect(found('tcp dport 8080 drop', many)).toEqual([])
    expect(defeats(ours + many + table('inet x', ['in', INPUT, 'tcp dport 443 drop']))).toHaveLength(1)
  })

  it('are searched for open ports', () => {
    expect(hasDefeats(planned)).toBe(true)
    const input = (rule: string): string => `table inet provision { chain input { type filter hook input priority 0; ${rule}; } }`
    expect([input('tcp dport 443 accept'), input('udp dport 53 counter accept')].map(hasDefeats)).toEqual([true, true])
    const none = ['tcp dport 443 drop', 'udp sport 67 udp dport 68 accept', 'ct state established accept', 'tcp dport @ports accept']
    expect(none.map(input).map(hasDefeats)).toEqual([false, false, false, false])
    expect(hasDefeats('table inet provision { chain output { type filter hook output priority 0; tcp dport 443 accept; } }')).toBe(false)
  })
})

it('a failure of nft ends the request', () => {
  const { status } = spawnSync('sh', ['-c', `${defeatsScript('inet provision')}; exit 7`], {
    env: { PATH: `/nowhere:${process.env.PATH?.replaceAll(/[^:]*sbin:?/g, '')}`, T: place },
  })
  expect(status).not.toBe(7)
  expect(status).not.toBe(0)
})
