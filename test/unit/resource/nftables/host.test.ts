import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { nftables } from '../../../../src/resource/nftables/nftables.ts'
import { bootFileOf, type TableState } from '../../../../src/resource/nftables/observe.ts'
import { NOTHING } from '../answers.ts'
import { type Here, here } from '../run-here.ts'

const BOOT = '11111111-2222-3333-4444-555555555555'
const listing = (port: number, elements = '10.0.0.1 expires 30s'): string => `table inet provision {
\tset meter4 {
\t\ttype ipv4_addr
\t\tflags dynamic
\t\telements = { ${elements} }
\t}
\tchain input {
\t\ttcp dport ${port} accept
\t}
}
`
const spec = (port: number) => nftables({ rules: `chain input { tcp dport ${port} accept; }` }).spec

let host: Here
beforeEach(() => {
  host = here('/run/provision', '/proc/sys/kernel/random', '/etc/provision')
  host.sh(`mkdir -p /proc/sys/kernel/random; echo ${BOOT} >/proc/sys/kernel/random/boot_id`)
  host.program('systemd-run', `echo "$*" >>${host.at('timers')}`)
  host.program('systemctl', ':')
  host.program('sync', `echo "$*" >>${host.at('synced')}`)
  // The tables of the kernel are files; loading keeps what was loaded.
  host.program(
    'nft',
    `cd ${host.root}; echo "$*" >>nft
case "$*" in
  '-c -f '*) ! grep -q reject "$3" || { echo "Error: syntax error" >&2; exit 1; } ;;
  'list tables') [ ! -e broken ] || exit 3; for table in table-*; do [ ! -e "$table" ] || echo "table inet \${table#table-}"; done ;;
  '-s list table inet provision') cat table-provision ;;
  '-f -') cat >tracked ;;
  '-f '*) cat "$2" >loaded; cat next >table-provision ;;
  *) echo "unexpected: $*" >&2; exit 9 ;;
esac`,
  )
})
afterEach(() => host.remove())
const read = (name: string): string | undefined => (existsSync(host.at(name)) ? readFileSync(host.at(name), 'utf8') : undefined)
const write = (name: string, text: string): void => writeFileSync(host.at(name), text)

/** Applies rules for a port; `live` is the listing of the observation, `becomes` the one after loading. */
const apply = (
  port: number,
  live: string | undefined,
  { becomes = listing(port), confirmed = true, rules }: { becomes?: string; confirmed?: boolean; rules?: string } = {},
): HostRefusal | undefined => {
  write('next', becomes)
  const own = rules === undefined ? spec(port) : nftables({ rules }).spec
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const steps = nftables.kind.apply([{ id: 'inet provision', spec: own, state: { live } as TableState, change }])
  try {
    for (let next = steps.next(); next.done !== true; ) {
      const step = next.value
      if (step.do === 'reconnect' && !confirmed) next = steps.next({ code: 255, stdout: Buffer.alloc(0), stderr: '' })
      else if (step.do === 'shell' || step.do === 'reconnect')
        next = steps.next(host.run(String(step.script), step.do === 'shell' ? (step.input as Uint8Array | undefined) : undefined))
      else throw new Error(`unexpected step: ${step.do}`)
    }
    return undefined
  } catch (error) {
    if (error instanceof HostRefusal) return error
    throw error
  }
}
/** Runs the command of the newest timer. */
const timerElapses = (): number => host.run(host.sh('sed -n "$ s/.*AccuracySec=200ms //p" timers')).code

