import { describe, expect, it } from 'vitest'
import { describeDifference } from '../../../../src/resource/nftables/describe.ts'
import { foreignNotices, readForeign } from '../../../../src/resource/nftables/foreign.ts'
import { describeDrift, readListing } from '../../../../src/resource/nftables/listing.ts'
import { nftables } from '../../../../src/resource/nftables/nftables.ts'
import type { TableState } from '../../../../src/resource/nftables/observe.ts'
import { linesBy, NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

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
const look = (specs: readonly (typeof spec)[], answer: string): ReadonlyMap<string, TableState> => {
  const [listing = '', code = '', ...rest] = answer.split('\0')
  const texts = linesBy('\0', rest.join('\0').split('\n'))
  const marks = (table: string) =>
    [...texts]
      .flatMap(([path, lines]) => (path.includes(`inet-${table}.pending.`) ? lines.map((line) => `pending ${line}\n`) : []))
      .join('')
  const own = `${listing}\0${code}\0\0${specs.map(({ table }) => `${marks(table)}\0`).join('')}`
  return nftables.kind.observe(specs).parse(Buffer.from(own), { ...NOTHING, texts })
}

const observed = (answer: string): TableState => {
  const state = look([spec, nftables({ table: 'other', rules: '' }).spec], answer)
  expect([...state.keys()]).toEqual(['inet provision', 'inet other'])
  return state.get('inet provision') as TableState
}
const answer = recorded('nftables').toString()
const asLoaded = observed(answer)
const live = asLoaded.live ?? ''
const ours = asLoaded.ours ?? ''

describe('observing a table', () => {
  it('reads a recorded answer', () => {
    expect(asLoaded).toMatchObject({ boot: spec.text, pending: undefined, unkept: false, rolledBack: undefined })
    expect(nftables.kind.plan(spec, asLoaded, context)).toBeUndefined()
    expect(look([nftables({ table: 'other', rules: '' }).spec], answer).get('inet other')?.live).toBeUndefined()
  })

  it('reads the answer of a bare host', () => {
    const bare = observed('\x000\0/proc/sys/kernel/random/boot_id\0f2f1623c\n')
    expect(bare).toEqual({ pending: undefined, unkept: false, foreign: { chains: [], defeats: [], legacy: [] } })
    expect(nftables.kind.plan(spec, bare, context)).toMatchObject({ action: 'create', certainty: 'exact', reason: 'missing' })
  })

  it('does not treat a failure of nft as an empty ruleset', () => {
    expect(() => observed('\x001\0/proc/sys/kernel/random/boot_id\0f2f1623c\n')).toThrow('nft did not list')
    expect(() => observed('\x000\0')).toThrow('boot id')
  })

  it('distinguishes a pending change from one that a boot ended', () => {
    const mark = (boot: string): TableState => observed(`${answer}/var/lib/provision/nftables/inet-provision.pending.0123\0${boot}\n`)
    expect(mark('f2f1623c-1c75-49f0-8e6f-b01cd267b247').pending).toBe('this boot')
    expect(mark('00000000-1c75-49f0-8e6f-b01cd267b247').pending).toBe('earlier boot')
  })
})

describe('planning a table', () => {
  const newer = nftables({ rules: RULES.replace('dport 22 ip', 'dport 2222 ip') }).spec
  it.each<[string, typeof spec, Partial<TableState>, string | undefined]>([
    [
      'visitors in a dynamic set, packets counted',
      spec,
      { live: live.replace('drop;', 'drop;').replace('counter accept', 'counter packets 7 bytes 420 accept') },
      undefined,
    ],
    ['elements in another order', spec, { live: live.replace('10.79.5.1, 10.79.5.12', '10.79.5.12, 10.79.5.1') }, undefined],
    ['other rules wanted', newer, {}, 'update rules differ'],
    ['never loaded by us', spec, { stamp: undefined, ours: undefined }, 'update rules differ'],
    ['flushed', spec, { live: undefined }, 'create table deleted'],
    [
      'a stray rule',
      spec,
      { live: live.replace('\t\ttcp dport 22 c', '\t\ttcp dport 3306 accept\n\t\ttcp dport 22 c') },
      'update 1 unknown rule: tcp dport 3306 accept',
    ],
    [
      'two stray rules, one gone',
      spec,
      { live: live.replace('ct state established,related accept', 'accept\n\t\taccept') },
      'update 2 unknown rules: accept | accept, 1 of the declared rules missing',
    ],
    [
      'a stray rule, and other rules wanted',
      newer,
      { live: live.replace('\t\ttcp dport 22 c', '\t\ttcp dport 3306 accept\n\t\ttcp dport 22 c') },
      'update rules differ; 1 unknown rule: tcp dport 3306 accept',
    ],
    ['a dormant table', spec, { live: live.replace('{\n', '{\n\tflags dormant\n') }, 'update the table changed'],
    ['a foreign element', spec, { live: live.replace('10.79.5.12,', '10.79.5.12, 10.79.5.99,') }, 'update set peers4 changed'],
    ['a foreign chain', spec, { live: live.replace(/}\n$/, '\tchain x {\n\t}\n}\n') }, 'update chain x changed'],
    [
      'a foreign chain with a rule',
      spec,
      { live: live.replace(/}\n$/, '\tchain x {\n\t\tdrop\n\t}\n}\n') },
      'update 1 unknown rule: drop, chain x changed',
    ],
    ['another policy', spec, { live: live.replace('policy drop', 'policy accept') }, 'update chain input changed'],
    ['another boot file', spec, { boot: 'flush ruleset\n' }, 'update boot file differs'],
    ['no boot file', spec, { boot: undefined }, 'update boot file differs'],
    [
      'rolled back',
      spec,
      { rolledBack: '2026-11-23T10:00:00Z' },
      'update last change rolled back by the host at 2026-11-23T10:00:00Z, no new connection confirmed it',
    ],
  ])('%s', (_, want, more, expected) => {
    const change = nftables.kind.plan(want, { ...asLoaded, ...more }, context)
    expect(change && `${change.action} ${change.reason}`).toBe(expected)
    expect(change?.debt).toBeUndefined()
  })

  it('plans the confirmation of a change in any run', () => {
    expect(nftables.kind.plan(spec, { ...asLoaded, pending: 'this boot' }, context)).toMatchObject({ action: 'update', debt: true })
    expect(nftables.kind.plan(spec, { ...asLoaded, pending: 'earlier boot' }, context)?.debt).toBeUndefined()
  })

  it('shows text against text, and drift against what was loaded', () => {
    const diff = (want: typeof spec, state: TableState) =>
      nftables.kind.diff?.(
        { id: 'inet provision', spec: want, state, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } },
        undefined,
      )
    const peers = 'from 10.79.5.1, 10.79.5.12, 10.79.5.13'
    expect(diff(newer, asLoaded)).toEqual({
      before: `chain input: tcp dport 22 ip saddr @peers4 counter name in_ssh accept, ${peers}\n`,
      after: `chain input: tcp dport 2222 ip saddr @peers4 counter name in_ssh accept, ${peers}\n`,
      full: { before: spec.text, after: newer.text },
    })
    // While they are tried, they are in force already.
    const tried: TableState = {
      ...asLoaded,
      live: live.replace('dport 22 ip saddr @peers4', 'dport 2222 ip saddr @peers4'),
      pending: 'this boot',
    }
    expect(diff(newer, tried)).toEqual(diff(newer, asLoaded))
    expect(diff(spec, { ...asLoaded, live: undefined })).toMatchObject({ before: '', full: { before: '', after: spec.text } })
    const drift = diff(spec, { ...asLoaded, live: live.replace('\t\tct state', '\t\ttcp dport 3306 accept\n\t\tct state') })
    expect(drift).toMatchObject({ before: 'chain input: tcp dport 3306 accept\n', after: '' })
    expect(drift?.full?.before.replace('  tcp dport 3306 accept\n', '')).toBe(drift?.full?.after)
    expect(diff(spec, { ...asLoaded, boot: 'flush ruleset\n' })).toEqual({ before: 'flush ruleset\n', after: spec.text })
  })
})

