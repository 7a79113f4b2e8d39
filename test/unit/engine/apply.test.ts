import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply.ts'
import type { Event } from '../../../src/engine/event.ts'
import type { Planned, Surveyed } from '../../../src/engine/planned.ts'
import { defineKind, keyOf, Refused } from '../../../src/resource/kind.ts'
import { localShell } from './local-shell.ts'

/** A kind that every host refuses, for the sake of one of the batch. */
const refusing = defineKind({
  name: 'refusing',
  schema: z.strictObject({ id: z.string() }),
  id: ({ id }) => id,
  observe: (specs: readonly { id: string }[]) => ({ script: '', parse: () => new Map(specs.map(({ id }) => [id, ''])) }),
  plan: () => ({ action: 'create', sure: 'exact', reason: '', differences: [] }),
  // biome-ignore lint/correctness/useYield: it refuses before it asks anything
  *apply() {
    throw new Refused('no', 'it will not', undefined, [], 'second')
  },
})

const surveyed = (host: string): Surveyed => {
  const due = ['first', 'second'].map((id) => ({
    play: 0,
    role: 'test',
    resource: refusing({ id }),
    seen: '',
    verdict: { action: 'create', sure: 'exact', reason: '', differences: [] } as const,
  }))
  const changes = due.map(({ play, role, resource, verdict }) => ({ host, role, play, resource: keyOf(resource), ...verdict }))
  const session = { host, shell: localShell(host) } as Surveyed['session']
  return { session, placed: due, due, changes }
}

const failedIn = async (serial: readonly number[], maxFailures = 0): Promise<readonly string[]> => {
  const hosts = ['a', 'b', 'c']
  const failed: string[] = []
  const listen = (event: Event): void => {
    if (event.type === 'change' && event.phase === 'failed') failed.push(`${event.change.host} ${event.change.resource}`)
    if (event.type === 'warning') failed.push(event.what)
  }
  await apply(
    {
      prepared: {
        site: { plays: [{ name: 'web', hosts, serial, maxFailures }] },
        bindings: { bound: [], flows: [] },
        targets: hosts,
      } as unknown as Planned['prepared'],
      plan: { changes: [], resources: new Map() },
      surveyed: new Map(hosts.map((host) => [host, surveyed(host)])),
      everywhere: new Map(hosts.map((host) => [host, new Map()])),
      identities: {} as Planned['identities'],
      selected: () => true,
      unreachable: [],
      borrow: async () => expect.fail('nothing is needed beside'),
      close: async () => undefined,
    },
    { listen, signal: new AbortController().signal },
  )
  return failed
}

describe('a change that its host refuses', () => {
  it('is the one that fails, not the first of its batch', async () => {
    expect(await failedIn([])).toEqual(['a refusing:second', 'b refusing:second', 'c refusing:second'])
  })

  it('ends the run where few hosts are changed at a time, and says who was not touched', async () => {
    expect(await failedIn([1])).toEqual(['a refusing:second', 'play web was ended: a failed, and max_failures is 0; b, c were not touched'])
    expect(await failedIn([2])).toEqual([
      'a refusing:second',
      'b refusing:second',
      'play web was ended: a, b failed, and max_failures is 0; c was not touched',
    ])
  })

  it('is one of those that may fail, counted over all batches', async () => {
    expect(await failedIn([1], 1)).toEqual([
      'a refusing:second',
      'b refusing:second',
      'play web was ended: a, b failed, and max_failures is 1; c was not touched',
    ])
    expect(await failedIn([1], 3)).toHaveLength(3)
  })
})