describe('new rules', () => {
  it('are loaded, confirmed, and saved for the next boot with the listing of the kernel', () => {
    write('table-provision', listing(22))
    expect(apply(2222, listing(22))).toBeUndefined()
    expect(read('loaded')).toBe(spec(2222).text)
    expect(read('etc/provision/nftables/inet-provision.nft')).toBe(spec(2222).text)
    expect(host.sh('stat -c %a etc/provision/nftables; ls etc/provision/nftables')).toBe('755\ninet-provision.nft\n')
    expect(read('state/nftables/inet-provision.live')).toBe(listing(2222))
    expect(read('state/nftables/inet-provision.stamp')).toMatch(/^[0-9a-f]{64}\n$/)
    expect(host.sh('ls state/nftables run/provision/nftables')).toBe(
      'run/provision/nftables:\n\nstate/nftables:\ninet-provision.live\ninet-provision.stamp\n',
    )
    expect(read('synced')?.split('\n')).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/nftables\/inet-provision\.nft\.new$/),
        expect.stringMatching(/etc\/provision\/nftables$/),
        expect.stringMatching(/inet-provision\.live\.[0-9a-f]{16}$/),
        expect.stringMatching(/inet-provision\.stamp\.new$/),
      ]),
    )
    expect(host.sh('stat -c %a state/nftables/inet-provision.live')).toBe('600\n')
    expect(read('tracked')).toBeUndefined()
  })

  it('are loaded in one transaction that replaces the table, and are undone by the same', () => {
    write('table-provision', listing(22))
    expect(apply(2222, listing(22), { confirmed: false })?.what).toBe('new firewall rules rolled back: no new connection confirmed them')
    expect(timerElapses()).toBe(0)
    expect(read('loaded')).toBe(`table inet provision\ndelete table inet provision\n${listing(22)}`)
    expect(read('etc/provision/nftables/inet-provision.nft')).toBeUndefined()
  })

  it('of a host without a table track connections first, and are undone by deleting the table', () => {
    expect(apply(22, undefined, { confirmed: false })).toBeDefined()
    expect(read('tracked')).toBe(`table inet provision {
  chain track { type filter hook input priority 0; policy accept; ct state established,related accept; }
}
`)
    expect(timerElapses()).toBe(0)
    expect(read('loaded')).toBe('table inet provision\ndelete table inet provision\n')
  })

  it.each([
    ['on one line', '10.0.0.1 expires 30s', '10.0.0.2 expires 20s'],
    ['on several lines', '10.0.0.1 expires 30s,\n\t\t\t     10.0.0.3', '10.0.0.2 expires 20s,\n\t\t\t     10.0.0.9'],
  ])('are loaded although the elements of sets have changed since: %s', (_, before, now) => {
    write('table-provision', listing(22, now))
    expect(apply(2222, listing(22, before))).toBeUndefined()
  })

  it.each<[string, string | undefined, string | undefined]>([
    ['has other rules', listing(23), listing(22)],
    ['is gone', undefined, listing(22)],
    ['is new', listing(22), undefined],
  ])('are not loaded if the table %s since the observation', (_, now, seen) => {
    if (now !== undefined) write('table-provision', now)
    expect(apply(2222, seen)?.why).toBe('table inet provision is not as it was observed')
    expect([read('loaded'), read('timers')]).toEqual([undefined, undefined])
  })

  it('are not loaded if nft refuses them, or cannot list its tables', () => {
    write('table-provision', listing(22))
    const refused = apply(1, listing(22), { rules: 'chain input { reject; }' })
    expect(refused).toMatchObject({ why: 'Error: syntax error', fix: 'correct the rules that nft reports; the old rules are still active' })
    write('broken', '')
    expect(apply(2222, listing(22))?.what).toBe('new firewall rules not loaded (exit 3)')
    expect([read('loaded'), read('timers')]).toEqual([undefined, undefined])
  })

  it('are not loaded if the old ones could not be restored, unless a boot loads them', () => {
    const odd = listing(22).replace('accept', 'reject')
    write('table-provision', odd)
    expect(apply(2222, odd)?.why).toContain('the old rules could not be saved, so they could not be restored')
    expect(read('loaded')).toBeUndefined()
    host.sh('mkdir -p etc/provision/nftables; echo "boot rules" >etc/provision/nftables/inet-provision.nft')
    expect(apply(2222, odd, { confirmed: false })).toBeDefined()
    timerElapses()
    expect(read('loaded')).toBe('boot rules\n')
  })

  it('that replace unconfirmed ones are undone to those before both', () => {
    write('table-provision', listing(22))
    expect(apply(2222, listing(22), { confirmed: false })).toBeDefined()
    expect(apply(3333, listing(2222), { confirmed: false })).toBeDefined()
    expect(timerElapses()).toBe(0)
    expect(read('loaded')).toContain(listing(22))
    expect(read('state/nftables/inet-provision.rolled-back')).toMatch(/^\d{4}-/)
  })

  it('need nft on the host', () => {
    host.sh('rm bin/nft')
    const own = nftables({ rules: 'chain input { accept; }' }).spec
    const change = { action: 'create', certainty: 'exact', reason: '', differences: [] } as const
    const step = nftables.kind.apply([{ id: 'inet provision', spec: own, state: { live: undefined } as TableState, change }]).next().value
    const script = step?.do === 'shell' ? String(step.script) : ''
    expect(host.run(script.replace('command -v nft', 'command -v nft-missing'), Buffer.from(own.text))).toMatchObject({
      code: 1,
      stderr: 'nft is missing on this host: install the package nftables\n',
    })
  })
})

