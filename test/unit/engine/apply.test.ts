import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply/apply.ts'
import { prove } from '../../../src/engine/apply/prove.ts'
import type { Event } from '../../../src/engine/events.ts'
import type { PlannedChange, Prediction } from '../../../src/engine/plan/plan.ts'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run, RunHost } from '../../../src/engine/run-state.ts'
import { Problem } from '../../../src/problem.ts'
import { defineKind, keyOf } from '../../../src/resource/kind/kind.ts'
import { ControllerFailure, HostRefusal } from '../../../src/resource/kind/step.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'
import { runWith } from './run-with.ts'

/** A kind that every host refuses, for the sake of one of the batch. */
const refusing = defineKind({
  name: 'refusing',
  schema: z.strictObject({ id: z.string() }),
  id: ({ id }) => id,
  observe: (specs: readonly { id: string }[]) => ({ script: sh``, parse: () => new Map(specs.map(({ id }) => [id, ''])) }),
  plan: () => ({ action: 'create', certainty: 'exact', reason: '', differences: [] }),
  // biome-ignore lint/correctness/useYield: it refuses before it asks anything
  *apply() {
    throw new HostRefusal('no', 'it will not', undefined, { culprit: 'second' })
  },
})

/** A kind for whose second resource the controller cannot do its part. */
const ordering = (until?: Date) =>
  defineKind({
    name: 'ordering',
    schema: z.strictObject({ id: z.string() }),
    id: ({ id }) => id,
    observe: (specs: readonly { id: string }[]) => ({ script: sh``, parse: () => new Map(specs.map(({ id }) => [id, ''])) }),
    plan: () => ({ action: 'create', certainty: 'exact', reason: '', differences: [], ...(until && { deferrableUntil: until }) }),
    *apply(work) {
      const before = work.findIndex(({ id }) => id === 'second')
      if (before < 0) return
      const problem = new Problem({ class: 'task', where: { host: 'controller' }, what: 'it is down', fix: 'wait' })
      throw new ControllerFailure(
        problem,
        work.slice(0, before).map(({ id }) => id),
        'second',
      )
    },
  })

const runHost = (host: string, kind: typeof refusing | ReturnType<typeof ordering> = refusing): RunHost => {
  const pending = ['first', 'second', 'third'].slice(0, kind === refusing ? 2 : 3).map((id) => ({
    play: 0,
    role: 'test',
    resource: kind({ id }),
    state: '',
    change: { action: 'create', certainty: 'exact', reason: '', differences: [] } as const,
  }))
  const changes = pending.map(({ play, role, resource, change }) => ({ host, role, play, resource: keyOf(resource), ...change }))
  const session = { host, shell: localShell(host) } as RunHost['session']
  return { session, resources: pending, pending, changes, issuers: [] }
}

const failedIn = async (serial: readonly number[], maxFailures = 0): Promise<readonly string[]> =>
  (await told(['a', 'b', 'c'], serial, maxFailures, runHost)).filter((line) => !line.startsWith('applied '))

let predicted: Prediction | undefined

const told = async (
  hosts: readonly string[],
  serial: readonly number[],
  maxFailures: number,
  makeHost: (host: string) => RunHost,
  beside: (event: Event) => unknown = () => undefined,
): Promise<readonly string[]> => {
  const failed: string[] = []
  const listen = (event: Event): void => {
    if (event.type === 'change' && event.phase === 'failed') failed.push(`${event.change.host} ${event.change.resource}`)
    if (event.type === 'change' && event.phase === 'applied') failed.push(`applied ${event.change.resource}`)
    if (event.type === 'warning') failed.push(event.what)
    beside(event)
  }
  const run = runWith({
    prepared: {
      site: { plays: [{ name: 'web', hosts, serial, maxFailures }] },
      bindings: { bound: [], flows: [] },
      targets: hosts,
    },
    hosts: new Map(hosts.map((host) => [host, makeHost(host)])),
    listen,
  })
  const { result, prediction } = await apply(run)
  predicted = prediction
  return makeHost === runHost ? failed : [...failed, result]
}

describe('a refused change', () => {
  it('is reported as failed, instead of the first change of its batch', async () => {
    expect(await failedIn([])).toEqual(['a refusing:second', 'b refusing:second', 'c refusing:second'])
  })

  it('counts as mispredicted', async () => {
    await failedIn([])
    expect(predicted).toEqual({ predicted: 0, actual: 3 })
    // First is applied, and the proof finds that it has not converged.
    await told(['a'], [], 0, (host) => runHost(host, ordering()))
    expect(predicted).toEqual({ predicted: 1, actual: 2 })
  })

  it('ends a rolling play, with a warning that names the skipped hosts', async () => {
    expect(await failedIn([1])).toEqual(['a refusing:second', 'play web stopped: a failed (max_failures: 0); b, c were not changed'])
    expect(await failedIn([2])).toEqual([
      'a refusing:second',
      'b refusing:second',
      'play web stopped: a, b failed (max_failures: 0); c was not changed',
    ])
  })

  it('counts towards max_failures over all batches', async () => {
    expect(await failedIn([1], 1)).toEqual([
      'a refusing:second',
      'b refusing:second',
      'play web stopped: a, b failed (max_failures: 1); c was not changed',
    ])
    expect(await failedIn([1], 3)).toHaveLength(3)
  })
})

describe('a change that fails on the controller', () => {
  it('fails and excludes the host; earlier changes count as applied', async () => {
    expect(await told(['a'], [], 0, (host) => runHost(host, ordering()))).toEqual(['applied ordering:first', 'a ordering:second', 'failed'])
  })

  it('is deferred if it can wait, and the others are applied', async () => {
    const until = new Date('2027-01-02T03:04:05Z')
    // This kind never converges, so the proof reports the applied changes, and not the deferred one.
    expect(await told(['a'], [], 0, (host) => runHost(host, ordering(until)))).toEqual([
      'applied ordering:first',
      'ordering second was not renewed; the present one is valid until 2027-01-02 03:04 UTC, and the next run tries again: it is down: wait',
      'applied ordering:third',
      'a ordering:first',
      'a ordering:third',
      'failed',
    ])
  })
})

it('reports what a host is doing also for a step without a description', async () => {
  const silent = defineKind({
    ...ordering().kind,
    *apply(work) {
      yield { do: 'shell', script: sh`:` }
      yield { do: 'shell', script: sh`:`, doing: `beginning with ${work.length}` }
      yield { do: 'shell', script: sh`:` }
    },
  })
  const doing: (string | undefined)[] = []
  const listen = (event: Event): unknown => event.type === 'doing' && doing.push(event.what)
  await told(['a'], [], 0, (host) => runHost(host, silent), listen)
  const otherwise = 'applying ordering first and 2 more'
  expect(doing).toEqual([otherwise, 'beginning with 3', otherwise, undefined])
})

describe('the proof', () => {
  it('reports applied changes that have not converged, and not changes that the run did not reach', async () => {
    const failed: string[] = []
    const listen = (event: Event): void => {
      if (event.type === 'change' && event.phase === 'failed') failed.push(event.change.resource)
    }
    const one = runHost('a')
    const progress = new RunProgress(listen)
    progress.applied(one.changes[0] as PlannedChange, 1)
    const run = { observations: new Map(), hosts: new Map(), selected: () => true, progress, listen } as unknown as Run
    await prove(run, [one])
    expect(failed).toEqual(['refusing:first'])
  })
})
