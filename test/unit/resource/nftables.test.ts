import { describe, expect, it } from 'vitest'
import { driftInWords, readListing } from '../../../src/resource/nft-listing.ts'
import { nftables } from '../../../src/resource/nftables.ts'
import type { SeenTable } from '../../../src/resource/nftables-seen.ts'
import { recorded, world } from './recorded.ts'
import { linesBy, NOTHING } from './said.ts'

const RULES = `set peers4 { type ipv4_addr; elements = { 10.79.5.1, 10.79.5.12, 10.79.5.13 } }
set meter4 { type ipv4_addr; size 100; flags dynamic,timeout; timeout 2m; }
counter in_ssh { }
chain input {
  type filter hook input priority filter; policy drop;
  ct state established,related accept
  tcp dport 22 ct state new update @meter4 { ip saddr limit rate over 30/minute burst 60 packets } drop
  tcp dport 22 ip saddr @peers4 counter name in_ssh accept
  tcp dport 22 counter accept comment "a { b } c"
}`
const spec = nftables({ rules: RULES }).spec

/** A recording holds the listing, nft's exit status, and lines of files, each behind its path. */
const look = (specs: readonly (typeof spec)[], answer: string): ReadonlyMap<string, SeenTable> => {
  const [listing = '', code = '', ...rest] = answer.split('\0')
  const texts = linesBy('\0', rest.join('\0').split('\n'))
  const marks = (table: string) =>
    [...texts].flatMap(([path, lines]) => (path.includes(`inet-${table}.pending.`) ? lines.map((line) => `${line}\n`) : [])).join('')
  const own = `${listing}\0${code}\0${specs.map(({ table }) => `${marks(table)}\0`).join('')}`
  return nftables.kind.observe(specs).parse(Buffer.from(own), { ...NOTHING, texts })
}

const looked = (answer: string): SeenTable => {
  const seen = look([spec, nftables({ table: 'other', rules: '' }).spec], answer)
  expect([...seen.keys()]).toEqual(['inet provision', 'inet other'])
  return seen.get('inet provision') as SeenTable
}
const answer = recorded('nftables').toString()
const asLoaded = looked(answer)
const live = asLoaded.live ?? ''
const ours = asLoaded.ours ?? ''

describe('looking at a table', () => {
  it('reads what a host says', () => {
    expect(asLoaded).toMatchObject({ boot: spec.text, pending: undefined, rolledBack: undefined })
    expect(nftables.kind.plan(spec, asLoaded, world)).toBeUndefined()
    expect(look([nftables({ table: 'other', rules: '' }).spec], answer).get('inet other')?.live).toBeUndefined()
  })

  it('reads what a bare host says', () => {
    const bare = looked('\x000\0/proc/sys/kernel/random/boot_id\0f2f1623c\n')
    expect(bare).toEqual({ live: undefined, boot: undefined, stamp: undefined, ours: undefined, pending: undefined, rolledBack: undefined })
    expect(nftables.kind.plan(spec, bare, world)).toMatchObject({ action: 'create', sure: 'exact', reason: 'not there' })
  })

  it('does not take a failure of nft for an empty host', () => {
    expect(() => looked('\x001\0/proc/sys/kernel/random/boot_id\0f2f1623c\n')).toThrow('nft could not list')
    expect(() => looked('\x000\0')).toThrow('boot id')
  })

  it('knows a change that waits from one that a boot cut off', () => {
    const mark = (boot: string): SeenTable => looked(`${answer}/var/lib/provision/nftables/inet-provision.pending.0123\0${boot}\n`)
    expect(mark('f2f1623c-1c75-49f0-8e6f-b01cd267b247').pending).toBe('this boot')
    expect(mark('00000000-1c75-49f0-8e6f-b01cd267b247').pending).toBe('earlier boot')
  })
})