describe('an observation', () => {
  const RIVAL = 'table inet rival {\n\tchain in {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n'
  const CHAIN = 'table inet provision {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n'
  const specs = [
    spec(22),
    nftables({ table: 'other', rules: 'chain input { type filter hook input priority filter; tcp dport 443 accept; }' }).spec,
  ]

  /** Tables and chains of the kernel; nft refuses to list a table that is missing. */
  const nft = (tables: Record<string, string>, chains: string, broken = ''): void => {
    for (const [name, text] of Object.entries(tables)) write(`table-${name}`, text)
    write('chains', chains)
    write('ruleset', chains)
    host.program(
      'nft',
      `cd ${host.root}; echo "$*" >>nft
[ "$1" = -s ] && shift || { case "$*" in 'list tables') for table in table-*; do echo "table inet \${table#table-}"; done ;; '-t list ruleset') cat ruleset ;; *) exit 9 ;; esac; exit; }
IFS=';'; for command in $*; do
  case \${command# } in
    "${broken || 'never'}") exit 1 ;;
    'list table inet '*) cat "table-\${command##*inet }" 2>/dev/null || exit 1 ;;
    'describe iif') echo 'meta expression, datatype iface_index (network interface index) (basetype integer), 32 bits' ;;
    ' list chains'|'list chains') cat chains ;;
    '') ;;
    *) echo "unexpected: $command" >&2; exit 9 ;;
  esac
done`,
    )
  }
  const observe = (own = specs) => {
    const query = nftables.kind.observe(own)
    const { stdout, stderr } = host.run(String(query.script))
    expect(stderr.replaceAll(/.*No such file.*\n/g, '')).toBe('')
    const texts = new Map([['/proc/sys/kernel/random/boot_id', [BOOT]]])
    return query.parse(stdout, { ...NOTHING, texts })
  }
  const processes = (): readonly string[] => read('nft')?.trim().split('\n') ?? []

  it('takes one process if all tables exist and no others', () => {
    nft({ provision: listing(22), other: listing(443).replace('provision', 'other') }, CHAIN)
    const states = observe()
    expect(states.get('inet provision')).toMatchObject({ live: listing(22), foreign: { chains: [], defeats: [] } })
    expect(states.get('inet other')?.live).toContain('dport 443')
    expect(processes()).toHaveLength(1)
  })

  it('finds the tables that exist', () => {
    nft({ provision: listing(22), elsewhere: 'table inet elsewhere {\n}\n' }, CHAIN)
    const states = observe()
    expect([states.get('inet provision')?.live, states.get('inet other')?.live]).toEqual([listing(22), undefined])
  })

  it('reads the rules of others that defeat ours', () => {
    nft({ provision: listing(443) }, CHAIN + RIVAL)
    const one = [nftables({ rules: 'chain input { type filter hook input priority filter; tcp dport 443 accept; }' }).spec]
    const state = observe(one).get('inet provision')
    expect(state?.foreign.chains).toEqual([{ table: 'inet rival', chain: 'in', type: 'filter', hook: 'input', policy: 'drop' }])
    expect(state?.foreign.defeats).toEqual(['table inet rival, chain in: policy drop blocks 443/tcp, which provision opens'])
    expect(processes()).toHaveLength(2)
  })

  it('names the first of them, and the number of the others', () => {
    const rivals = (count: number): string =>
      Array.from({ length: count }, (_, i) =>
        RIVAL.replace('rival', `rival${i}`).replace('policy drop;\n', 'policy accept;\n\t\ttcp dport 443 drop\n'),
      ).join('')
    const one = [nftables({ rules: 'chain input { type filter hook input priority filter; tcp dport 443 accept; }' }).spec]
    const found = (count: number): readonly string[] => {
      nft({ provision: listing(443) }, CHAIN + rivals(count))
      return observe(one).get('inet provision')?.foreign.defeats ?? []
    }
    expect(found(20).map((line) => line.split(',')[0])).toEqual(Array.from({ length: 20 }, (_, i) => `table inet rival${i}`))
    expect(found(23)).toEqual([...found(20), '3 more rules of others defeat those of provision: nft list ruleset'])
  })

  it('finds the interrupted changes of each table', () => {
    nft({ provision: listing(22), other: listing(443).replace('provision', 'other') }, CHAIN + RIVAL)
    host.run(`cd /var/lib/provision/nftables || mkdir -p /var/lib/provision/nftables && cd /var/lib/provision/nftables
echo ${BOOT} >inet-other.pending.1; echo ${BOOT} >inet-provision.confirmed.2`)
    const states = [...observe().values()].map(({ pending, unkept, foreign }) => [pending, unkept, foreign.defeats.length])
    expect(states).toEqual([
      [undefined, true, 2],
      ['this boot', false, 2],
    ])
  })

  it('is an error if nft fails, and empty without nft', () => {
    nft({ provision: listing(22) }, CHAIN, 'list chains')
    expect(() => observe()).toThrow('nft did not list the tables of the host')
    const query = nftables.kind.observe(specs)
    const { stdout } = host.run(String(query.script).replace('command -v nft', 'command -v nft-missing'))
    const states = query.parse(stdout, { ...NOTHING, texts: new Map([['/proc/sys/kernel/random/boot_id', [BOOT]]]) })
    expect(states.get('inet provision')).toMatchObject({ live: undefined, foreign: { chains: [], defeats: [], legacy: [] } })
  })

  it('asks for the files of its tables', () => {
    const { shared } = nftables.kind.observe(specs)
    for (const name of ['provision', 'other'])
      expect(shared?.texts).toEqual(
        expect.arrayContaining([
          bootFileOf({ family: 'inet', table: name }),
          ...['stamp', 'live', 'rolled-back'].map((end) => `/var/lib/provision/nftables/inet-${name}.${end}`),
        ]),
      )
    expect(shared?.texts).toEqual(expect.arrayContaining(['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']))
    const none = nftables.kind.observe([])
    expect([none.shared?.texts, String(none.script), none.parse(Buffer.from(''), NOTHING).size]).toEqual([[], '', 0])
  })
})
