import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { Event } from '../../../src/engine/events.ts'
import { prepare } from '../../../src/engine/prepare.ts'
import { plan } from '../../../src/engine/run.ts'
import type { PlanOptions, Run } from '../../../src/engine/run-state.ts'
import { LockedHost } from '../../../src/host/shell/lock.ts'
import { openShell } from '../../../src/host/shell/open.ts'
import type { Holder } from '../../../src/host/shell/shell.ts'
import { type Problem, problemsIn } from '../../../src/problem.ts'
import { localHost } from '../host/shell/local-host.ts'
import { project } from '../site/project.ts'

const lock: Holder = { user: 'jane', machine: 'laptop', command: 'provision run', since: '2026-11-29T10:00:00Z' }
const MISSING = '/nonexistent-provision-test'
const ROLE = (name: string, body: string): string => `import { defineRole, file, text, z } from 'provision'
export default defineRole({ name: '${name}', summary: 's', options: z.strictObject({}), resources: (context) => { ${body} } })
`

/** Plans a site whose hosts `a` and `b` are this machine; `b` is closed if told. Nothing is changed: the plan is only observed. */
const planned = async (body: string, { isClosed = false, ...more }: Partial<PlanOptions> & { isClosed?: boolean } = {}) => {
  const host = await localHost()
  const root = project({
    'inventory/site.yaml': 'vars: { user: root }\nhosts: { a: { address: 127.0.0.1 }, b: { address: 127.0.0.2 } }\n',
    'playbooks/site.yaml': '- hosts: a\n  roles: [first]\n- hosts: all\n  roles: [garden]\n',
    'roles/garden.ts': ROLE('garden', body),
    'roles/first.ts': ROLE('first', `context.facts; return [file({ path: '${MISSING}-first', content: '1' })]`),
  })
  // A key of the account that runs the tests must not count.
  const env = { PROVISION_AGE_KEY_FILE: join(root, 'age.txt') }
  const ready = await prepare({ root, env, login: { key: host.target.keys[0] ?? '' } })
  const reach = new Map([
    ['a', { ...host.target, name: 'a' }],
    ['b', { ...host.target, name: 'b', ...(isClosed && { port: 1 }) }],
  ])
  const events: Event[] = []
  const signal = new AbortController().signal
  const run = (): Promise<Run> => plan({ ...ready, reach }, { listen: (event) => events.push(event), signal, ...more })
  return { host, events, run }
}
// Hosts are observed at the same time, so the order of their warnings is not determined.
const warnings = (events: readonly Event[]): readonly string[] =>
  events.flatMap((event) => (event.type === 'warning' ? [`${event.host} ${event.role ?? ''} ${event.what}`] : [])).sort()
const problemsOf = (work: Promise<unknown>): Promise<readonly Problem[]> =>
  work.then(
    () => expect.fail('it was planned'),
    (error: unknown) => problemsIn(error) ?? Promise.reject(error),
  )
const GARDEN = `context.facts.hostname; context.warn('dry soil'); return [file({ path: '${MISSING}-seed', content: 'x' })]`

describe('the plan of a run', () => {
  it('has the changes of all hosts, play by play, and takes two requests for each host', async () => {
    const { host, events, run } = await planned(GARDEN)
    const made = await run()
    const { plan: shown, hosts, unreachable, close } = made
    expect([made.signal.aborted, made.selected('any'), made.allowDataLoss.size, made.observations.size]).toEqual([false, true, 0, 2])
    expect(shown.changes.map(({ host: name, resource, play }) => `${play} ${name} ${resource}`)).toEqual([
      '0 a owned:first',
      `0 a file:${MISSING}-first`,
      '1 a owned:garden',
      `1 a file:${MISSING}-seed`,
      '1 b owned:garden',
      `1 b file:${MISSING}-seed`,
    ])
    expect([...shown.resources]).toEqual([
      ['a', 4],
      ['b', 2],
    ])
    expect([unreachable, shown.rollouts, shown.withheld]).toEqual([[], [], []])
    expect([...hosts.values()].map(({ session }) => session.shell.frames)).toEqual([2, 2])
    expect(warnings(events)).toEqual(['a garden dry soil', 'b garden dry soil'])
    expect(events.filter((event) => event.type === 'change').map((event) => event.phase)).toEqual(Array(6).fill('planned'))
    expect(events.flatMap((event) => (event.type === 'host' && event.host === 'b' ? [event.state] : []))).toEqual([
      'connecting',
      'observing',
      'waiting',
    ])
    await close()
    expect(host.remains()).toEqual([])
  })

  it('begins with the identities that it will make', async () => {
    const body = `const edge = context.authority({ domain: 'edge' })
return [file({ path: '${MISSING}-authority', content: text\`\${edge.certificate}\` })]`
    const { events, run } = await planned(body)
    const { plan: shown, close } = await run()
    expect(shown.changes.map(({ host, resource }) => `${host} ${resource}`).slice(0, 3)).toEqual([
      expect.stringMatching(/^controller age-key:.*\/age[.]txt$/),
      'controller authority:edge',
      'a owned:first',
    ])
    expect(warnings(events)).toEqual([])
    await close()
  })

  it('leaves out a host that cannot be reached', async () => {
    const { run } = await planned(GARDEN, { isClosed: true })
    const { plan: shown, unreachable, hosts, close } = await run()
    expect([...hosts.keys()]).toEqual(['a'])
    expect(shown.resources.has('b')).toBe(false)
    expect(unreachable).toMatchObject([{ class: 'unreachable', where: { host: 'b' } }])
    await close()
  })

  it('leaves out hosts that another run holds', async () => {
    const { host, run } = await planned(GARDEN, { lock })
    const shell = await openShell(host.target, { lock })
    const { close, unreachable, hosts } = await run()
    expect([hosts.size, unreachable.map((problem) => problem instanceof LockedHost)]).toEqual([0, [true, true]])
    await close()
    await shell.close()
  })

  it('of a dry run reports that another run is under way', async () => {
    const { host, events, run } = await planned(GARDEN)
    const shell = await openShell(host.target, { lock })
    const { close, unreachable } = await run()
    expect(unreachable).toEqual([])
    expect(warnings(events).filter((one) => one.includes('under way'))).toMatchObject([
      expect.stringMatching(/^a {2}a run is under way on this host, by jane on laptop since 2026-11-29T10:00:00Z \(provision run\): /),
      expect.stringMatching(/^b /),
    ])
    await close()
    await shell.close()
  })

  it('ends if a role finds an input error in the facts of a host, and closes all shells', async () => {
    const { host, run } = await planned(
      `if (context.facts.memoryMB > 0 && context.host.name === 'b') file({ path: 'relative', content: '' }); return []`,
    )
    expect(await problemsOf(run())).toMatchObject([
      { class: 'input', what: expect.stringContaining('role garden declares an invalid resource') },
    ])
    expect(host.remains()).toEqual([])
  })

  it('connects to no host if a role is wrong without any facts', async () => {
    const { events, run } = await planned(`return [file({ path: 'relative', content: '' })]`)
    expect(await problemsOf(run())).toMatchObject([{ class: 'input', what: expect.stringContaining('declares an invalid resource') }])
    expect(events).toEqual([])
  })

  it('ends with an interruption', async () => {
    const stopping = new AbortController()
    stopping.abort()
    const { run } = await planned(GARDEN, { signal: stopping.signal })
    await expect(run()).rejects.toMatchObject({ name: 'AbortError' })
  })
})
