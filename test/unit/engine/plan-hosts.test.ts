import { expect, it } from 'vitest'
import { z } from 'zod'
import type { Session } from '../../../src/engine/observe/session.ts'
import { type ObservedHost, planHosts } from '../../../src/engine/plan/plan-hosts.ts'
import type { Shell } from '../../../src/host/shell/shell.ts'
import { Problem } from '../../../src/problem.ts'
import { defineKind, keyOf } from '../../../src/resource/kind/kind.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'

/** Something that only the first of the hosts that answer changes, and whose old text is asked for. */
const shared = defineKind({
  name: 'shared',
  schema: z.strictObject({ me: z.string() }),
  id: () => 'it',
  observe: () => ({ script: sh``, parse: () => new Map() }),
  plan: ({ me }, _, world) =>
    me === [...world.members().keys()].sort()[0]
      ? { action: 'update', certainty: 'exact', reason: `by ${me}`, differences: [] }
      : undefined,
  before: () => ({ script: sh`echo old`, read: (stdout) => new Map([['it', stdout]]) }),
  diff: (_, before) => ({ before: before?.toString() ?? '', after: 'new\n' }),
  *apply() {},
})

const observed = (host: string, request?: Shell['request']): ObservedHost => {
  const shell = localShell(host)
  const resource = shared({ me: host })
  return {
    session: { host, shell: { ...shell, ...(request !== undefined && { request }) } } as Session,
    resources: [{ play: 0, role: 'r', resource }] as unknown as ObservedHost['resources'],
    observation: new Map([[keyOf(resource), 'there']]),
  }
}
const planOne = (hosts: readonly ObservedHost[]) => planHosts(hosts, { selected: () => true, allowDataLoss: new Set() })

it('plans each host, and reads the old texts of pending changes', async () => {
  const { planned, lost } = await planOne([observed('a'), observed('b')])
  expect(planned.flatMap(({ changes }) => changes.map(({ host, reason, diff }) => [host, reason, diff]))).toEqual([
    ['a', 'by a', expect.stringContaining('-old\n+new\n')],
  ])
  expect(lost).toEqual([])
  expect(planned[0]?.changes).toEqual([
    {
      ...{ host: 'a', role: 'r', resource: 'shared:it', action: 'update', certainty: 'exact', reason: 'by a', differences: [], play: 0 },
      diff: expect.any(String),
    },
  ])
})

it('plans the others again if a host becomes unreachable', async () => {
  const gone = new Problem({ class: 'unreachable', where: { host: 'a' }, what: 'was lost', fix: 'look' })
  const { planned, observations, lost } = await planOne([observed('a', () => Promise.reject(gone)), observed('b'), observed('c')])
  expect(planned.map(({ session, changes }) => [session.host, changes.map(({ reason }) => reason)])).toEqual([
    ['b', ['by b']],
    ['c', []],
  ])
  expect([...observations.keys()]).toEqual(['b', 'c'])
  expect(lost).toEqual([gone])
})

it('plans the others again if the plan of a host fails', async () => {
  const { planned, lost } = await planOne([observed('a', () => Promise.reject(new TypeError('ours'))), observed('b')])
  expect(planned.map(({ session, changes }) => [session.host, changes.map(({ reason }) => reason)])).toEqual([['b', ['by b']]])
  expect(lost).toMatchObject([{ class: 'task', where: { host: 'a' }, what: 'plan of this host failed: TypeError: ours' }])
})

it('throws an error in a file of the project', async () => {
  const wrong = new Problem({ class: 'input', where: { file: 'inventory/site.yaml', line: 3 }, what: 'is wrong', fix: 'mend it' })
  await expect(planOne([observed('a', () => Promise.reject(wrong)), observed('b')])).rejects.toThrow('is wrong')
})

it('takes an input error that follows from what a host reported for the failure of this host', async () => {
  const wrong = new Problem({ class: 'input', where: { host: 'a', role: 'web' }, what: 'is wrong', why: 'it said so', fix: 'mend it' })
  const { planned, lost } = await planOne([observed('a', () => Promise.reject(wrong)), observed('b')])
  expect(planned.map(({ session }) => session.host)).toEqual(['b'])
  expect(lost).toMatchObject([{ class: 'task', where: { host: 'a', role: 'web' }, what: 'is wrong', why: 'it said so', fix: 'mend it' }])
})

it('finds the identities that issued certificates on each host, in selected roles', async () => {
  const issued = defineKind({
    ...shared.kind,
    name: 'issued',
    id: ({ me }) => me,
    plan: () => undefined,
    issuer: (_, state) => String(state),
  })
  const place = (me: string, role = 'r') => ({ play: 0, role, resource: issued({ me }) })
  const resources = [place('1'), place('2'), place('3'), place('4', 'other'), { ...place('5'), resource: shared({ me: 'a' }) }]
  const observation = new Map(['b', 'a', 'b', 'c'].map((by, i) => [`issued:${i + 1}`, `authority:${by}`]))
  const host = { ...observed('a'), resources, observation } as unknown as ObservedHost
  const { planned } = await planHosts([host], { selected: (role) => role === 'r', allowDataLoss: new Set() })
  expect(planned.map(({ issuers }) => issuers)).toEqual([['authority:a', 'authority:b']])
})

it('plans the others again if the issuer of a certificate cannot be named', async () => {
  const broken = defineKind({ ...shared.kind, name: 'broken', plan: () => undefined, issuer: () => JSON.parse('{') })
  const resources = [{ play: 0, role: 'r', resource: broken({ me: 'a' }) }] as unknown as ObservedHost['resources']
  const { planned, lost } = await planOne([{ ...observed('a'), resources }, observed('b')])
  expect(planned.map(({ session }) => session.host)).toEqual(['b'])
  expect(lost.map(({ message }) => message)).toEqual([expect.stringContaining('issuer of kind broken')])
})
