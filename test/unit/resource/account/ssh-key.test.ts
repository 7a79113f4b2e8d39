import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Account, UserState } from '../../../../src/resource/account/user.ts'
import { user } from '../../../../src/resource/account/user.ts'
import type { Work } from '../../../../src/resource/kind/kind.ts'
import type { Answers } from '../../../../src/resource/kind/queries.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { isRoot, type Throwaway, throwaway } from './throwaway.ts'

const KEYGEN: Answers = {
  ...NOTHING,
  inodes: new Map([['/usr/bin/ssh-keygen', { type: 'f', mode: '755', owner: 'root', group: 'root', target: '' }]]),
}
const ACCOUNT: Account = {
  ...{ uid: 1001, group: 'ann', groups: [], home: '/home/ann', shell: '/bin/bash', comment: '' },
  ...{ isLocal: true, hasHome: true },
}
const state = (is: 'there' | 'absent' | 'new' | 'hidden', more: Partial<UserState> = {}): UserState => ({
  ...{ account: ACCOUNT, isRunAccount: false, grants: [], busy: undefined, uidOwner: undefined, isShellMissing: false },
  ...{ newHome: { fault: undefined, owner: undefined }, sshKey: { is, hasProgram: true } },
  ...more,
})
const { kind, spec } = user({ name: 'ann', sshKey: 'ed25519' })
const DIFFERENCE = { key: 'SSH key', from: 'missing', to: '~/.ssh/id_ed25519' }

describe('the SSH key of a user in a plan', () => {
  it('is a difference until it is there', () => {
    expect(kind.plan(spec, state('there'), context)).toBeUndefined()
    for (const is of ['absent', 'new', 'hidden'] as const)
      expect(kind.plan(spec, state(is), context)).toMatchObject({ action: 'update', certainty: 'exact', differences: [DIFFERENCE] })
    expect(kind.plan(spec, state('absent', { account: 'absent' }), context)).toMatchObject({ action: 'create', differences: [DIFFERENCE] })
  })

  it('needs ssh-keygen, which a package of the run can bring', () => {
    const without = (is: 'there' | 'absent', more: object = {}) =>
      kind.forbids?.(spec, state(is, { sshKey: { is, hasProgram: false } }), { ...context, ...more })?.fix
    expect(without('absent')).toBe('declare `package: { name: openssh-client }` before it')
    expect([without('there'), without('absent', { packagesPending: true }), without('absent', { anyPackagesPending: true })]).toEqual(
      Array(3).fill(undefined),
    )
  })

  it('is not one of an account that is absent, and has one type', () => {
    expect(faultsOf(user, { name: 'ann', state: 'absent', sshKey: 'ed25519' })).toEqual(['sshKey'])
    expect(faultsOf(user, { name: 'ann', sshKey: 'rsa' })).toEqual(['sshKey'])
  })
})

