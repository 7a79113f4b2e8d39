import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { directory } from '../../../../src/resource/file/directory.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { link } from '../../../../src/resource/file/link.ts'
import { ABSENT, type Inode, refuseUnreached, unreached } from '../../../../src/resource/kind/inode.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { inTurn, requireBatch } from '../../../../src/resource/kind/one-by-one.ts'
import type { Answer, HostRefusal } from '../../../../src/resource/kind/step.ts'
import { sh } from '../../../../src/shell/sh.ts'
import { isRoot } from '../account/throwaway.ts'
import { type Here, here } from '../run-here.ts'

describe.skipIf(!isRoot)('a refusal names the account that controls the path of the resource', () => {
  let host: Here
  beforeEach(() => {
    host = here()
    host.sh('mkdir roots theirs; chown daemon theirs; mkdir roots/x theirs/x; ln -s /etc theirs/l; chown -h daemon theirs/l')
  })
  afterEach(() => host.remove())

  const refused = (resources: readonly Resource[], byHand = ':') => {
    const [first] = resources
    const work = host.plan(...resources)
    host.sh(byHand)
    const refusal = first && host.apply(work, first.kind)
    return refusal && [refusal.culprit?.replace(`${host.root}/`, ''), refusal.account]
  }
  const at = (path: string, more: object = {}): Resource => file({ path: host.at(path), content: 'x', ...more })

  it.each<[string, () => readonly Resource[], string, string, string | undefined]>([
    ['of a file, which is a directory', () => [at('roots/a'), at('theirs/x'), at('roots/b')], ':', 'theirs/x', 'daemon'],
    ['of a file, not in a directory of root', () => [at('theirs/a'), at('roots/x')], ':', 'roots/x', undefined],
    ['of a file, not if its owner does not exist', () => [at('theirs/a', { owner: 'nobody-knows' })], ':', 'theirs/a', undefined],
    ['of a file that appeared', () => [at('theirs/a')], 'echo >theirs/a', 'theirs/a', 'daemon'],
    ['of a file below its link', () => [at('theirs/l/none')], ':', 'theirs/l/none', 'daemon'],
    ['of a file whose directory is gone', () => [at('theirs/x/a')], 'rmdir theirs/x', 'theirs/x/a', 'daemon'],
    [
      'of no file of a set',
      () => [at('theirs/x', { set: { name: 's', root: host.at('theirs'), check: ['true'] } })],
      ':',
      'theirs/x',
      undefined,
    ],
    ['of a link', () => [link({ path: host.at('theirs/x'), target: 'y' })], ':', 'theirs/x', 'daemon'],
    [
      'of a link, not in a directory of root',
      () => [link({ path: host.at('theirs/a'), target: 'y' }), link({ path: host.at('roots/x'), target: 'y' })],
      ':',
      'roots/x',
      undefined,
    ],
    ['of a directory', () => [directory({ path: host.at('theirs/a') })], 'echo >theirs/a', 'theirs/a', 'daemon'],
    [
      'of a directory, not after one of an account',
      () => [directory({ path: host.at('theirs/a') }), directory({ path: host.at('roots/a'), group: 'nobody-knows' })],
      ':',
      'roots/a',
      undefined,
    ],
  ])('%s', (_, resources, byHand, culprit, account) => {
    expect(refused(resources(), byHand)).toEqual([culprit, account])
  })
})

describe('a refusal of the controller', () => {
  const thrown = (act: () => unknown): HostRefusal | undefined => {
    try {
      act()
      return undefined
    } catch (error) {
      return error as HostRefusal
    }
  }
  const inode: Inode = { type: 'f', mode: '644', owner: 'eve', group: 'eve', target: '' }

  it('names the account in whose directory nothing was observed', () => {
    const account = (owner: string, together = false): string | undefined =>
      thrown(() => refuseUnreached('/a', unreached('/p', owner, 'is a link'), [], together))?.account
    expect([account('eve'), account('everybody'), account('root'), account(''), account('eve', true)]).toEqual([
      ...['eve', 'everybody'],
      ...[undefined, undefined, undefined],
    ])
    expect([thrown(() => refuseUnreached('/a', inode)), thrown(() => refuseUnreached('/a', ABSENT))]).toEqual([undefined, undefined])
  })

  const answer = (code: number, stdout: string): Answer => ({ code, stdout: Buffer.from(stdout), stderr: 'no' })
  const work = ['a', 'b'].map((id) => ({
    id,
    spec: {},
    state: '',
    change: { action: 'create', certainty: 'exact', reason: '', differences: [] } as const,
  }))

  it.each([1, 67, 68, 69])('names the one that the program has printed last, at exit status %s', (code) => {
    const batch = (stdout: string, more: object = {}) =>
      thrown(() => requireBatch(answer(code, stdout), work, { what: () => 'x', ...more }))
    const printed = 'done\0a\0culprit\0b\0account\0eve\0'
    expect(batch(printed)).toMatchObject({ account: 'eve', culprit: 'b', done: ['a'] })
    expect(batch(`account\0bob\0words ${printed}`)?.account).toBe('eve')
    expect(batch('culprit\0b\0')?.account).toBeUndefined()
    expect(batch(printed, { together: true })?.account).toBeUndefined()
    const turn = (stdout: string): HostRefusal | undefined => {
      const steps = inTurn(work, () => sh`:`, { doing: '', failed: () => 'x' })
      steps.next()
      return thrown(() => steps.next(answer(code, stdout)))
    }
    expect(turn(printed)).toMatchObject({ account: 'eve', culprit: 'b', done: ['a'] })
    expect(turn('done\0a\0')).toMatchObject({ account: undefined, culprit: 'b' })
  })
})
