import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it, onTestFinished } from 'vitest'
import { passwordHash } from '../../../../src/resource/account/password.ts'
import { userPassword } from '../../../../src/resource/account/user-password.ts'
import { sha256Hex } from '../../../../src/resource/kind/content.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const HASH = passwordHash(new Secret('correct horse'), 'account ann')
const OTHER = new Secret('$6$saltsalt$abcdefghijklmnopqrstuvwxyz')
const SHADOW = `root:*:19000:0:99999:7:::\nann:${HASH.reveal()}:20000:1:90:7::20849:\nbob:!:20000:0:99999:7:::\n`

const hostWith = (shadow = SHADOW) => {
  const host = here('/etc', '/proc')
  onTestFinished(() => host.remove())
  for (const directory of ['/etc', '/proc/sys/kernel/random']) mkdirSync(host.at(directory), { recursive: true })
  writeFileSync(host.at('/etc/shadow'), shadow)
  writeFileSync(host.at('/proc/sys/kernel/random/uuid'), 'nonce\n')
  host.program('chpasswd', `printf 'chpasswd %s\\n' "$*" >>${host.at('calls')}; cat >${host.at('passwords')}`)
  host.program('chage', `printf 'chage %s\\n' "$*" >>${host.at('calls')}`)
  return {
    host,
    calls: () => host.sh('cat calls 2>/dev/null').split('\n').slice(0, -1),
    passwords: () => readFileSync(host.at('passwords'), 'utf8'),
  }
}
const planOf = (options: Parameters<typeof userPassword>[0], shadow?: string) =>
  hostWith(shadow).host.plan(userPassword(options))[0]?.change

