import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { fetchFile } from '../../../src/engine/apply/fetch-file.ts'
import { markedScript } from '../../../src/engine/apply/run-steps.ts'
import { observe, openSession, type Session } from '../../../src/engine/observe/session.ts'
import { planHost } from '../../../src/engine/plan/plan-host.ts'
import { runOnce } from '../../../src/host/shell/run-once.ts'
import { type LabSpec, labDown, labReset } from '../../../src/lab/index.ts'
import { type Kind, keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import type { Answer, HostRefusal, IdentityStep, ReconnectStep, Steps } from '../../../src/resource/kind/step.ts'

/** A real host in its own lab, with the parts of the engine that plan and apply a few resources without a project. */
export interface TestHost {
  readonly session: Session
  /** Progress messages, in order. */
  readonly doing: readonly string[]
  /** Runs a script as root and returns its output. Throws if the script fails. */
  run(script: string): Promise<string>
  /** Returns the planned changes: `update service:nginx.service: not running`. */
  plan(resources: readonly Resource[]): Promise<readonly string[]>
  /** Applies the plan, adjacent changes of a kind together, and returns the changes. Throws a `HostRefusal`. */
  apply(resources: readonly Resource[]): Promise<readonly string[]>
  /** Applies the plan, and then reverts it. */
  revertAfter(resources: readonly Resource[]): Promise<void>
  /** Returns the refusal of `apply`. Throws if nothing is refused. */
  refused(resources: readonly Resource[]): Promise<HostRefusal>
  /** Applies a change without confirming it, as a controller that dies there does. */
  unconfirmed(resource: Resource): Promise<void>
  down(): Promise<void>
}

const root = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** Boots a fresh host: `testHost('t-pkg', '10.79.3')` answers at 10.79.3.11. `labOf` may change its lab. */
export const testHost = async (lab: string, subnet: string, labOf = (spec: LabSpec) => spec): Promise<TestHost> => {
  const spec = labOf({ name: lab, root, hosts: [{ name: 'host-01', user: 'ops', addresses: [`${subnet}.11`] }] })
  await labReset(spec)
  return onHost(await sessionOn(lab, `${subnet}.11`), () => labDown(spec))
}

/** Opens a session on a lab host that runs. */
export const sessionOn = (lab: string, address: string): Promise<Session> => {
  const directory = join(root, '.provision/lab', lab)
  const keys = [join(directory, 'id_ed25519')]
  const target = {
    name: 'host-01',
    address,
    port: 22,
    user: 'ops',
    keys,
    knownHosts: [join(directory, 'known_hosts')],
    hostKeys: 'strict' as const,
    jump: [],
  }
  return openSession(target, { listen: () => {}, signal: new AbortController().signal, lock: undefined, wait: false })
}

const withoutIdentities = (): never => {
  throw new Error('a host is tested here without identities')
}

/** The host of a session. `sign` answers the steps of identities of the controller. */
export const onHost = (
  session: Session,
  end: () => Promise<void>,
  sign: (step: IdentityStep) => Promise<Answer> = withoutIdentities,
): TestHost => {
  const doing: string[] = []
  const hear = (line: string): unknown => line.startsWith('provision-doing: ') && doing.push(line.slice('provision-doing: '.length))
  // The step asks whether a login succeeds, so a failure is an answer, as in the engine.
  const comeInAnew = ({ script, withinMs }: ReconnectStep): Promise<Answer> =>
    runOnce(session.target, String(script), { deadlineMs: withinMs }).catch((error: Error) => ({
      code: 255,
      stdout: Buffer.alloc(0),
      stderr: error.message,
    }))
  const drive = async (steps: Steps): Promise<void> => {
    for (let next = steps.next(); next.done !== true; ) {
      const step = next.value
      if (step.do === 'notice' || step.do === 'reboot') throw new Error('a host is tested here without a person to tell')
      next = steps.next(
        step.do === 'reconnect'
          ? await comeInAnew(step)
          : step.do === 'identity'
            ? await sign(step)
            : step.do === 'fetch'
              ? await fetchFile(step, {})
              : await session.shell.request(String(markedScript(step.script, step.installs)), {
                  ...(step.input !== undefined && { input: step.input }),
                  onLine: hear,
                }),
      )
    }
  }
  const due = async (resources: readonly Resource[]) => {
    const placed = resources.map((resource) => ({ play: 0, role: 'test', resource }))
    return planHost({
      resources: placed,
      observation: await observe(session, placed),
      observations: new Map(),
      selected: () => true,
      now: new Date(),
    })
  }
  const batchesOf = (all: Awaited<ReturnType<typeof due>>) =>
    adjacent(all).map((batch) => ({
      work: batch.map(({ resource, state: seen, change: verdict }) => ({
        id: resource.id,
        spec: resource.spec,
        state: seen,
        change: verdict,
      })),
      kind: batch[0]?.resource.kind as unknown as Kind<unknown, unknown, unknown>,
    }))
  const apply = async (resources: readonly Resource[]): Promise<readonly string[]> => {
    const all = await due(resources)
    for (const { kind, work } of batchesOf(all)) await drive(kind.apply(work))
    return all.map(({ resource, change: verdict }) => `${verdict.action} ${keyOf(resource)}`)
  }
  return {
    session,
    doing,
    apply,
    plan: async (resources) =>
      (await due(resources)).map(({ resource, change: verdict }) => `${verdict.action} ${keyOf(resource)}: ${verdict.reason}`),
    run: async (script) => {
      const answer = await session.shell.request(script)
      if (answer.code !== 0) throw new Error(`exit ${answer.code}: ${answer.stderr}\n${answer.stdout}`)
      return answer.stdout.toString()
    },
    revertAfter: async (resources) => {
      const all = batchesOf(await due(resources))
      for (const { kind, work } of all) await drive(kind.apply(work))
      for (const { kind, work } of all.toReversed()) if (kind.revert !== undefined) await drive(kind.revert(work))
    },
    refused: (resources) =>
      apply(resources).then(
        (changes) => Promise.reject(new Error(`was not refused: ${changes.join(', ')}`)),
        (error: HostRefusal) => (error.name === 'HostRefusal' ? error : Promise.reject(error)),
      ),
    unconfirmed: async (resource) => {
      const kind = resource.kind as unknown as Kind<unknown, unknown, unknown>
      const verdict = { action: 'update', certainty: 'exact', reason: 'test', differences: [] } as const
      const placed = [{ play: 0, role: 'test', resource }]
      const seen = (await observe(session, placed)).get(keyOf(resource))
      const steps: Steps = kind.apply([{ id: resource.id, spec: resource.spec, state: seen, change: verdict }])
      for (let next = steps.next(); next.done !== true && next.value.do === 'shell'; ) {
        const { script, input } = next.value
        next = steps.next(await session.shell.request(String(script), input === undefined ? {} : { input }))
      }
    },
    down: async () => {
      await session.shell.close()
      await end()
    },
  }
}

const adjacent = <T extends { readonly resource: Resource }>(due: readonly T[]): readonly (readonly T[])[] => {
  const batches: T[][] = []
  for (const one of due) {
    const last = batches.at(-1)
    if (last?.[0]?.resource.kind.name === one.resource.kind.name) last.push(one)
    else batches.push([one])
  }
  return batches
}