describe('a listing', () => {
  it('reads a comment that looks like a block as part of its rule', () => {
    expect(
      readListing(live)
        .filter(({ block }) => block === 'chain input')
        .map(({ line }) => line),
    ).toContain('tcp dport 22 counter accept comment "a { b } c"')
    expect(describeDrift(ours, ours.replace('policy drop;', 'policy drop;\n\t\taccept comment "table inet x {"'))).toEqual([
      '1 unknown rule: accept comment "table inet x {"',
    ])
  })

  it('reports a changed order of rules', () => {
    const swapped = ours.replace(/(\t\tct state.*\n)(\t\ttcp dport 22 ct.*\n)/, '$2$1')
    expect(describeDrift(ours, swapped)).toEqual(['order of rules changed'])
  })
})

describe('describing two rulesets', () => {
  const rules = (peers: string, more = ''): string => `table inet t {
  set to4 { type ipv4_addr; elements = { ${peers} } }
  set to6 { type ipv6_addr; elements = { fd00::1 comment "lb" } }
  chain input {
    type filter hook input priority filter; policy drop;
    tcp dport 80 ip saddr @to4 accept comment "80/tcp (site) for nginx"
    tcp dport 80 ip6 saddr @to6 accept comment "80/tcp (site) for nginx"
    tcp dport 443 accept comment "443/tcp (https), from anyone"${more}
  }
}
`
  const LB = '10.0.0.1 comment "lb"'
  it('shows an effect with its peers, both families in one line', () => {
    expect(describeDifference('', rules(LB)).after).toBe(
      'chain input: policy drop\n80/tcp (site) for nginx, from lb (10.0.0.1, fd00::1)\n443/tcp (https), from anyone\n',
    )
  })

  it.each([
    ['a new peer', `${LB}, 10.0.0.2 comment "lb2"`, '', '80/tcp (site) for nginx, from lb2 (10.0.0.2)\n'],
    [
      'a peer that moved',
      '10.0.0.9 comment "lb"',
      '80/tcp (site) for nginx, from lb (10.0.0.1, fd00::1)\n',
      '80/tcp (site) for nginx, from lb (10.0.0.9, fd00::1)\n',
    ],
    [
      'many new peers',
      [LB, ...Array.from({ length: 9 }, (_, i) => `10.0.1.${i} comment "web${i}"`)].join(', '),
      '',
      '80/tcp (site) for nginx, from web0 (10.0.1.0), web1 (10.0.1.1), web2 (10.0.1.2), web3 (10.0.1.3) and 5 more\n',
    ],
  ])('show only %s', (_, peers, before, after) => {
    expect(describeDifference(rules(LB), rules(peers))).toEqual({ before, after })
  })

  it('shows a rule without our comment in the syntax of nft', () => {
    const between = (rule: string) => describeDifference(rules(LB, `\n    ${rule}`), rules(LB), [rules(LB)])
    expect(between('tcp dport { 1, 2 } counter packets 3 bytes 180 accept')).toEqual({
      before: 'chain input: tcp dport { 1, 2 } counter accept\n',
      after: '',
    })
    expect(between('accept comment "nothing at all"').before).toBe('chain input: accept comment "nothing at all"\n')
  })
})

