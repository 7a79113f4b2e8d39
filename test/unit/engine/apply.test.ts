import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply.ts'
import type { Event } from '../../../src/engine/event.ts'
import type { Planned, Surveyed } from '../../../src/engine/planned.ts'
import { defineKind, keyOf, Refused } from '../../../src/resource/kind.ts'

/** A kind that every host refuses, for the sake of one of the batch. */
const refusing = defineKind({
  name: 'refusing',
  schema: z.strictObject({ id: z.string() }),
  id: ({ id }) => id,
  observe: () => ({ script: '', parse: () => new Map() }),
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
  return { session: { host } as Surveyed['session'], placed: due, due, changes }
}

const failedIn = async (serial: number): Promise<readonly string[]> => {
  const hosts = ['a', 'b', 'c']
  const failed: string[] = []
  const listen = (event: Event): unknown =>
    event.type === 'change' && event.phase === 'failed' && failed.push(`${event.change.host} ${event.change.resource}`)
  await apply(
    {
      prepared: { site: { plays: [{ hosts, serial }] }, targets: hosts } as unknown as Planned['prepared'],
      plan: { changes: [], resources: new Map() },
      surveyed: new Map(hosts.map((host) => [host, surveyed(host)])),
      everywhere: new Map(hosts.map((host) => [host, new Map()])),
      identities: {} as Planned['identities'],
      selected: () => true,
      unreachable: [],
      close: async () => undefined,
    },
    { listen, signal: new AbortController().signal },
  )
  return failed
}

describe('a change that its host refuses', () => {
  it('is the one that fails, not the first of its batch', async () => {
    expect(await failedIn(0)).toEqual(['a refusing:second', 'b refusing:second', 'c refusing:second'])
  })

  it('ends the run where few hosts are changed at a time', async () => {
    expect(await failedIn(1)).toEqual(['a refusing:second'])
    expect(await failedIn(2)).toEqual(['a refusing:second', 'b refusing:second'])
  })
})