describe('the password of an account', () => {
  it('has no change if the host has its digest and limits', () => {
    expect(planOf({ user: 'ann', password: 'correct horse', expires: '2027-01-31', maxDays: 90, minDays: 1, warnDays: 7 })).toBeUndefined()
    expect(planOf({ user: 'ann', hash: HASH })).toBeUndefined()
    expect(planOf({ user: 'bob', expires: 'never' })).toBeUndefined()
    expect(planOf({ user: 'bob', maxDays: -1 }, 'bob:!:20000:0::7:::\n')).toBeUndefined()
  })

  it('differs in words that show no secret', () => {
    expect(planOf({ user: 'ann', password: 'other', expires: 'never', maxDays: 30 })).toEqual({
      ...{ action: 'update', certainty: 'exact', reason: 'password, maxDays and expires differ' },
      differences: [
        { key: 'password', to: 'not shown, because it is a secret' },
        { key: 'maxDays', from: '90', to: '30' },
        { key: 'expires', from: '2027-01-31', to: 'never' },
      ],
    })
    expect(planOf({ user: 'ann', maxDays: -1 })?.differences).toEqual([{ key: 'maxDays', from: '90', to: '-1' }])
    expect(planOf({ user: 'bob', expires: '2027-01-31' })?.differences).toEqual([{ key: 'expires', from: 'never', to: '2027-01-31' }])
  })

  it('of an account that the run creates depends on it', () => {
    const { spec } = userPassword({ user: 'eve', password: 'x' })
    const state = { nonce: 'n', entry: undefined, isRunAccount: false }
    expect(userPassword.kind.plan(spec, state, { ...context, changes: (key) => key === 'user:eve' })).toMatchObject({
      ...{ action: 'create', certainty: 'dependent', reason: 'not set' },
    })
    expect(userPassword.kind.plan(spec, state, context)?.certainty).toBe('exact')
    expect(userPassword.kind.accounts?.(spec)).toEqual({ users: ['eve'] })
  })

  it('leaves the host as a digest with a nonce only, and reaches it as a digest on standard input', () => {
    const { host, calls, passwords } = hostWith()
    const wanted = [
      userPassword({ user: 'ann', password: 'other', maxDays: 30 }),
      userPassword({ user: 'bob', hash: OTHER, expires: '2027-01-31' }),
    ]
    const work = host.plan(...wanted)
    expect(work[0]?.state).toHaveProperty('entry.digest', sha256Hex(`nonce${HASH.reveal()}`))
    expect(host.apply(work, userPassword.kind)).toBeUndefined()
    const made = passwordHash(new Secret('other'), 'account ann').reveal()
    expect(passwords()).toBe(`ann:${made}\nbob:${OTHER.reveal()}\n`)
    expect(calls()).toEqual(['chpasswd -e', 'chage -M 30 -- ann', 'chage -E 2027-01-31 -- bob'])
    expect(host.sh('ls T')).not.toMatch(/passwords|shadow/)
    const script = `${userPassword.kind.observe(wanted.map(({ spec }) => spec)).script}`
    expect([script.includes(made), script.includes('other')]).toEqual([false, false])
  })

  it('is not sent if only limits differ, and limits alone call no chage without a difference', () => {
    const { host, calls } = hostWith()
    expect(
      host.apply(host.plan(userPassword({ user: 'ann', password: 'correct horse', minDays: 0, expires: 'never' })), userPassword.kind),
    ).toBeUndefined()
    expect(calls()).toEqual(['chage -m 0 -E -1 -- ann'])
  })

  it('is not set over that of somebody else, and twice if the declared one is there meanwhile', () => {
    const { host } = hostWith()
    const work = host.plan(userPassword({ user: 'ann', hash: OTHER }))
    const set = (hash: string): void => writeFileSync(host.at('/etc/shadow'), `ann:${hash}:20000:1:90:7::20849:\n`)
    set('$6$theirs')
    expect(host.apply(work, userPassword.kind)).toMatchObject({ why: 'the password of ann is not as it was observed', culprit: 'ann' })
    set(OTHER.reveal())
    expect(host.apply(work, userPassword.kind)).toBeUndefined()
    writeFileSync(host.at('/etc/shadow'), 'root:*:1:::::\n')
    expect(host.apply(work, userPassword.kind)?.what).toContain('password of ann not set')
  })

  it('of a new account is set as soon as the account exists', () => {
    const { host, passwords } = hostWith('root:*:1:::::\n')
    const { spec } = userPassword({ user: 'eve', hash: OTHER, maxDays: 9 })
    const change = { action: 'create', certainty: 'dependent', reason: '', differences: [] } as const
    const work = [{ id: 'eve', spec, state: { nonce: 'nonce', entry: undefined, isRunAccount: false }, change }] as never
    expect(host.apply(work, userPassword.kind)).toMatchObject({ why: 'eve is no local account', culprit: 'eve' })
    writeFileSync(host.at('/etc/shadow'), 'eve:*:20000:0:99999:7:::\n')
    expect(host.apply(work, userPassword.kind)).toBeUndefined()
    expect(passwords()).toBe(`eve:${OTHER.reveal()}\n`)
  })

  it('never shuts out the account of the run', () => {
    const forbidden = (expires: string, isRunAccount: boolean) =>
      userPassword.kind.forbids?.(
        userPassword({ user: 'ann', expires }).spec,
        { nonce: 'n', entry: undefined, isRunAccount },
        { ...context, now: new Date('2027-01-30') },
      )?.what
    expect(forbidden('2027-01-31', true)).toBe('ann would expire on 2027-01-31')
    expect([forbidden('2027-01-31', false), forbidden('2027-02-02', true), forbidden('never', true)]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('has at most 511 bytes', () => {
    expect(faultsOf(userPassword, { user: 'ann', password: 'x'.repeat(511) })).toEqual([])
  })

  it('is never taken from an answer that is cut off', () => {
    const { spec } = userPassword({ user: 'ann', password: 'x' })
    for (const stdout of ['', 'nonce:n\nrun:root\n', 'nonce:\nrun:root\nend\n'])
      expect(() => userPassword.kind.observe([spec]).parse(Buffer.from(stdout), {} as never)).toThrow(
        'the host did not report all accounts',
      )
  })

  it.each<[object, string]>([
    [{}, 'password'],
    [{ password: 'a\nroot:x' }, 'password'],
    // crypt(3) verifies 511 bytes and no more.
    [{ password: 'é'.repeat(256) }, 'password'],
    [{ password: 'x', hash: OTHER }, 'hash'],
    [{ hash: new Secret('$1$broken$abcdefghijklmnopqrstuv') }, 'hash'],
    [{ hash: new Secret('plain') }, 'hash'],
    [{ hash: new Secret('$6$salt$abcdefghijklmnopqrstuvwxyz\nroot:x') }, 'hash'],
    [{ expires: '2027-13-01' }, 'expires'],
    [{ maxDays: -2 }, 'maxDays'],
    [{ user: 'a:b', password: 'x' }, 'user'],
  ])('is refused with %j', (options, path) => {
    expect(faultsOf(userPassword, { user: 'ann', ...options })).toContain(path)
  })
})
