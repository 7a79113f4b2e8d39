import { describe, expect, it } from 'vitest'
import { authorizedKeys } from '../../../../src/resource/account/authorized-keys.ts'
import { desiredLines, type KeysState } from '../../../../src/resource/account/authorized-keys-observe.ts'
import { formatKey, keyProblem, readKey } from '../../../../src/resource/account/public-key.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

const BLOB = 'AAAAC3NzaC1lZDI1NTE5AAAAIJ/LMZhCtfW8cBGGJhmlfUfVYDdiX08PBo+cxJAJjF4C'
const OTHER = 'AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS'
const KEY = `ssh-ed25519 ${BLOB}`
const MALLORY = `ssh-ed25519 ${OTHER} mallory`

const observed = (): ReadonlyMap<string, KeysState> =>
  authorizedKeys.kind
    .observe(['ann', 'nobody', 'gone'].map((user) => authorizedKeys({ user, keys: [] }).spec))
    .parse(recorded('authorized-keys'), NOTHING)
const ann = (more: Partial<KeysState> = {}): KeysState => {
  const state = observed().get('ann')
  if (state === undefined) throw new Error('the host said nothing of ann')
  return { ...state, ...more }
}
const plan = (keys: readonly string[], state: KeysState, exclusive = false): string | undefined => {
  const change = authorizedKeys.kind.plan(authorizedKeys({ user: 'ann', keys: [...keys], exclusive }).spec, state, context)
  return change && `${change.action} ${change.certainty} ${change.reason}`
}

describe('observing keys', () => {
  it('reads a recorded answer', () => {
    expect(ann()).toMatchObject({ home: '/home/ann', lines: [`${KEY} me@laptop`], ours: [KEY], otherKeysFile: undefined })
    expect(ann().inodes.file).toMatchObject({ type: 'f', mode: '600', owner: 'ann' })
    expect(observed().get('nobody')).toMatchObject({ home: '/nonexistent', lines: [], ours: [] })
    expect(observed().get('gone')?.home).toBeUndefined()
  })

  it('ignores a line that imitates one of another file', () => {
    const hostile = recorded('authorized-keys')
      .toString()
      .replace(' me@laptop', ` me@laptop\n/home/ann/.ssh/authorized_keys\0/nonexistent/.ssh/authorized_keys\0${MALLORY}`)
    const specs = ['ann', 'nobody'].map((user) => authorizedKeys({ user, keys: [] }).spec)
    expect(authorizedKeys.kind.observe(specs).parse(Buffer.from(hostile), NOTHING).get('nobody')?.lines).toEqual([])
  })

  it.each([
    ['', undefined],
    ['AuthorizedKeysFile .ssh/authorized_keys .ssh/authorized_keys2', undefined],
    ['AuthorizedKeysFile %h/.ssh/authorized_keys', undefined],
    ['  authorizedkeysfile=/etc/ssh/keys/%u\nAuthorizedKeysFile .ssh/authorized_keys', '/etc/ssh/keys/%u'],
  ])('detects another file of keys in the settings of sshd: %j', (setting, otherKeysFile) => {
    const answer = recorded('authorized-keys').toString().replace('sshd\0', `sshd\0${setting}`)
    expect(
      authorizedKeys.kind
        .observe([authorizedKeys({ user: 'ann', keys: [] }).spec])
        .parse(Buffer.from(answer), NOTHING)
        .get('ann')?.otherKeysFile,
    ).toBe(otherKeysFile)
  })
})

describe('planning keys', () => {
  it.each<[string, readonly string[], KeysState, string | undefined]>([
    ['the declared keys', [KEY], ann(), undefined],
    ['the declared keys, with another comment', [`${KEY} you@desk`], ann(), undefined],
    ['the same key with restrictions', [`restrict ${KEY}`], ann(), 'update exact keys differs'],
    ['another key of somebody else', [KEY], ann({ lines: [`${KEY} me`, MALLORY] }), undefined],
    ['one of ours that is not wanted any more', [], ann(), 'update exact keys differs'],
    ['there, but not known for ours', [KEY], ann({ ours: [] }), 'update exact record differs'],
    ['no file', [KEY], ann({ lines: [], inodes: { ...ann().inodes, file: 'absent' } }), 'create exact missing'],
    ['no user', [KEY], ann({ home: undefined, lines: [] }), 'create dependent missing'],
    ['sshd reads another file', [KEY], ann({ otherKeysFile: '/etc/k/%u' }), 'update exact sshd reads keys from /etc/k/%u'],
    [
      'a group may write',
      [KEY],
      ann({ inodes: { ...ann().inodes, ssh: { type: 'd', mode: '770', owner: 'ann', group: 'ann', target: '' } } }),
      'update exact mode of .ssh differs',
    ],
  ])('%s', (_, keys, state, expected) => {
    expect(plan(keys, state)).toBe(expected)
  })

  it('keeps the lines of others, or deletes them if exclusive', () => {
    const state = ann({ lines: ['# old', `${KEY} me`, MALLORY, `command="x y" ${KEY}`] })
    const { keys } = authorizedKeys({ user: 'ann', keys: [`${KEY} new`] }).spec
    expect(desiredLines({ keys, exclusive: false }, state)).toEqual(['# old', `${KEY} me`, MALLORY])
    expect(desiredLines({ keys, exclusive: true }, state)).toEqual([`${KEY} me`])
  })

  it('shows fingerprints of keys only', () => {
    const state = ann({ lines: ['root:$6$hash', MALLORY] })
    const spec = authorizedKeys({ user: 'ann', keys: [KEY] }).spec
    const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
    const shown = authorizedKeys.kind.diff?.({ id: 'ann', spec, state, change }, undefined)
    expect(shown?.before).toMatch(/^ssh-ed25519 SHA256:\S{43} mallory\n$/)
    expect(shown?.after).toMatch(/^ssh-ed25519 SHA256:\S{43} mallory\nssh-ed25519 SHA256:\S{43}\n$/)
  })
})

describe('a public key', () => {
  it.each([
    ['-----BEGIN OPENSSH PRIVATE KEY-----', 'is a private key'],
    [`${KEY}\nssh-ed25519 x`, 'one line'],
    ['ssh-dss AAAAB3NzaC1kc3M= x', 'is a DSA key'],
    ['hello', 'is not a public key'],
    [KEY.slice(0, -8), 'truncated or damaged'],
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
})
