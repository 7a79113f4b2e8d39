import { describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { describeDifference } from '../../../../src/resource/nftables/describe.ts'
import { type Foreign, foreignNotices, readForeign } from '../../../../src/resource/nftables/foreign.ts'
import { describeDrift, formatListing } from '../../../../src/resource/nftables/listing.ts'
import { nftables } from '../../../../src/resource/nftables/nftables.ts'
import type { TableState } from '../../../../src/resource/nftables/observe.ts'
import { commentOf, elementsOf, readNft } from '../../../../src/resource/nftables/reader.ts'
import { context } from '../recorded.ts'

describe('the syntax of nft', () => {
  it('has blocks in tables, and statements that end at a line or a semicolon', () => {
    expect(
      readNft('table inet t {\n set a { type ipv4_addr; flags timeout\n}\n chain c { accept }\n}\ndelete table ip x; flush ruleset'),
    ).toEqual([
      {
        head: 'table inet t',
        body: [
          { head: 'set a', body: ['type ipv4_addr', 'flags timeout'] },
          { head: 'chain c', body: ['accept'] },
        ],
      },
      'delete table ip x',
      'flush ruleset',
    ])
  })

  it('has sets within statements, also over several lines', () => {
    const [table] = readNft('table ip t {\nchain c {\ntcp dport { 80,\n443 } ct state { new; } accept; drop\n}\n}')
    expect(table).toMatchObject({ body: [{ head: 'chain c', body: ['tcp dport { 80, 443 } ct state { new; } accept', 'drop'] }] })
    // A map of a rule is no block of the table.
    const [verdicts] = readNft('table ip t { chain c { tcp dport vmap { 22 : accept }; map x { } ; meter y { ip saddr } drop; } }')
    expect(verdicts).toMatchObject({ body: [{ body: ['tcp dport vmap { 22 : accept }', 'map x { }', 'meter y { ip saddr } drop'] }] })
  })

  it('has comments, and quoted text with anything in it', () => {
    expect(readNft('table ip t { # chain no {\nchain c { accept comment "a; {  } # b" # drop\n} }')).toMatchObject([
      { body: [{ body: ['accept comment "a; {  } # b"'] }] },
    ])
    // A brace too many closes nothing.
    expect(readNft('} table ip t { } } drop')).toEqual([{ head: 'table ip t', body: [] }, 'drop'])
  })

  it.each(['table', 'chain', 'set', 'map', 'counter', 'limit', 'quota', 'flowtable', 'ct helper', 'synproxy', 'secmark', 'meter'])(
    '%s begins a block',
    (word) =>
      expect(readNft(`table ip t { ${word} x { y } }`)).toEqual([{ head: 'table ip t', body: [{ head: `${word} x`, body: ['y'] }] }]),
  )

  it('has elements with comments, and comments at the end of a rule only', () => {
    expect(elementsOf('elements = { 10.0.0.1 comment "a, b", 10.0.0.2 timeout 2m , }')).toEqual([
      '10.0.0.1 comment "a, b"',
      '10.0.0.2 timeout 2m',
    ])
    expect(elementsOf('elements = { }')).toEqual([])
    expect([commentOf('accept comment "a"'), commentOf('comment "a" accept'), commentOf('accept nocomment "a"')]).toEqual([
      'a',
      undefined,
      undefined,
    ])
  })
})

const table = (body: string, name = 'inet provision'): string => `table ${name} {\n${body}\n}\n`
const rules = (...lines: readonly string[]): string => table(`\tchain input {\n${lines.map((line) => `\t\t${line}\n`).join('')}\t}`)

describe('a manual change', () => {
  const drift = (ours: readonly string[], live: readonly string[]) => describeDrift(rules(...ours), rules(...live))

  it('is an unknown rule, with the beginning of a long one', () => {
    const long = `tcp dport 1 ${'x'.repeat(100)}`
    expect(drift(['accept'], ['accept', long])).toEqual([`1 unknown rule: ${long.slice(0, 79)}…`])
    const exactly = 'y'.repeat(80)
    expect(drift([], [exactly, 'b', 'c'])).toEqual([`3 unknown rules: ${exactly} | b | …`])
    expect(drift([], ['a', 'b'])).toEqual(['2 unknown rules: a | b'])
  })

  it('is a missing rule, counting repetitions', () => {
    expect(drift(['accept', 'accept', 'drop'], ['accept'])).toEqual(['2 of the declared rules missing'])
    expect(drift(['accept', 'accept'], ['accept', 'accept'])).toEqual([])
  })

  it('is another order, or another block', () => {
    expect(drift(['a', 'b'], ['b', 'a'])).toEqual(['order of rules changed'])
    const changed = describeDrift(
      table('\tset a {\n\t\ttype ipv4_addr\n\t}\n\tset b {\n\t}'),
      table('\tset a {\n\t\ttype ipv6_addr\n\t}\n\tmap c {\n\t}'),
    )
    expect(changed).toEqual(['set a changed', 'map c changed', 'set b changed'])
    expect(drift(['type filter hook input priority 0; policy drop'], ['type filter hook input priority 0; policy accept'])).toEqual([
      'chain input changed',
    ])
  })

  it('is not the count of packets, the order of elements, or a visitor in a dynamic set', () => {
    expect(drift(['counter packets 1 bytes 2 accept'], ['counter packets 3 bytes 4 accept'])).toEqual([])
    expect(describeDrift(table('counter c {\npackets 1 bytes 2\n}'), table('counter c {\npackets 3 bytes 4\n}'))).toEqual([])
    const set = (flags: string, elements: string): string => table(`set s {\nflags ${flags}\nelements = { ${elements} }\n}`)
    expect(describeDrift(set('interval', '1, 2'), set('interval', '2, 1'))).toEqual([])
    expect(describeDrift(set('interval', '1, 2'), set('interval', '2, 3'))).toEqual(['set s changed'])
    expect(describeDrift(set('timeout,dynamic', '1'), set('timeout,dynamic', '2'))).toEqual([])
  })

  it('is shown by a diff of the listing, without what changes on its own', () => {
    const text = table('\tset s {\n\t\tflags dynamic\n\t\telements = { 1 }\n\t}\n\tchain c {\n\t\tcounter packets 1 bytes 2 accept\n\t}')
    expect(formatListing(text)).toBe('\nset s\n  flags dynamic\nchain c\n  counter accept\n')
  })
})

describe('the difference of two rulesets', () => {
  it('names up to six addresses and hosts', () => {
    const rulesOf = (count: number, comment: (i: number) => string): string =>
      table(
        `set s { elements = { ${Array.from({ length: count }, (_, i) => `10.0.0.${i}${comment(i)}`).join(', ')} }; }\nchain input { ip saddr @s accept comment "ours"; }`,
      )
    const named = (count: number, comment: (i: number) => string): string => describeDifference('', rulesOf(count, comment)).after
    expect(named(6, () => '')).toBe('ours, from 10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3, 10.0.0.4, 10.0.0.5\n')
    expect(named(7, () => '')).toBe('ours, from 10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 3 more\n')
    expect(named(7, () => ' comment "web"')).toBe('ours, from web (10.0.0.0, 10.0.0.1, 10.0.0.2, 10.0.0.3 and 3 more)\n')
    expect(named(0, () => '')).toBe('ours, from no hosts\n')
  })

  it('compares the addresses of a host as a set, and shows the hosts that differ only', () => {
    const text = (...elements: readonly string[]): string =>
      table(`set s { elements = { ${elements.join(', ')} }; }\nchain input { ip saddr @s accept comment "ours"; }`)
    const [a1, a2, b] = ['10.0.0.1 comment "a"', '10.0.0.2 comment "a"', '10.0.0.3 comment "b"']
    expect(describeDifference(text(a1, a2), text(a2, a1))).toEqual({ before: '', after: '' })
    expect(describeDifference(text(a1, a2), text(a1, a2, b))).toEqual({ before: '', after: 'ours, from b (10.0.0.3)\n' })
  })

  it('ignores comments of others', () => {
    const foreign = rules('drop comment "443/tcp (https), from anyone"')
    expect(describeDifference(foreign, '', ['']).before).toBe('chain input: drop comment "443/tcp (https), from anyone"\n')
    expect(describeDifference(foreign, '').before).toBe('443/tcp (https), from anyone\n')
  })

  it('leaves out the head of a chain, and shows its policy', () => {
    expect(describeDifference(rules('type filter hook input priority 0; policy drop;'), rules()).before).toBe('chain input: policy drop\n')
  })
})

describe('packet filters of others', () => {
  const read = (...lines: readonly string[]) => readForeign(table(`chain c {\n${lines.join('\n')}\n}`, 'ip x'), new Set(['inet provision']))
  const base = { table: 'ip x', chain: 'c', type: 'filter', hook: 'input' }

  it('are base chains, which accept unless they have another policy', () => {
    expect(read('type filter hook input priority filter; policy drop;')).toEqual([{ ...base, policy: 'drop' }])
    expect(read('type filter hook input priority filter;')).toEqual([{ ...base, policy: 'accept' }])
    expect(read('accept')).toEqual([])
    expect(read('accept comment "type filter hook input priority filter"')).toEqual([])
    expect(read('type filter hook input priority filter;', 'accept comment "policy drop"')).toEqual([{ ...base, policy: 'accept' }])
  })

  const INPUT = table(
    'chain input { type filter hook input priority filter; policy drop; }\nchain forward { type filter hook forward priority filter; policy drop; }',
  )
  const notices = (foreign: Partial<Foreign>, own = INPUT) => foreignNotices(own, { chains: [], defeats: [], legacy: [], ...foreign })

  it.each<[string, Partial<Foreign>, number]>([
    ['drops before the input', { chains: [{ ...base, hook: 'prerouting', policy: 'drop' }] }, 1],
    ['drops at the device', { chains: [{ ...base, hook: 'ingress', policy: 'drop' }] }, 1],
    ['drops what leaves', { chains: [{ ...base, hook: 'output', policy: 'drop' }] }, 0],
    ['accepts', { chains: [{ ...base, policy: 'accept' }] }, 0],
    ['is about ARP', { chains: [{ ...base, table: 'arp x', policy: 'drop' }] }, 0],
    ['has ARP in its name', { chains: [{ ...base, table: 'ip arp', policy: 'drop' }] }, 1],
    ['rewrites what leaves', { chains: [{ ...base, type: 'nat', hook: 'postrouting', policy: 'accept' }] }, 0],
    ['marks before the input', { chains: [{ ...base, type: 'filter', hook: 'prerouting', policy: 'accept' }] }, 0],
  ])('are mentioned or not: one that %s', (_, foreign, count) => expect(notices(foreign)).toHaveLength(count))

  it('matter only to rules about packets to the host', () => {
    const output = table('chain output { type filter hook output priority filter; policy drop; }')
    expect(notices({ legacy: ['filter'], defeats: ['x'] }, output)).toEqual([])
  })

  it('are kept, and those that are only counted are no rule', () => {
    expect(notices({ defeats: ['table ip x, chain c: drop blocks 443/tcp', '3 more rules of others'] })).toEqual([
      'table ip x, chain c: drop blocks 443/tcp (not a rule of provision, so it is kept)',
      '3 more rules of others',
    ])
  })

  it('are mentioned once: by the rule, not by its chain', () => {
    const chains = ['c', 'd'].map((chain) => ({ ...base, chain, policy: 'drop' }))
    const defeats = ['table ip x, chain c: policy drop blocks 443/tcp, which provision opens']
    expect(notices({ chains, defeats }).map((one) => one.slice(0, 32))).toEqual([
      'table ip x, chain c: policy drop',
      'chain d of the nft table ip x dr',
    ])
  })
})

describe('the change of a table', () => {
  const { spec } = nftables({ rules: 'chain input {\n\t\taccept\n\t}' })
  const listing = rules('accept')
  const kept: TableState = {
    ...{ live: listing, boot: spec.text, stamp: sha256Hex(spec.text), ours: listing },
    ...{ pending: undefined, unkept: false, rolledBack: undefined, foreign: { chains: [], defeats: [], legacy: [] } },
  }
  const plan = (more: Partial<TableState>, of = spec) => nftables.kind.plan(of, { ...kept, ...more }, context)
  const other = nftables({ rules: 'chain input { drop; }' }).spec
  const diff = (more: Partial<TableState>, of = spec) =>
    nftables.kind.diff?.(
      {
        id: 'inet provision',
        spec: of,
        state: { ...kept, ...more },
        change: { action: 'update', certainty: 'exact', reason: '', differences: [] },
      },
      undefined,
    )

  it('has its state in its reason alone', () => {
    expect(plan({})).toBeUndefined()
    expect(plan({ live: undefined, stamp: undefined })).toEqual({
      action: 'create',
      certainty: 'exact',
      reason: 'missing',
      differences: [],
    })
    expect(plan({ live: rules('accept', 'drop'), boot: 'x' })?.reason).toBe('1 unknown rule: drop; boot file differs')
    expect(plan({ pending: 'this boot' })).toEqual({
      ...{ action: 'update', certainty: 'exact', differences: [], debt: true },
      reason: 'rules loaded but not confirmed by a new connection',
    })
  })

  it('does not take unconfirmed or foreign rules for manual changes', () => {
    const live = rules('accept', 'drop')
    expect(plan({ live }, other)?.reason).toBe('rules differ; 1 unknown rule: drop')
    for (const more of [{ pending: 'this boot' }, { unkept: true }, { ours: undefined }] as const)
      expect(plan({ live, ...more }, other)?.reason).not.toContain('unknown rule')
  })

  it('is shown against the text that a boot loads, unless somebody changed the rules', () => {
    const live = rules('accept', 'tcp dport 1 drop')
    expect(diff({}, other)).toMatchObject({ full: { before: spec.text, after: other.text } })
    expect(diff({ live }, other)).toMatchObject({ full: { before: formatListing(live), after: other.text } })
    expect(diff({ live, boot: undefined }, other)).toMatchObject({ full: { before: formatListing(live), after: other.text } })
    for (const more of [{ pending: 'this boot' }, { unkept: true }] as const)
      expect(diff({ live, ...more }, other)).toMatchObject({ full: { before: spec.text, after: other.text } })
    expect(diff({ live, pending: 'earlier boot' }, other)).toMatchObject({ full: { before: formatListing(live) } })
    expect(diff({ live, pending: 'this boot' })).toMatchObject({ full: { before: formatListing(live), after: formatListing(listing) } })
    expect(diff({ live })).toMatchObject({ before: 'chain input: tcp dport 1 drop\n', after: '' })
  })

  it('is shown in full if it has no words, or if only the boot file differs', () => {
    expect(diff({ boot: 'x\n' })).toEqual({ before: 'x\n', after: spec.text })
    const spaced = nftables({ rules: 'chain input {\n\n\t\taccept\n\t}' }).spec
    expect(diff({}, spaced)).toEqual({ before: spec.text, after: spaced.text })
  })

  it('keeps the table of a role that is gone, and records the boot file', () => {
    expect(nftables.kind.orphan).toEqual({ keep: expect.any(String) })
    expect(nftables.kind.files?.(spec)).toEqual([{ path: '/etc/provision/nftables/inet-provision.nft', sha256: sha256Hex(spec.text) }])
  })

  it('is a text that replaces the table in one transaction', () => {
    expect(nftables({ table: 't_1', family: 'ip6', rules: 'chain a { }\n\n' }).spec.text.split('\n').slice(1)).toEqual([
      'table ip6 t_1',
      'delete table ip6 t_1',
      'table ip6 t_1 {',
      'chain a { }',
      '}',
      '',
    ])
  })

  it.each([5, 600])('waits between 5 and 600 seconds: %i', (confirmSeconds) => {
    expect(nftables({ rules: '', confirmSeconds }).spec.confirmSeconds).toBe(confirmSeconds)
  })

  it.each([
    { confirmSeconds: 4 },
    { confirmSeconds: 601 },
    { table: '1t' },
    { table: 'T' },
    { table: 't-1' },
    { table: 't t' },
    { rules: '}{' },
  ])('does not accept the options %j', (options) => expect(() => nftables({ rules: '', ...options })).toThrow())
})
