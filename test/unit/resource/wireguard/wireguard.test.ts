import { describe, expect, it } from 'vitest'
import type { PlanContext } from '../../../../src/resource/kind/kind.ts'
import type { MeshState } from '../../../../src/resource/wireguard/observe.ts'
import { isPublicKey, readPeers, sectionOf, writePeers } from '../../../../src/resource/wireguard/peers.ts'
import { wireguard } from '../../../../src/resource/wireguard/wireguard.ts'

const MEMBERS = ['a', 'b', 'c'].map((host, i) => ({
  host,
  endpoint: `192.0.2.${i + 1}:51820`,
  addresses: [`10.80.0.${i + 1}/32`],
}))
const keyOf = (host: string): string => `${host.repeat(42)}A=`
const { kind } = wireguard
const specOf = (me: string, members = MEMBERS) => wireguard({ interface: 'wg0', me, unit: 'mesh.service', members }).spec

const FILE = { type: 'f', mode: '600', owner: 'root', group: 'root', target: '' }
const peersOf = (me: string, hosts: readonly string[]): string =>
  writePeers(
    new Map(MEMBERS.filter(({ host }) => host !== me && hosts.includes(host)).map((one) => [one.host, sectionOf(one, keyOf(one.host), 0)])),
  )
const stateOf = (me: string, hosts: readonly string[], more: Partial<MeshState> = {}): MeshState => ({
  ...{ key: FILE, publicKeyFile: FILE, keyDigest: 'k', publicKeyDigest: 'p', publicKey: keyOf(me) },
  ...{ peers: peersOf(me, hosts), peersDigest: 'now', loaded: 'now', ...more },
})
const BARE: MeshState = {
  ...{ key: 'absent', publicKeyFile: 'absent', keyDigest: undefined, publicKeyDigest: undefined, publicKey: undefined },
  ...{ peers: undefined, peersDigest: 'absent', loaded: undefined },
}
const context = (members: Readonly<Record<string, MeshState>>): PlanContext => ({
  ...{ now: new Date(0), packagesPending: false, changes: () => false },
  members: () => new Map(Object.entries(members)),
})
const ALL = ['a', 'b', 'c']
const complete = { a: stateOf('a', ALL), b: stateOf('b', ALL), c: stateOf('c', ALL) }
const planned = (me: string, members: Readonly<Record<string, MeshState>>, spec = specOf(me)) => {
  const change = kind.plan(spec, members[me] ?? BARE, context(members))
  return change === undefined ? undefined : `${change.action} ${change.certainty}: ${change.reason}`
}