describe("others' rules", () => {
  const chains = (table: string, chain: string, head: string): string => `table ${table} {\n\tchain ${chain} {\n\t\t${head}\n\t}\n}\n`
  const own = (forward = 'drop'): string => `table inet provision {
  chain input { type filter hook input priority filter; policy drop; }
  chain forward { type filter hook forward priority filter; policy ${forward}; }
}`
  const noticed = (listing: string, rules = own(), legacy: readonly string[] = [], defeats: readonly string[] = []): readonly string[] =>
    foreignNotices(rules, { chains: readForeign(listing, new Set(['inet provision'])), defeats, legacy })

  it('warns of chains that close ports that we open', () => {
    const ufw = chains('ip filter', 'INPUT', 'type filter hook input priority filter; policy drop;')
    expect(noticed(ufw)).toEqual([
      'chain INPUT of the nft table ip filter drops everything that its own table does not accept, also on ports that provision opens',
    ])
    expect(noticed(chains('inet firewalld', 'filter_INPUT', 'type filter hook input priority filter + 10; policy accept;')).join()).toMatch(
      /^firewalld is active too/,
    )
    expect(noticed('', own(), ['filter', 'nat']).join()).toMatch(/^iptables-legacy rules are loaded \(filter, nat\)/)
  })

  it('shows a rule that certainly defeats ours, without a general warning about it', () => {
    const rival = chains('inet rival', 'in', 'type filter hook input priority filter; policy drop;')
    const told = 'table inet rival, chain in: policy drop blocks 443/tcp, which provision opens'
    expect(noticed(rival, own(), [], [told])).toEqual([`${told} (not a rule of provision, so it is kept)`])
  })

  it('are searched for the ports that the table opens, if it opens any', () => {
    const script = (rules: string): string => String(nftables.kind.observe([nftables({ rules }).spec]).script)
    const input = (rule: string): string =>
      `chain input { type filter hook input priority filter; policy drop; udp sport 67 udp dport 68 accept; ${rule}; }`
    expect(script(input('tcp dport { 80, 443 } counter accept'))).toContain("-v planned='tcp 80 tcp 443'")
    expect(script(input('tcp dport 80 drop'))).not.toContain('awk')
  })

  it('warns of redirections, depending on our policy', () => {
    const docker = chains('ip nat', 'PREROUTING', 'type nat hook prerouting priority dstnat; policy accept;')
    expect(noticed(docker).join()).toMatch(/ip nat redirects .* the forward chain of provision drops those that are forwarded$/)
    expect(noticed(docker, own('accept')).join()).toMatch(/ip nat redirects .* are open regardless of the roles$/)
  })

  it.each([
    ['of ours', chains('inet provision', 'input', 'type filter hook input priority filter; policy drop;')],
    ['of fail2ban', chains('inet f2b-table', 'f2b-chain', 'type filter hook input priority filter - 1; policy accept;')],
    ['of a chain that no rule calls', 'table ip filter {\n\tchain INPUT {\n\t}\n}\n'],
    ['of a bridge', chains('bridge filter', 'input', 'type filter hook input priority filter; policy drop;')],
    ['of forwarded packets', chains('ip filter', 'FORWARD', 'type filter hook forward priority filter; policy drop;')],
  ])('are no news: those %s', (_, listing) => {
    expect(noticed(listing)).toEqual([])
  })

  it('are read from one listing together with ours', () => {
    const [listing, ...rest] = answer.split('\0')
    const state = observed(
      [
        `${listing}meta expression, datatype iface_index (network interface index) (basetype integer), 32 bits\n${chains('ip nat', 'PREROUTING', 'type nat hook prerouting priority dstnat; policy accept;')}${chains('inet provision', 'input', 'type filter hook input priority filter; policy drop;')}`,
        ...rest,
      ].join('\0'),
    )
    expect(state.foreign.chains).toEqual([{ table: 'ip nat', chain: 'PREROUTING', type: 'nat', hook: 'prerouting', policy: 'accept' }])
    expect(state.live).toBe(live)
  })
})

