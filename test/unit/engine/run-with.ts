import { expect } from 'vitest'
import { RunProgress } from '../../../src/engine/progress.ts'
import type { Run } from '../../../src/engine/run-state.ts'

/** A run of these hosts, with a `prepared` that has only the members that the test needs. Every role is selected, and no other host is borrowed. */
export const runWith = (parts: Pick<Run, 'hosts' | 'listen'> & { readonly prepared: object } & Partial<Omit<Run, 'prepared'>>): Run => ({
  plan: { changes: [], resources: new Map() },
  observations: new Map([...parts.hosts.keys()].map((host) => [host, new Map()])),
  identities: {} as Run['identities'],
  selected: () => true,
  allowDataLoss: new Set(),
  unreachable: [],
  borrow: async () => expect.fail('nothing is needed beside'),
  close: async () => undefined,
  progress: new RunProgress(parts.listen),
  signal: new AbortController().signal,
  ...parts,
  prepared: parts.prepared as Run['prepared'],
})
