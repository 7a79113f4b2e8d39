import { describe, expect, it } from 'vitest'
import { certificate, leaf, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { type FormersState, formerCertificates } from '../../../../src/resource/certificate/former.ts'
import { type CertificateState, isPair, keyModeOf, type Leaf } from '../../../../src/resource/certificate/observe.ts'
import type { InodeState } from '../../../../src/resource/kind/inode.ts'
import type { PlanContext, Resource, Work } from '../../../../src/resource/kind/kind.ts'
import { type Answer, HostRefusal, type Step } from '../../../../src/resource/kind/step.ts'
import { UNSAFE } from '../../../../src/resource/kind/walk.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'

const PATH = '/etc/ssl/www.pem'
const { kind } = certificate
const temporary = (more: object = {}) => placeholder({ path: PATH, names: ['www.test.example'], ...more })
const loadedBy = (more: object = {}) => service({ unit: 'haproxy.service', loads: [temporary()], set: 'haproxy', ...more })
const issued = (more: object = {}): Resource<never> =>
  certificate({ path: PATH, names: ['www.test.example'], account: 'acme-account:x', loadedBy: loadedBy(), ...more }) as Resource<never>
const authority = {
  key: 'authority:edge',
  zone: 'edge.internal',
  certificate: { later: '', get: () => '' },
  trusted: () => [],
  nameOf: String,
}
const ofSite = (more: object = {}) =>
  leaf({ path: PATH, names: ['a.edge.internal'], authority, usages: ['server'], ...more }) as Resource<never>

const NOW = new Date('2026-11-29T00:00:00Z')
const context: PlanContext = { now: NOW, packagesPending: false, changes: () => false, members: () => new Map() }
const inode = (mode: string, more: object = {}) => ({ type: 'f', mode, owner: 'root', group: 'root', target: '', ...more })
const LEAF: Leaf = {
  ...{ pem: '', fingerprint: 'AA', issuer: 'CN=x', names: ['www.test.example'], placeholder: false, account: 'acme-account:x' },
  ...{ from: NOW.getTime() - 1000, to: NOW.getTime() + 86_400_000, keyDigest: 'k', keyType: 'ec', usages: [] },
}
const PAIR: CertificateState = { chain: inode('644'), key: inode('600'), leaf: LEAF, chainDigest: 'c', keyDigest: 'k', revoked: false }
const UNREACHED = inode('is owned by bob', { type: 'unreached', target: '/etc/ssl', owner: 'bob' })
const plan = (state: Partial<CertificateState>, resource = issued()) => kind.plan(resource.spec, { ...PAIR, ...state }, context)

describe('the change of a certificate', () => {
  it('has what differs, from and to', () => {
    const update = (certainty: string, reason: string, ...differences: readonly object[]) => ({
      action: 'update',
      certainty,
      reason,
      differences,
    })
    expect(plan({})).toBeUndefined()
    expect(plan({ leaf: { ...LEAF, account: undefined } })).toEqual(
      update('dependent', 'issued elsewhere', { key: 'account', to: 'acme-account:x' }),
    )
    expect(plan({ leaf: { ...LEAF, account: 'acme-account:y' } })).toEqual(
      update('dependent', 'issued elsewhere', { key: 'account', from: 'acme-account:y', to: 'acme-account:x' }),
    )
    expect(plan({ leaf: { ...LEAF, keyType: 'rsa' } })).toEqual(update('dependent', 'key type differs', { key: 'keyType', to: 'ecdsa' }))
    expect(plan({ leaf: { ...LEAF, to: NOW.getTime() } })).toEqual(
      update('dependent', 'expired on 2026-11-29', { key: 'expires', from: '2026-11-29' }),
    )
    expect(plan({ chain: inode('600', { owner: 'bob' }), key: inode('640', { owner: 'bob', group: 'www' }) })).toEqual(
      update(
        'exact',
        'owner or mode differs',
        { key: 'mode', from: '600', to: '644' },
        { key: 'owner', from: 'bob', to: 'root' },
        { key: 'keyMode', from: '640', to: '600' },
        { key: 'keyOwner', from: 'bob', to: 'root' },
        { key: 'keyGroup', from: 'www', to: 'root' },
      ),
    )
    expect(plan({ chain: inode('644', { group: 'www' }) })?.differences).toEqual([{ key: 'group', from: 'www', to: 'root' }])
    const attention = 'order of a certificate for www.test.example'
    expect(plan({ chain: 'absent' })).toEqual({
      ...{ action: 'create', certainty: 'dependent', reason: 'not issued yet', differences: [] },
      attention,
    })
    expect(plan({ revoked: true })).toEqual(update('dependent', 'revoked by its authority'))
  })

  it('of a placeholder, and of an authority of the site', () => {
    expect(plan({ key: 'absent' }, temporary() as Resource<never>)).toEqual({
      ...{ action: 'update', certainty: 'dependent', reason: 'private key missing', differences: [] },
    })
    const own = { ...LEAF, names: ['a.edge.internal'], account: 'acme-account:x' }
    expect(plan({ leaf: own }, ofSite())?.differences).toEqual([{ key: 'authority', from: 'CN=x', to: 'authority:edge' }])
  })

  it('is refused behind a path of another account', () => {
    const change = plan({ chain: UNREACHED })
    expect(change).toMatchObject({ certainty: 'dependent', reason: '/etc/ssl is owned by bob (owner: bob)' })
    expect(() => apply([issued()], [], { chain: UNREACHED })).toThrow(`${PATH} not changed`)
  })

  it('needs a pair of regular files with one key', () => {
    for (const [more, expected] of [
      [{}, true],
      [{ leaf: { ...LEAF, keyDigest: undefined } }, true],
      [{ keyDigest: 'x' }, false],
      [{ chain: inode('644', { type: 'l' }) }, false],
      [{ key: inode('600', { type: 'l' }) }, false],
      [{ key: 'absent' }, false],
    ] as const)
      expect(isPair({ ...PAIR, ...more })).toBe(expected)
    expect([keyModeOf('root'), keyModeOf('www')]).toEqual(['600', '640'])
  })
})

const answer = (code = 0, stdout = 'x', stderr = ''): Answer => ({ code, stdout: Buffer.from(stdout), stderr })
const workOf = (
  { id, spec }: Resource,
  state: Partial<CertificateState>,
  certainty: 'exact' | 'dependent',
): Work<never, CertificateState> => ({
  ...{ id, spec: spec as never, state: { ...PAIR, ...state } },
  change: { action: 'update', certainty, reason: '', differences: [] },
})
/** Applies resources, dependent unless they are placeholders; returns the steps. */
const apply = (
  resources: readonly Resource[],
  answers: readonly (Answer | Error)[] = [],
  state: Partial<CertificateState> = {},
  certainty: 'exact' | 'dependent' = 'dependent',
): readonly Step[] => {
  const steps = kind.apply(resources.map((one) => workOf(one, state, certainty)))
  const taken: Step[] = []
  for (let next = steps.next(); next.done !== true; ) {
    taken.push(next.value)
    const one =
      answers[taken.length - 1] ?? answer(0, String((next.value as { script?: unknown }).script).includes('provision-done') ? '' : 'x')
    next = one instanceof Error ? steps.throw(one) : steps.next(one)
  }
  return taken
}
const refusal = (run: () => unknown): HostRefusal => {
  try {
    run()
  } catch (error) {
    if (error instanceof HostRefusal) return error
    throw error
  }
  return expect.fail('was not refused')
}

describe('the steps of a certificate', () => {
  const other = issued({
    path: '/etc/ssl/other.pem',
    loadedBy: service({ unit: 'x.service', loads: [temporary({ path: '/etc/ssl/other.pem' })] }),
  })

  it('are a request, an order, the installation and the reload, each with its purpose', () => {
    expect(
      apply([issued({ names: ['a.test.example', 'b.test.example'] })]).map((step) => [step.do, 'doing' in step && step.doing]),
    ).toEqual([
      ['shell', 'creating a key for a.test.example'],
      ['identity', 'ordering a certificate for a.test.example, b.test.example'],
      ['shell', 'installing the certificate'],
      ['shell', 'reloading haproxy.service'],
    ])
  })

  it('are one for all keys and modes', () => {
    const taken = apply([temporary(), placeholder({ path: '/etc/ssl/b.pem', names: ['b.test.example'] })])
    expect(taken).toMatchObject([{ do: 'shell', doing: 'creating keys for the first start' }])
    expect(apply([issued(), other], [], {}, 'exact')).toHaveLength(1)
  })

  it.each([
    ['certificate request not created', [answer(3, '', 'no openssl')]],
    ['certificate not issued', [answer(), answer(3, '', 'no openssl')]],
    ['certificate not installed', [answer(), answer(), answer(3, '', 'no openssl')]],
  ])('are refused with what was done before: %s', (what, answers) => {
    const first = [answer(), answer(), answer(), answer()]
    const refused = refusal(() => apply([issued(), other], [...first, ...answers]))
    expect(refused).toMatchObject({
      what: `${what} (exit 3)`,
      why: 'no openssl',
      fix: 'declare the package openssl before it',
      done: [PATH],
    })
  })

  it('are refused with the directory that another account can replace', () => {
    expect(refusal(() => apply([issued()], [answer(UNSAFE, '', '/etc/ssl of bob')])).fix).toMatch(/^declare it in a directory of root/)
  })

  it('fail as an error of the controller if the controller fails', () => {
    expect(() => apply([issued(), other], [answer(), answer(), answer(), answer(), answer(), new Error('disk full')])).toThrow(
      expect.objectContaining({ name: 'ControllerFailure', done: [PATH], culprit: '/etc/ssl/other.pem' }),
    )
    expect(refusal(() => apply([issued()], [answer(), new HostRefusal('no order', 'why')])).what).toBe('no order')
  })

  it('load the certificate as its service does', () => {
    const took = sh`test -S /run/haproxy.sock`
    const [, , , load] = apply([
      issued({ loadedBy: loadedBy({ restarts: [temporary({ path: '/etc/ssl/x.pem' })], took, reload: 'restart' }) }),
    ])
    const script = String((load as { script: unknown }).script)
    for (const word of [PATH, '/etc/ssl/x.pem', 'test -S /run/haproxy.sock', 'undo/haproxy']) expect(script).toContain(word)
    const reloads = (mode: string): string =>
      String((apply([issued({ loadedBy: loadedBy({ reload: mode }) })])[3] as { script: unknown }).script)
    expect(reloads('restart')).not.toBe(reloads('reload'))
  })
})

describe('the kind of a certificate', () => {
  it('has needs, files and a policy for orphans', () => {
    const { spec } = issued({ group: 'www' })
    expect(kind.directories?.(spec)).toEqual(['/etc/ssl'])
    expect(kind.accounts?.(spec)).toEqual({ groups: ['www'] })
    expect(kind.files?.(spec)).toEqual([
      { path: PATH, sha256: 'disk' },
      { path: `${PATH}.key`, sha256: 'disk' },
    ])
    expect(kind.orphan).toEqual({ keep: expect.any(String) })
    expect([temporary().id, issued().id]).toEqual([`${PATH}#placeholder`, PATH])
  })

  it('names the authority that signed what is there, as long as it is valid', () => {
    const signer = (resource: Resource<never>, more: Partial<Leaf>) =>
      kind.signer?.(resource.spec, { ...PAIR, leaf: { ...LEAF, account: 'authority:edge', ...more } }, NOW)
    expect(signer(ofSite(), {})).toEqual({ authority, issuer: 'CN=x', path: PATH })
    expect(signer(ofSite(), { to: NOW.getTime() })).toBeUndefined()
    expect(signer(ofSite(), { account: 'authority:database' })).toBeUndefined()
    expect(signer(issued(), {})).toBeUndefined()
    expect(kind.signer?.(ofSite().spec, { ...PAIR, leaf: undefined }, NOW)).toBeUndefined()
  })

  it('asks for a pair by shared queries, the key by its digest only', () => {
    expect(kind.observe([issued().spec]).shared).toEqual({
      inodes: [PATH, `${PATH}.key`],
      guarded: [PATH],
      digests: [PATH, `${PATH}.key`],
      texts: [PATH, `${PATH}.revoked`, `${PATH}.renewal`],
    })
  })

  it('reads no certificate from other text', () => {
    const inodes = new Map([
      [PATH, inode('644')],
      [`${PATH}.key`, inode('600')],
    ])
    for (const lines of [[], ['hello'], ['-----BEGIN CERTIFICATE-----', 'AAAA', '-----END CERTIFICATE-----']]) {
      const states = kind.observe([issued().spec]).parse(Buffer.alloc(0), { ...NOTHING, inodes, texts: new Map([[PATH, lines]]) })
      expect(states.get(PATH)).toMatchObject({ leaf: undefined, revoked: false })
      expect(states.get(`${PATH}#placeholder`)).toEqual(states.get(PATH))
    }
  })
})

describe('options', () => {
  it.each<[string, object]>([
    ['a renewal at the beginning', { renewAt: 0.09 }],
    ['a renewal at the end', { renewAt: 0.96 }],
    ['an account with a space', { account: 'a b' }],
    ['no service', { loadedBy: 'haproxy' }],
    ['nothing in the place of a service', { loadedBy: null }],
    ['no list of formers', { formers: 'x' }],
    ['a relative path', { path: 'ssl/www.pem' }],
    ['a name of one label', { names: ['www'] }],
    ['a name with an underscore', { names: ['a_b.example.org'] }],
    ['a name with a port', { names: ['www.example.org:443'] }],
    ['a long name', { names: [`${'a.'.repeat(126)}org`] }],
  ])('are refused: %s', (_, more) => expect(() => issued(more)).toThrow())

  it('are refused for an authority: a lifetime beyond 398 days, none, another key type', () => {
    for (const more of [{ lifetimeDays: 399 }, { lifetimeDays: 0 }, { keyType: 'rsa' }, { authority: {} }, { authority: null }])
      expect(() => ofSite(more)).toThrow()
    expect(() => ofSite({ names: ['a.edge.internal', 'b.other.internal'] })).toThrow('must be names of the trust domain')
  })

  it('have defaults, and names in lower case, each once', () => {
    expect(issued({ names: ['WWW.Test.example', 'www.test.example', '*.test.example'] }).spec).toMatchObject({
      ...{ names: ['www.test.example', '*.test.example'], keyType: 'ecdsa', group: 'root', renewAt: 2 / 3 },
      loadedBy: { reload: 'reload', restarts: [] },
    })
    expect(ofSite({ usages: ['server', 'client', 'server'], lifetimeDays: 398 }).spec).toMatchObject({
      ...{ usages: ['client', 'server'], lifetimeDays: 398, keyType: 'ecdsa' },
    })
    expect(ofSite().spec).toMatchObject({ lifetimeDays: 90 })
  })
})

describe('the list of former certificates', () => {
  const list = formerCertificates({ path: '/etc/former', list: '/etc/chains', pairs: [{ path: PATH, names: ['www.test.example'] }] })
  const state: FormersState = { inode: inode('644'), sha256: 'l', lines: [], current: [], pairs: new Map([[PATH, PAIR]]) }
  const change = (more: Partial<FormersState>) => formerCertificates.kind.plan(list.spec, { ...state, ...more }, context)

  it('has changes without more than a reason, but for its mode', () => {
    expect(change({ lines: ['/x'] })).toEqual({
      action: 'update',
      certainty: 'exact',
      reason: 'all certificates are issued',
      differences: [],
    })
    expect(change({ inode: inode('600', { owner: 'bob', group: 'www' }) })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'mode, owner and group differ' },
      differences: [
        { key: 'mode', from: '600', to: '644' },
        { key: 'owner', from: 'bob', to: 'root' },
        { key: 'group', from: 'www', to: 'root' },
      ],
    })
    expect(change({ inode: UNREACHED })).toMatchObject({ certainty: 'exact', reason: '/etc/ssl is owned by bob (owner: bob)' })
  })

  it('is read with the chains of the service and all pairs', () => {
    const query = formerCertificates.kind.observe([list.spec])
    expect(query.shared).toEqual({
      inodes: [PATH, `${PATH}.key`, '/etc/former'],
      guarded: [PATH, '/etc/former'],
      digests: [PATH, `${PATH}.key`, '/etc/former'],
      texts: [PATH, `${PATH}.revoked`, `${PATH}.renewal`, '/etc/former', '/etc/chains'],
    })
    const inodes = new Map<string, InodeState>([
      ['/etc/former', inode('644')],
      [PATH, 'absent'],
      [`${PATH}.key`, 'absent'],
    ])
    const texts = new Map([
      ['/etc/former', ['', '/a']],
      ['/etc/chains', ['/b', '']],
    ])
    expect(query.parse(Buffer.alloc(0), { ...NOTHING, inodes, texts }).get('/etc/former')).toMatchObject({
      ...{ inode: inode('644'), lines: ['/a'], current: ['/b'] },
    })
  })

  it('is written in one step, or refused', () => {
    const work = {
      ...{ id: list.id, spec: list.spec, state },
      change: { action: 'update', certainty: 'exact', reason: '', differences: [] } as const,
    }
    const steps = formerCertificates.kind.apply([work])
    expect(steps.next().value).toMatchObject({ do: 'shell', doing: 'listing the certificates that stay in use' })
    expect(refusal(() => steps.next(answer(1, '', 'no openssl')))).toMatchObject({
      what: expect.stringContaining('/etc/former not written'),
      fix: 'declare the package openssl before it',
    })
    expect(refusal(() => formerCertificates.kind.apply([{ ...work, state: { ...state, inode: UNREACHED } }]).next()).what).toBe(
      '/etc/former not changed',
    )
    expect(formerCertificates.kind.orphan).toEqual({ keep: expect.any(String) })
    expect(formerCertificates.kind.files?.(list.spec)).toEqual([{ path: '/etc/former', sha256: 'disk' }])
  })
})

