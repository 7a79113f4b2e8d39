import { expect, it } from 'vitest'
import { z } from 'zod'
import { sequencerOf } from '../../../src/engine/apply/sequencer.ts'
import type { PlannedChange } from '../../../src/engine/plan/plan.ts'
import type { RunHost } from '../../../src/engine/run-state.ts'
import { defineKind, keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'

const kindOf = (name: string, order?: readonly string[]) =>
  defineKind({
    name,
    schema: z.strictObject({}),
    id: () => 'it',
    observe: () => ({ script: sh``, parse: () => new Map() }),
    plan: () => undefined,
    *apply() {},
    ...(order === undefined ? {} : { sequence: () => order }),
  })
const member = kindOf('member', ['b', 'c', 'a'])
const plain = kindOf('plain')

const runHostIn = (play: number, host: string, ...resources: readonly Resource[]): RunHost =>
  ({ session: { host }, pending: resources.map((resource) => ({ play, role: 'r', resource })) }) as unknown as RunHost
const runHost = (host: string, ...resources: readonly Resource[]): RunHost => runHostIn(0, host, ...resources)
const batch = (resource: Resource) => [{ change: { resource: keyOf(resource) } as PlannedChange }]

/** The order in which hosts came to their turn, each passing on when told to. */
const scene = (hosts: readonly RunHost[]) => {
  const turns = sequencerOf(hosts, 0, new Map())
  const came: string[] = []
  const having = hosts.filter(({ pending }) => pending.some(({ resource }) => keyOf(resource) === keyOf(member({}))))
  for (const { session } of having)
    void turns.waitForTurn(session.host, batch(member({}))).then(
      () => came.push(session.host),
      (error: Error) => came.push(`${session.host}: ${error.message}`),
    )
  const settle = async (): Promise<string> => {
    for (let i = 0; i < 20; i++) await Promise.resolve()
    return came.join(' ')
  }
  return { turns, settle }
}

it('orders the hosts of a shared resource as its kind defines, one after the other', async () => {
  const { turns, settle } = scene(['a', 'b', 'c'].map((host) => runHost(host, member({}))))
  expect(await settle()).toBe('b')
  turns.finish('b', batch(member({})))
  expect(await settle()).toBe('b c')
  turns.finish('c', batch(member({})))
  expect(await settle()).toBe('b c a')
})

it('does not wait for a host without the change, nor for a released one', async () => {
  const { turns, settle } = scene([runHost('a', member({})), runHost('b', plain({})), runHost('c', plain({}), member({}))])
  expect(await settle()).toBe('c')
  turns.release('c', false)
  expect(await settle()).toBe('c a')
})

it('blocks the hosts behind one that was lost during its change', async () => {
  const { turns, settle } = scene(['a', 'b', 'c'].map((host) => runHost(host, member({}))))
  expect(await settle()).toBe('b')
  turns.release('b', true)
  expect(await settle()).toMatch(
    /^b a: .*because the connection to b was lost while b changed it c: .*because the connection to b was lost while b changed it$/,
  )
})

it('makes no change on the hosts behind one whose service refused it', async () => {
  const { turns, settle } = scene(['a', 'b', 'c'].map((host) => runHost(host, member({}))))
  expect(await settle()).toBe('b')
  turns.refuse('b', batch(member({})))
  turns.release('b', false)
  turns.release('c', false)
  expect(await settle()).toMatch(
    /^b a: .*because the service of b refused the same change c: .*because the service of b refused the same change$/,
  )
})

it('continues after a host that was lost before its turn, or failed in it', async () => {
  const lost = scene(['a', 'b', 'c'].map((host) => runHost(host, member({}))))
  lost.turns.release('c', true)
  lost.turns.finish('b', batch(member({})))
  expect(await lost.settle()).toBe('b c a')
  const failed = scene(['a', 'b', 'c'].map((host) => runHost(host, member({}))))
  await failed.settle()
  failed.turns.release('b', false)
  expect(await failed.settle()).toBe('b c')
})

it('does not order kinds without a sequence, nor changes of another play: no host waits for another', async () => {
  const hosts = ['a', 'b', 'c'].map((host) => runHost(host, plain({})))
  const later = ['a', 'b', 'c'].map((host) => runHostIn(1, host, member({})))
  for (const [queue, resource] of [
    [hosts, plain({})],
    [later, member({})],
  ] as const) {
    const turns = sequencerOf(queue, 0, new Map())
    const came: string[] = []
    const waited: string[] = []
    // Nobody finishes, so a host that waited for another would never come.
    for (const { session } of queue)
      void turns.waitForTurn(session.host, batch(resource), (before) => waited.push(before)).then(() => came.push(session.host))
    for (let i = 0; i < 20; i++) await Promise.resolve()
    expect([came, waited]).toEqual([['a', 'b', 'c'], []])
  }
})

it('names the host that another one waits for, and none if it need not wait', async () => {
  const turns = sequencerOf(
    ['a', 'b', 'c'].map((host) => runHost(host, member({}))),
    0,
    new Map(),
  )
  const waited: string[] = []
  const wait = (host: string) =>
    turns.waitForTurn(host, batch(member({})), (before, resource) => waited.push(`${host}: ${before} ${resource}`))
  await wait('b')
  turns.finish('b', batch(member({})))
  const last = wait('a')
  await wait('c')
  expect(waited).toEqual(['a: c member:it'])
  turns.finish('c', batch(member({})))
  await last
  expect(waited).toEqual(['a: c member:it'])
})

it('orders the hosts of a queue, also if the identities of their resources differ', async () => {
  const queued = defineKind({
    name: 'queued',
    schema: z.strictObject({ id: z.string() }),
    id: ({ id }) => id,
    observe: () => ({ script: sh``, parse: () => new Map() }),
    plan: () => undefined,
    *apply() {},
    sequence: () => ['b', 'a'],
    queue: 'reboots',
  })
  const turns = sequencerOf([runHost('a', queued({ id: 'x' })), runHost('b', queued({ id: 'y' }))], 0, new Map())
  const came: string[] = []
  const waits = turns.waitForTurn('a', batch(queued({ id: 'x' }))).then(() => came.push('a'))
  await turns.waitForTurn('b', batch(queued({ id: 'y' }))).then(() => came.push('b'))
  expect(came).toEqual(['b'])
  turns.finish('b', batch(queued({ id: 'y' })))
  await waits
  expect(came).toEqual(['b', 'a'])
  turns.release('a', true)
})
