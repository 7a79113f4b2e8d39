import { describe, expect, it } from 'vitest'
import { authorizedKeys } from '../../../../src/resource/account/authorized-keys.ts'
import type { KeysState } from '../../../../src/resource/account/authorized-keys-observe.ts'
import { desiredText } from '../../../../src/resource/account/desired-keys.ts'
import { asBlocks, fieldsOf } from '../../../../src/resource/account/keys-fields.ts'
import { bytesAsText, formatKey, keyData, keyProblem, readKey } from '../../../../src/resource/account/public-key.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const BLOB = 'AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C'
const OTHER = 'AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS'
const KEY = `ssh-ed25519 ${BLOB}`
const MALLORY = `ssh-ed25519 ${OTHER} mallory`

const specsOf = (...users: readonly string[]) => users.map((user) => authorizedKeys({ user, keys: [] }).spec)
const observed = (answer = recorded('authorized-keys')): ReadonlyMap<string, KeysState> =>
  authorizedKeys.kind.observe(specsOf('ann', 'nobody', 'gone')).parse(answer, NOTHING)
const ann = (lines?: readonly string[], more: Partial<KeysState> = {}): KeysState => {
  const state = observed().get('ann')
  if (state === undefined) throw new Error('the host did not report ann')
  const text = lines?.map((line) => `${line}\n`).join('')
  return { ...state, files: state.files.map((file, i) => (i === 0 && text !== undefined ? { ...file, text } : file)), ...more }
}
const second = (text: string, more: Partial<KeysState> = {}): KeysState => {
  const state = ann(undefined, more)
  return { ...state, files: state.files.map((file, i) => (i === 1 ? { ...file, text, inode: state.files[0]?.inode ?? 'absent' } : file)) }
}
const specOf = (keys: readonly string[], exclusive = false) => authorizedKeys({ user: 'ann', keys: [...keys], exclusive }).spec
const plan = (keys: readonly string[], state: KeysState, exclusive = false): string | undefined => {
  const change = authorizedKeys.kind.plan(specOf(keys, exclusive), state, context)
  return change && `${change.action} ${change.certainty} ${change.reason}`
}
const texts = (keys: readonly string[], state: KeysState, exclusive = false): readonly string[] =>
  state.files.map((file) => desiredText(specOf(keys, exclusive), state, file))

describe('observing keys', () => {
  it('reads a recorded answer', () => {
    expect(ann()).toMatchObject({ home: '/home/ann', ours: [KEY], isRunAccount: false })
    expect(ann().files).toMatchObject([
      { path: '/home/ann/.ssh/authorized_keys', text: `${KEY} me@laptop\n`, inode: { type: 'f', mode: '600', owner: 'ann' } },
      { path: '/home/ann/.ssh/authorized_keys2', text: '', inode: 'absent' },
    ])
    expect(observed().get('nobody')).toMatchObject({ home: '/nonexistent', ours: [] })
    expect(observed().get('gone')?.home).toBeUndefined()
  })

  it('throws for every truncated answer', () => {
    const answer = recorded('authorized-keys')
    for (let length = 0; length < answer.length; length++) expect(() => observed(answer.subarray(0, length)), `${length}`).toThrow()
  })
})

it.each(['', '-1', '+1', ' 1', '1 ', '0x1', '1e1', 'Infinity', '1234567890'])('a block of %j bytes is no record of a host', (length) => {
  const answer = Buffer.from(`${length}\0x`)
  expect(() => fieldsOf(answer).block()).toThrow('the host answered with an incomplete record')
})

it('each word of a request follows its length in bytes', () => {
  expect(Buffer.from(asBlocks(['', 'a,b', 'J\xfcrgen'])).toString('latin1')).toBe('0:,3:a,b,6:J\xfcrgen,')
})