describe('applying a table', () => {
  const work = [
    { id: 'inet provision', spec, state: asLoaded, change: { action: 'update', certainty: 'exact', reason: '', differences: [] } as const },
  ]
  const yes = { code: 0, stdout: Buffer.alloc(0), stderr: '' }

  it('reconnects after loading, and only then replaces the boot file', () => {
    const steps = nftables.kind.apply(work)
    const told = [steps.next(), steps.next(yes), steps.next(yes), steps.next(yes)].map(({ value }) => value)
    expect(told.map((step) => step?.do)).toEqual(['shell', 'shell', 'reconnect', 'shell'])
    const [arm, load, confirm, keep] = told.map((step) => (step && 'script' in step ? String(step.script) : ''))
    expect(arm).toContain('nft -c -f')
    expect(arm).toContain('--on-active=30s')
    expect(told[2]).toMatchObject({ withinMs: 28_000 })
    // The old boot file may be read, as a way back; only the last step writes it.
    for (const script of [arm, load, confirm]) expect(script).not.toMatch(/(>|mv [^\n]*|cp \S+ )\/etc\/provision/)
    expect(keep).toContain('mv -f /etc/provision/nftables/inet-provision.nft.new /etc/provision/nftables/inet-provision.nft')
    const nonces = [arm, load, confirm, keep].map((script) => / nonce=([0-9a-f]{16})$/m.exec(script ?? '')?.[1])
    expect(nonces).toEqual(Array(4).fill(nonces[0] ?? 'none'))
    expect(steps.next(yes).done).toBe(true)
  })

  it.each([
    [255, 'new connection failed within 28 s'],
    [1, 'the host had already restored its old rules'],
  ])('is refused without a confirming connection (%i)', (code, stderr) => {
    const steps = nftables.kind.apply(work)
    steps.next()
    steps.next(yes)
    steps.next(yes)
    expect(() => steps.next({ ...yes, code, stderr })).toThrow(
      expect.objectContaining({
        ...{ what: 'new firewall rules rolled back: no new connection confirmed them', why: stderr },
        fix: 'add a rule that accepts the controller on the port of sshd; the host restores its old rules 30 seconds after the new ones were loaded',
      }),
    )
  })

  it('is refused with what is active, if nft refuses it or it cannot be saved', () => {
    const refusedAt = (at: number) => {
      const steps = nftables.kind.apply(work)
      steps.next()
      for (let i = 0; i < at; i++) steps.next(yes)
      return expect(() => steps.next({ ...yes, code: 1, stderr: 'why' }))
    }
    refusedAt(0).toThrow(
      expect.objectContaining({
        ...{ what: 'new firewall rules not loaded (exit 1)', why: 'why' },
        fix: 'correct the rules that nft reports; the old rules are still active',
      }),
    )
    refusedAt(1).toThrow(expect.objectContaining({ fix: 'correct them; the old rules are active again' }))
    refusedAt(3).toThrow(expect.objectContaining({ what: 'new firewall rules active, but not saved for the next boot (exit 1)' }))
  })
})

it.each([
  ['a brace that ends our table', 'chain a { } }\nflush ruleset\ntable inet b {'],
  ['an open brace', 'chain a {'],
  ['a table name that is no name', ''],
])('is refused: %s', (what, rules) => {
  expect(() => nftables(what.startsWith('a table') ? { table: 'a b', rules } : { rules })).toThrow()
})

it('ignores braces in quotes and comments', () => {
  expect(nftables({ rules: '# } {{\nchain a { accept comment "}" }' }).id).toBe('inet provision')
})