describe('the plan of a member', () => {
  it('has nothing to do in a complete mesh', () => {
    expect(ALL.map((me) => planned(me, complete))).toEqual([undefined, undefined, undefined])
  })

  it('makes its key, and expects those of the others, on bare hosts', () => {
    expect(planned('a', { a: BARE, b: BARE, c: BARE })).toBe('create dependent: creates its key, b joins, c joins')
  })

  it.each<[string, Partial<MeshState>, string | undefined]>([
    ['a peer is missing', { peers: peersOf('a', ['b']) }, 'update exact: adds c'],
    ['a peer has another key', { peers: peersOf('a', ALL).replace(keyOf('b'), keyOf('x')) }, 'update exact: updates b'],
    ['there is a peer that is no member', { peers: `${peersOf('a', ALL)}# d\n[Peer]\n` }, 'update exact: removes d'],
    ['the file has other lines', { peers: `${peersOf('a', ALL)}PreUp = x\n` }, 'update exact: updates c'],
    ['the file has lines before the first peer', { peers: `hello\n${peersOf('a', ALL)}` }, 'update exact: file of peers differs'],
    ['the unit has loaded older peers', { loaded: 'before' }, 'update exact: peers not loaded yet'],
    ['the unit does not run', { loaded: undefined }, undefined],
    ['others can read the private key', { key: { ...FILE, mode: '644' } }, 'update dependent: private key readable by others'],
    ['the public key is not that of the private key', { publicKey: undefined }, 'update dependent: public key missing'],
  ])('if %s', (_, more, reason) => {
    expect(planned('a', { ...complete, a: stateOf('a', ALL, more) })).toBe(reason)
  })

  it('removes a member that the inventory no longer has', () => {
    expect(planned('a', complete, specOf('a', MEMBERS.slice(0, 2)))).toBe('update exact: removes c')
  })

  it('keeps a member that was not reached, and reports one that it does not know yet', () => {
    const { a, b } = complete
    expect(planned('a', { a, b })).toBeUndefined()
    expect(kind.notices?.(specOf('a'), a, context({ a, b }))).toEqual([])
    const lacking = stateOf('a', ['b'])
    expect(planned('a', { a: lacking, b })).toBeUndefined()
    expect(kind.notices?.(specOf('a'), lacking, context({ a: lacking, b }))).toEqual([
      'c was not reached: it joins the mesh of a in a run that reaches both',
    ])
  })

  it('gives nothing to a host that reports the key of another one', () => {
    const thief = stateOf('c', ALL, { publicKey: keyOf('b') })
    expect(planned('a', { ...complete, c: thief })).toBeUndefined()
    expect(planned('a', { ...complete, a: stateOf('a', []), c: thief })).toBeUndefined()
    expect(kind.notices?.(specOf('a'), complete.a, context({ ...complete, c: thief }))).toEqual([
      'b and c have the same key: delete /etc/wireguard/wg0.key on the one that was copied, and run again',
    ])
  })

  it('shows both texts of the peers, and where a key is made in this run', () => {
    const state = stateOf('a', ['b'])
    const work = {
      id: 'wg0',
      spec: specOf('a'),
      state,
      change: { action: 'update', certainty: 'exact', reason: '', differences: [] },
    } as const
    const diff = kind.diff?.({ ...work, members: () => new Map(Object.entries({ ...complete, a: state, c: BARE })) }, undefined)
    expect(diff?.before).toBe(peersOf('a', ['b']))
    expect(diff?.after).toBe(peersOf('a', ALL).replace(keyOf('c'), '‹made in this run›'))
  })
})

describe('an observation', () => {
  const answers = (text: string, digest = 'k') => ({
    inodes: new Map(['key', 'pub', 'peers'].map((name) => [`/etc/wireguard/wg0.${name}`, FILE])),
    ...{ changed: new Map(), trees: new Map(), units: new Map() },
    digests: new Map([['/etc/wireguard/wg0.key', digest]]),
    texts: new Map([['/etc/wireguard/wg0.pub', text.split('\n')]]),
  })
  const publicKey = (text: string, digest?: string) =>
    kind
      .observe([specOf('a')])
      .parse(Buffer.alloc(0), answers(text, digest))
      .get('wg0')?.publicKey

  it('accepts only a public key that belongs to the private key', () => {
    expect(publicKey(`${keyOf('a')}\n# key sha256 k`)).toBe(keyOf('a'))
    expect(publicKey(`${keyOf('a')}\n# key sha256 other`)).toBeUndefined()
    expect(publicKey(keyOf('a'))).toBeUndefined()
    expect(publicKey(`x\nPublicKey = ${keyOf('a')}\n# key sha256 k`)).toBeUndefined()
  })
})

describe('peers', () => {
  it('are read as they were written', () => {
    const text = peersOf('a', ALL)
    expect([...readPeers(text).keys()]).toEqual(['b', 'c'])
    expect(writePeers(readPeers(text))).toBe(text)
  })

  it('have a keepalive only where one is declared', () => {
    const [member] = MEMBERS
    if (member === undefined) throw new Error('no member')
    expect(sectionOf(member, keyOf('a'), 25)).toBe(`${sectionOf(member, keyOf('a'), 0)}PersistentKeepalive = 25\n`)
  })

  it.each([`${'A'.repeat(43)}`, `${'A'.repeat(42)}B=`, `${'A'.repeat(43)}=\nAllowedIPs = 0.0.0.0/0`, '', undefined])(
    'have no key %j',
    (key) => {
      expect(isPublicKey(key)).toBe(false)
    },
  )
})