describe('planning keys', () => {
  const writable = { type: 'd', mode: '770', owner: 'ann', group: 'ann', target: '' }
  it.each<[string, readonly string[], KeysState, string | undefined]>([
    ['the declared keys', [KEY], ann(), undefined],
    ['the declared keys, with another comment', [`${KEY} you@desk`], ann(), undefined],
    ['the same key with restrictions', [`restrict ${KEY}`], ann(), 'update exact keys differ'],
    ['another key of somebody else', [KEY], ann([`${KEY} me`, MALLORY]), undefined],
    ['one of ours that is not wanted any more', [], ann(), 'update exact keys differ'],
    ['there, but not known for ours', [KEY], ann(undefined, { ours: [] }), 'update exact record differs'],
    [
      'one of ours in the second file',
      [KEY],
      second(`${KEY} me\n`, { ours: [KEY, `ssh-ed25519 ${OTHER}`] }),
      'update exact record differs',
    ],
    ['one that is revoked, in the second file', [], second(`${KEY} me\n`), 'update exact keys and keys in .ssh/authorized_keys2 differ'],
    ['no file', [KEY], { ...ann([]), files: ann([]).files.map((file) => ({ ...file, inode: 'absent' as const })) }, 'create exact missing'],
    ['no user', [KEY], ann([], { home: undefined }), 'create dependent missing'],
    ['no user, and no keys', [], ann([], { home: undefined }), undefined],
    [
      'a link',
      [KEY],
      { ...ann(), files: ann().files.map((file) => ({ ...file, inode: { ...writable, type: 'l' } })) },
      'update exact type differs',
    ],
    ['a home that is a link', [KEY], ann(undefined, { inodes: { ...ann().inodes, home: { ...writable, type: 'l' } } }), undefined],
    ['a group may write', [KEY], ann(undefined, { inodes: { ...ann().inodes, ssh: writable } }), 'update exact mode of .ssh differs'],
  ])('%s', (_, keys, state, expected) => {
    expect(plan(keys, state)).toBe(expected)
  })

  it('counts the keys of each file before and after', () => {
    const differences = (keys: readonly string[], state: KeysState, exclusive = false) =>
      authorizedKeys.kind.plan(specOf(keys, exclusive), state, context)?.differences
    const missing = { ...ann([]), files: ann([]).files.map((file) => ({ ...file, inode: 'absent' as const })) }
    expect(differences([KEY, MALLORY], missing)).toEqual([{ key: 'keys', from: '0', to: '2' }])
    expect(differences([], second(`${KEY} me\n`))).toEqual([
      { key: 'keys', from: '1', to: '0' },
      { key: 'keys in .ssh/authorized_keys2', from: '1', to: '0' },
    ])
    expect(differences([KEY], ann(undefined, { ours: [] }))).toEqual([{ key: 'record', from: '0 keys', to: 'the declared keys' }])
    const owned = (inode: object) => ({ type: 'd', mode: '755', owner: 'eve', group: 'eve', target: '', ...inode })
    expect(differences([KEY], ann(undefined, { inodes: { home: owned({}), ssh: owned({ mode: '720', owner: 'root' }) } }))).toEqual([
      { key: 'owner of home', from: 'eve', to: 'ann' },
      { key: 'owner of .ssh', from: 'root', to: 'ann' },
      { key: 'mode of .ssh', from: '720', to: 'not writable by others' },
    ])
    // The home of a service may belong to root.
    expect(differences([KEY], ann(undefined, { inodes: { home: owned({ owner: 'root' }), ssh: 'absent' } }))).toBeUndefined()
    // Nobody logs in by a file without keys.
    expect(differences([], ann([], { ours: [], inodes: { home: owned({}), ssh: owned({}) } }))).toBeUndefined()
    const elsewhere = { ...ann(undefined, { inodes: { home: owned({}), ssh: owned({}) } }) }
    const files = elsewhere.files.map((file) => ({ ...file, path: '/etc/ssh/keys/ann' }))
    expect(differences([KEY], { ...elsewhere, files })).toBeUndefined()
  })

  it('of a file that was not read has its reason', () => {
    const state = { ...ann(), files: ann().files.map((file, i) => ({ ...file, ...(i === 1 && { unread: 'it is too large' }) })) }
    expect(authorizedKeys.kind.plan(specOf([KEY]), state, context)).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'it is too large', differences: [{ key: 'keys' }] },
    })
  })

  it('needs the account that an earlier change creates', () => {
    const created = { ...context, changes: (key: string) => key === 'user:ann' }
    const { kind } = authorizedKeys
    expect(kind.plan(specOf([KEY]), ann([], { home: undefined }), created)).toEqual({
      ...{ action: 'create', certainty: 'exact', reason: 'missing', differences: [] },
    })
    expect([kind.accounts?.(specOf([KEY])), kind.accounts?.(specOf([]))]).toEqual([{ users: ['ann'] }, {}])
    expect([kind.id(specOf([])), 'keep' in (kind.orphan ?? {})]).toEqual(['ann', true])
  })

  it('keeps the lines of others, or deletes them if exclusive', () => {
    const state = ann(['# old', `${KEY} me`, MALLORY, `command="x y" ${KEY}`])
    expect(texts([`${KEY} new`], state)[0]).toBe(`# old\n${KEY} me\n${MALLORY}\n`)
    expect(texts([`${KEY} new`], state, true)[0]).toBe(`${KEY} me\n`)
  })

  it('deletes undeclared keys from every file if exclusive', () => {
    const state = second(`# mine\n${MALLORY}\n`)
    expect(texts([KEY], state)).toEqual([`${KEY} me@laptop\n`, `# mine\n${MALLORY}\n`])
    expect(texts([KEY], state, true)).toEqual([`${KEY} me@laptop\n`, ''])
    expect(plan([KEY], state, true)).toBe('update exact keys in .ssh/authorized_keys2 differ')
  })

  it.each([
    ['in Latin-1', `${KEY} J\xfcrgen`],
    ['with an option', `no-pty,from="10.0.0.0/8 ,x" ${KEY} me`],
    ['with a carriage return', `${KEY} me\r`],
    ['with a carriage return after its data', `${KEY}\r`],
    ['with tabs and blanks', ` \t ssh-ed25519\t ${BLOB} \t`],
    ['with white space that the decoder of sshd skips', `ssh-ed25519 ${BLOB.slice(0, 20)}\v\f\r${BLOB.slice(20)} me`],
    ['with a NUL after it', `${KEY} me\0ssh`],
    ['with an escaped quote in an option', `environment="A=\\"b c" ${KEY}`],
  ])('removes a revoked key whose line was edited: %s', (_, line) => {
    const state = ann(['# note', line, MALLORY])
    expect(texts([], state)[0]).toBe(`# note\n${MALLORY}\n`)
    expect(plan([], state)).toBe('update exact keys differ')
  })

  it.each([
    ['damaged', `ssh-ed25519 ${BLOB.slice(0, 20)}!${BLOB.slice(20)}`],
    ['behind a NUL', `x\0${KEY}`],
    ['commented out', `#${KEY}`],
  ])('adds a key whose line sshd does not accept: %s', (_, line) => {
    expect(texts([KEY], ann([line]))[0]).toMatch(new RegExp(`(^|\n)${KEY.replaceAll('+', '\\+')}\n$`))
  })

  it('changes no byte of lines that it keeps', () => {
    const state = { ...ann(), files: ann().files.map((file) => ({ ...file, text: `# J\xfcrgen\r\n${KEY} x\xff` })) }
    expect(texts([KEY], state)[0]).toBe(`# J\xfcrgen\r\n${KEY} x\xff`)
    expect(texts([KEY, MALLORY], state)[0]).toBe(`# J\xfcrgen\r\n${KEY} x\xff\n${MALLORY}\n`)
    expect(texts([`${KEY} Jürgen`], ann([]))[0]).toBe(`${KEY} J\xc3\xbcrgen\n`)
  })

  it('is forbidden to shut out the account of the run', () => {
    const forbids = (keys: readonly string[], state: KeysState, exclusive = false) =>
      authorizedKeys.kind.forbids?.(specOf(keys, exclusive), state, context)?.what
    const login = ann(undefined, { isRunAccount: true })
    const both = ann([`${KEY} me`, MALLORY], { isRunAccount: true })
    expect(forbids([], login)).toBe('the run would remove every key of ann, the account that it uses')
    expect(forbids([MALLORY], login)).toBe('the run would remove every key of ann, the account that it uses')
    expect(forbids([], ann())).toBeUndefined()
    expect(forbids([KEY], both, true)).toBeUndefined()
    expect(forbids([], both)).toBeUndefined()
    expect(forbids([`restrict ${KEY}`], login)).toBeUndefined()
    expect(forbids([KEY], ann([], { isRunAccount: true }))).toBeUndefined()
    const dataOf = (key: string): string => key.split(' ')[1] ?? ''
    const by = (...loginKeys: readonly string[]): KeysState => ({ ...both, loginKeys: loginKeys.map(dataOf) })
    const refusal = 'the run would remove the key of ann with which it logged in'
    expect([forbids([KEY], by(MALLORY), true), forbids([MALLORY], by(KEY), true), forbids([MALLORY], by(KEY))]).toEqual([
      refusal,
      refusal,
      refusal,
    ])
    expect(forbids([KEY], by(KEY), true)).toBeUndefined()
    expect(forbids([KEY], by(MALLORY))).toBeUndefined()
    // One of these keys of the agent was accepted, or another one that sshd knows from elsewhere.
    expect(forbids([KEY], by(KEY, MALLORY), true)).toBeUndefined()
    expect(forbids([KEY], by('ssh-ed25519 AAAA'), true)).toBeUndefined()
    expect(forbids([KEY], { ...by(MALLORY), isRunAccount: false }, true)).toBeUndefined()
  })

  it('is forbidden where sshd reads no file', () => {
    const none = { ...ann(), files: [] }
    expect(authorizedKeys.kind.forbids?.(specOf([KEY]), none, context)?.what).toBe('keys of ann would have no effect')
    expect(authorizedKeys.kind.forbids?.(specOf([]), none, context)).toBeUndefined()
    expect(authorizedKeys.kind.forbids?.(specOf([KEY]), { ...none, home: undefined }, context)).toBeUndefined()
  })
})