describe('planning a table', () => {
  const newer = nftables({ rules: RULES.replace('dport 22 ip', 'dport 2222 ip') }).spec
  it.each<[string, typeof spec, Partial<SeenTable>, string | undefined]>([
    [
      'visitors in a dynamic set, packets counted',
      spec,
      { live: live.replace('drop;', 'drop;').replace('counter accept', 'counter packets 7 bytes 420 accept') },
      undefined,
    ],
    ['elements in another order', spec, { live: live.replace('10.79.5.1, 10.79.5.12', '10.79.5.12, 10.79.5.1') }, undefined],
    ['other rules wanted', newer, {}, 'update rules differ'],
    ['never loaded by us', spec, { stamp: undefined, ours: undefined }, 'update rules differ'],
    ['flushed', spec, { live: undefined }, 'create the table is gone'],
    [
      'a stray rule',
      spec,
      { live: live.replace('\t\ttcp dport 22 c', '\t\ttcp dport 3306 accept\n\t\ttcp dport 22 c') },
      'update 1 rule that is not ours',
    ],
    [
      'two stray rules, one gone',
      spec,
      { live: live.replace('ct state established,related accept', 'accept\n\t\taccept') },
      'update 2 rules that are not ours, 1 of our rules missing',
    ],
    ['a stray element', spec, { live: live.replace('10.79.5.12,', '10.79.5.12, 10.79.5.99,') }, 'update set peers4 changed'],
    ['a stray chain', spec, { live: live.replace(/}\n$/, '\tchain x {\n\t}\n}\n') }, 'update chain x changed'],
    ['the policy opened', spec, { live: live.replace('policy drop', 'policy accept') }, 'update chain input changed'],
    ['another boot file', spec, { boot: 'flush ruleset\n' }, 'update boot file differs'],
    ['no boot file', spec, { boot: undefined }, 'update boot file differs'],
    [
      'taken back, and not wanted any more',
      spec,
      { rolledBack: '2026-11-23T10:00:00Z' },
      'update the last change was taken back by the host at 2026-11-23T10:00:00Z: nobody came in through it',
    ],
  ])('%s', (_, want, more, expected) => {
    const verdict = nftables.kind.plan(want, { ...asLoaded, ...more }, world)
    expect(verdict && `${verdict.action} ${verdict.reason}`).toBe(expected)
    expect(verdict?.debt).toBeUndefined()
  })

  it('owes the confirmation of a change to any run', () => {
    expect(nftables.kind.plan(spec, { ...asLoaded, pending: 'this boot' }, world)).toMatchObject({ action: 'update', debt: true })
    expect(nftables.kind.plan(spec, { ...asLoaded, pending: 'earlier boot' }, world)?.debt).toBeUndefined()
  })

  it('shows text against text, and drift against what was loaded', () => {
    const diff = (want: typeof spec, seen: SeenTable) =>
      nftables.kind.diff?.(
        { id: 'inet provision', spec: want, seen, verdict: { action: 'update', sure: 'exact', reason: '', differences: [] } },
        undefined,
      )
    expect(diff(newer, asLoaded)).toEqual({ before: spec.text, after: newer.text })
    expect(diff(spec, { ...asLoaded, live: undefined })).toEqual({ before: '', after: spec.text })
    const drift = diff(spec, { ...asLoaded, live: live.replace('\t\tct state', '\t\ttcp dport 3306 accept\n\t\tct state') })
    expect(drift?.before.replace('  tcp dport 3306 accept\n', '')).toBe(drift?.after)
    expect(diff(spec, { ...asLoaded, boot: 'flush ruleset\n' })).toEqual({ before: 'flush ruleset\n', after: spec.text })
  })
})

describe('a listing', () => {
  it('takes a comment that looks like a block for a rule', () => {
    expect(
      readListing(live)
        .filter(({ block }) => block === 'chain input')
        .map(({ line }) => line),
    ).toContain('tcp dport 22 counter accept comment "a { b } c"')
    expect(driftInWords(ours, ours.replace('policy drop;', 'policy drop;\n\t\taccept comment "table inet x {"'))).toEqual([
      '1 rule that is not ours',
    ])
  })

  it('says when the same rules stand in another order', () => {
    const swapped = ours.replace(/(\t\tct state.*\n)(\t\ttcp dport 22 ct.*\n)/, '$2$1')
    expect(driftInWords(ours, swapped)).toEqual(['rules in another order'])
  })
})

describe('applying a table', () => {
  const work = [
    { id: 'inet provision', spec, seen: asLoaded, verdict: { action: 'update', sure: 'exact', reason: '', differences: [] } as const },
  ]
  const yes = { code: 0, stdout: Buffer.alloc(0), stderr: '' }

  it('comes in anew after loading, within the time the host waits, and only then replaces what is loaded at boot', () => {
    const steps = nftables.kind.apply(work)
    const told = [steps.next(), steps.next(yes), steps.next(yes), steps.next(yes)].map(({ value }) => value)
    expect(told.map((step) => step?.do)).toEqual(['shell', 'shell', 'reconnect', 'shell'])
    const [arm, load, confirm, keep] = told.map((step) => (step && 'script' in step ? step.script : ''))
    expect(arm).toContain('nft -c -f')
    expect(arm).toContain('--on-active=30s')
    expect(told[2]).toMatchObject({ withinMs: 28_000 })
    // The old boot file may be read, as a way back; only the last step writes it.
    for (const script of [arm, load, confirm]) expect(script).not.toMatch(/(>|mv [^\n]*|cp \S+ )\/etc\/provision/)
    expect(keep).toContain('mv -f /etc/provision/nftables/inet-provision.nft.new /etc/provision/nftables/inet-provision.nft')
    const nonce = /pending\.([0-9a-f]{16})/.exec(confirm ?? '')?.[1]
    expect(load).toContain(`.undo.${nonce}`)
    expect(steps.next(yes).done).toBe(true)
  })

  it.each([
    [255, 'no new connection within 28 s'],
    [1, 'the host had already put its old rules back'],
  ])('is refused when nobody came in (%i)', (code, stderr) => {
    const steps = nftables.kind.apply(work)
    steps.next()
    steps.next(yes)
    steps.next(yes)
    expect(() => steps.next({ ...yes, code, stderr })).toThrow(`nobody could come in through them: ${stderr}`)
  })
})

it.each([
  ['a brace that ends our table', 'chain a { } }\nflush ruleset\ntable inet b {'],
  ['an open brace', 'chain a {'],
  ['a table name that is no name', ''],
])('is refused: %s', (what, rules) => {
  expect(() => nftables(what.startsWith('a table') ? { table: 'a b', rules } : { rules })).toThrow()
})

it('counts no brace in quotes and comments', () => {
  expect(nftables({ rules: '# } {{\nchain a { accept comment "}" }' }).id).toBe('inet provision')
})