it('the options of a certificate are refused by their name', () => {
  const options = { stage: 'issued', path: PATH, names: ['www.test.example'], account: 'acme-account:x', loadedBy: loadedBy() }
  const refused = (more: object) => faultsOf(certificate, { ...options, ...more })
  expect(refused({})).toEqual([])
  for (const wrong of [{}, null, 'haproxy', service]) expect(refused({ loadedBy: wrong })).toEqual(['loadedBy'])
  for (const wrong of [{}, null, 'list']) expect(refused({ formers: wrong })).toEqual(['formers'])
  expect(refused({ account: 'a b', renewAt: 1, keyType: 'dsa', group: 'A' })).toEqual(['keyType', 'group', 'account', 'renewAt'])
  expect([refused({ renewAt: 0.1 }), refused({ renewAt: 0.95 }), refused({ renewAt: 0.09 }), refused({ renewAt: 0.96 })]).toEqual([
    ...[[], [], ['renewAt'], ['renewAt']],
  ])
  const names = (...some: readonly string[]) => refused({ names: some })
  const longest = `${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(57)}.org`
  expect([names('*.test.example', 'a-b.example', 'X.Example', longest), names(`${longest}x`), names()]).toEqual([
    [],
    ['names.0'],
    ['names'],
  ])
  for (const name of [
    'example',
    '-a.example',
    'a-.example',
    'a.*.example',
    '*.example',
    'a_b.example',
    ' a.example',
    'a.example ',
    'a..example',
  ])
    expect(names(name), name).toEqual(['names.0'])
  expect(names(`${'a'.repeat(64)}.example`)).toEqual(['names.0'])
})