describe('the diff of keys', () => {
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const diff = (keys: readonly string[], state: KeysState, exclusive = false) =>
    authorizedKeys.kind.diff?.({ id: 'ann', spec: specOf(keys, exclusive), state, change }, undefined)

  it('shows fingerprints of keys only', () => {
    const shown = diff([KEY], ann(['root:$6$hash', MALLORY]))
    expect(shown?.before).toMatch(/^ssh-ed25519 SHA256:\S{43} mallory\n$/)
    expect(shown?.after).toMatch(/^ssh-ed25519 SHA256:\S{43} mallory\nssh-ed25519 SHA256:\S{43}\n$/)
  })

  it('shows each file that changes, and nothing if only the record does', () => {
    expect(diff([KEY], ann(undefined, { ours: [] }))).toBeUndefined()
    expect(diff([KEY], second(`${MALLORY}\n`), true)).toMatchObject({ name: 'ann /home/ann/.ssh/authorized_keys2', after: '' })
    expect(diff([], second(`${KEY} J\xc3\xbcrgen\n`))).toMatchObject({ after: '', more: [{ before: expect.stringMatching(/ Jürgen\n$/) }] })
  })

  it('shows the declared keys of an account that is created', () => {
    expect(diff([KEY], ann([], { home: undefined }))).toEqual({
      before: '',
      after: expect.stringMatching(/^ssh-ed25519 SHA256:\S+\n$/),
    })
  })
})