describe.skipIf(!isRoot)('the SSH key of a user on a host', () => {
  let host: Throwaway
  beforeAll(() => {
    host = throwaway()
    host.run('useradd -m ann; useradd -m bob; useradd -M homeless')
  })
  afterAll(() => host?.end())
  beforeEach(() => {
    host.run('rm -rf /home/*/.ssh /home/*/x /srv/*')
  })

  const declared = (name: string) => user({ name, shell: '/bin/sh', system: name === 'homeless', sshKey: 'ed25519' }).spec
  const pending = (...names: readonly string[]): readonly Work<ReturnType<typeof declared>, UserState>[] => {
    const specs = names.map(declared)
    const query = kind.observe(specs)
    const states = query.parse(host.ask(String(query.script)), KEYGEN)
    return specs.flatMap((one) => {
      const now = states.get(one.name)
      if (now === undefined) throw new Error(`${one.name} was not observed`)
      const change = kind.plan(one, now, context)
      return change === undefined ? [] : [{ id: one.name, spec: one, state: now, change }]
    })
  }
  /** Applies, and returns the notices, or the refusal. */
  const apply = (work: readonly Work<ReturnType<typeof declared>, UserState>[]): readonly string[] | HostRefusal => {
    const notices: string[] = []
    const steps = kind.apply(work)
    try {
      for (let next = steps.next(); next.done !== true; ) {
        const step = next.value
        if (step.do === 'notice') notices.push(step.what)
        next = steps.next(
          step.do === 'shell' ? host.shell(String(step.script), step.input as Uint8Array | undefined) : (undefined as never),
        )
      }
    } catch (error) {
      if (error instanceof HostRefusal) return error
      throw error
    }
    return notices
  }
  const look = (script: string): string => host.shell(script).stdout.toString()

  it('is made as the user, shown once, and then there is nothing to do', () => {
    const notices = apply(pending('ann', 'bob'))
    expect(notices).toHaveLength(2)
    const key = look('cut -d " " -f 1,2 /home/ann/.ssh/id_ed25519.pub').trim()
    expect(notices).toContainEqual(expect.stringMatching(new RegExp(`^public SSH key of ann: ${key.replaceAll('+', '\\+')} ann@`)))
    expect(look('stat -c "%a %U %G %n" /home/ann/.ssh /home/ann/.ssh/*; ls -A /home/ann/.ssh | wc -l')).toBe(
      '700 ann ann /home/ann/.ssh\n600 ann ann /home/ann/.ssh/id_ed25519\n600 ann ann /home/ann/.ssh/id_ed25519.pub\n2\n',
    )
    expect(look('ssh-keygen -y -P "" -f /home/ann/.ssh/id_ed25519 | cut -d " " -f 1,2')).toBe(`${key}\n`)
    expect(pending('ann', 'bob')).toEqual([])
  })

  it('is made with a new account', () => {
    const notices = apply(pending('carol'))
    expect(notices).toEqual([expect.stringMatching(/^public SSH key of carol: ssh-ed25519 /)])
    expect(look('stat -c %U /home/carol/.ssh/id_ed25519; userdel -r carol 2>/dev/null')).toBe('carol\n')
  })

  it.each([
    ['a key', 'echo mine >/home/ann/.ssh/id_ed25519'],
    ['a link', 'ln -s /nowhere /home/ann/.ssh/id_ed25519'],
  ])('does not replace %s of the user, also if that appeared after the observation', (_, make) => {
    const work = pending('ann')
    host.run(`install -d -m 700 -o ann -g ann /home/ann/.ssh; ${make}`)
    const before = look('ls -l --time-style=+ /home/ann/.ssh; cat /home/ann/.ssh/id_ed25519')
    expect(pending('ann')).toEqual([])
    expect(apply(work)).toEqual([])
    expect(look('ls -l --time-style=+ /home/ann/.ssh; cat /home/ann/.ssh/id_ed25519')).toBe(before)
  })

  it('is refused beside a public key of another private one', () => {
    host.run('install -d -o ann -g ann /home/ann/.ssh; echo other >/home/ann/.ssh/id_ed25519.pub')
    expect(apply(pending('ann'))).toMatchObject({ why: '~/.ssh/id_ed25519.pub exists without its private key', account: 'ann' })
    expect(look('cat /home/ann/.ssh/*; ls -A /home/ann/.ssh')).toBe('other\nid_ed25519.pub\n')
  })

  it('is finished after an interruption at any point', () => {
    apply(pending('ann'))
    for (const cut of [
      'mv id_ed25519 .id_ed25519.provision-new; mv id_ed25519.pub .id_ed25519.provision-new.pub',
      'ln id_ed25519 .id_ed25519.provision-new; mv id_ed25519.pub .id_ed25519.provision-new.pub',
      'ln id_ed25519 .id_ed25519.provision-new; ln id_ed25519.pub .id_ed25519.provision-new.pub',
      'ln id_ed25519.pub .id_ed25519.provision-new.pub',
    ]) {
      const before = look('cat /home/ann/.ssh/id_ed25519')
      host.run(`cd /home/ann/.ssh; ${cut}`)
      expect(pending('ann')).toHaveLength(1)
      expect(apply(pending('ann'))).toEqual([expect.stringContaining('public SSH key of ann: ssh-ed25519 ')])
      expect(look('ls -A /home/ann/.ssh')).toBe('id_ed25519\nid_ed25519.pub\n')
      expect(pending('ann')).toEqual([])
      if (cut.startsWith('ln')) expect(look('cat /home/ann/.ssh/id_ed25519')).toBe(before)
    }
  })

  it('of a hostile home reaches nothing that the user cannot reach', () => {
    host.run('install -d -m 700 /srv/roots; ln -s /srv/roots /home/ann/.ssh; chown -h ann: /home/ann/.ssh')
    expect(pending('ann').map(({ state: { sshKey } }) => sshKey?.is)).toEqual(['hidden'])
    expect(apply(pending('ann'))).toMatchObject({ what: 'SSH key of ann not made', culprit: 'ann', account: 'ann' })
    expect(look('ls -A /srv/roots')).toBe('')
  })

  it('fails alone in a home that does not exist, with what was made before', () => {
    expect(apply(pending('ann', 'homeless'))).toMatchObject({ culprit: 'homeless', done: ['ann'] })
    expect(look('ls /home/ann/.ssh')).toBe('id_ed25519\nid_ed25519.pub\n')
  })

  it('has no public key in the output that is none', () => {
    host.run(
      `install -d -m 700 -o ann -g ann /home/ann/.ssh; cd /home/ann/.ssh; : >id_ed25519; echo 'buy now' >.id_ed25519.provision-new.pub; chown ann: * .i*`,
    )
    expect(apply(pending('ann'))).toEqual([])
  })

  it('is never taken from an answer that is cut off', () => {
    const query = kind.observe([declared('ann')])
    const whole = host.ask(String(query.script))
    expect(() => query.parse(whole.subarray(whole.indexOf('ssh-keys end') + 13), KEYGEN)).toThrow('did not report the SSH key')
  })
})