describe('a public key', () => {
  it.each([
    ['-----BEGIN OPENSSH PRIVATE KEY-----', 'is a private key'],
    [`${KEY}\nssh-ed25519 x`, 'one line'],
    ['ssh-dss AAAAB3NzaC1kc3M= x', 'is a DSA key'],
    ['hello', 'is not a public key'],
    [`ssh-ed25519-cert-v01@openssh.com ${BLOB}`, 'is not a public key'],
    [KEY.slice(0, -8), 'truncated or damaged'],
    [`${KEY}!`, 'truncated or damaged'],
    [`ssh-rsa ${BLOB}`, 'truncated or damaged'],
    ['ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAABAEAAQE= x', 'less than 2048 bits'],
  ])('%j is refused', (line, fault) => {
    expect(keyProblem(line)).toContain(fault)
    expect(() => authorizedKeys({ user: 'ann', keys: [line] })).toThrow()
  })

  it('is read with options that contain spaces and quotes', () => {
    const line = `from="10.0.0.0/8",command="say \\"hi there\\"" ${KEY} me at home`
    expect(keyProblem(line)).toBeUndefined()
    expect(readKey(line)).toEqual({
      options: 'from="10.0.0.0/8",command="say \\"hi there\\""',
      type: 'ssh-ed25519',
      blob: BLOB,
      comment: 'me at home',
    })
    expect(formatKey({ options: '', type: 'ssh-ed25519', blob: BLOB, comment: '' })).toBe(
      'ssh-ed25519 SHA256:C7g4LymhC+opEMZBEcJj8H+01cpfFZTvmDPVdm5Xbak',
    )
  })

  it('is the same key in every spelling of its data', () => {
    const data = (line: string): string | undefined => {
      const key = readKey(bytesAsText(line))
      return key && keyData(key)
    }
    expect(data(`ssh-rsa ${BLOB}`)).toBe(BLOB)
    expect(data(`ssh-ed25519-cert-v01@openssh.com ${BLOB}=`)).toBe(BLOB)
    expect(data(`"quoted ${KEY}`)).toBeUndefined()
    expect(data(`unknown-type ${BLOB}`)).toBeUndefined()
  })
})
