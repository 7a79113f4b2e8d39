import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { apply } from '../../../src/engine/apply/apply.ts'
import { dependsOn, skippedTexts } from '../../../src/engine/apply/blocked.ts'
import type { Event } from '../../../src/engine/events.ts'
import type { PlannedChange } from '../../../src/engine/plan/plan.ts'
import type { RunHost } from '../../../src/engine/run-state.ts'
import { authorizedKeys } from '../../../src/resource/account/authorized-keys.ts'
import { user } from '../../../src/resource/account/user.ts'
import { command } from '../../../src/resource/control/command.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { link } from '../../../src/resource/file/link.ts'
import { type Change, defineKind, keyOf, type Resource } from '../../../src/resource/kind/kind.ts'
import { HostRefusal, type RefusedBatch } from '../../../src/resource/kind/step.ts'
import { service } from '../../../src/resource/service/service.ts'
import { unit } from '../../../src/resource/service/unit.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'
import { runWith } from './run-with.ts'

const CREATE: Change = { action: 'create', certainty: 'exact', reason: '', differences: [] }

/** The refusals of this host, by identity. */
let refusals: ReadonlyMap<string, Partial<RefusedBatch>> = new Map()
const made = new Set<string>()

/** A kind of parts: a batch stops at the first that is refused. The identity of one is `part`, or `part>other` if its options name another. */
const part = (more: object = {}) =>
  defineKind({
    name: 'part',
    schema: z.strictObject({ id: z.string() }),
    id: ({ id }) => id.split('>')[0] ?? '',
    observe: (specs: readonly { id: string }[]) => ({
      script: sh``,
      parse: () => new Map(specs.map(({ id }) => [id.split('>')[0] ?? '', ''])),
    }),
    plan: ({ id }) => (made.has(id.split('>')[0] ?? '') ? undefined : CREATE),
    // biome-ignore lint/correctness/useYield: it needs no host
    *apply(work) {
      const done: string[] = []
      for (const { id } of work) {
        const refused = refusals.get(id)
        if (refused !== undefined) throw new HostRefusal(`${id} not made`, 'it will not', undefined, { done, culprit: id, ...refused })
        made.add(id)
        done.push(id)
      }
    },
    ...more,
  })
const things = part()
const shared = part({ name: 'share', shared: true })
const ordered = part({ name: 'order', sequence: () => ['a', 'b'] })

/** Each part is `ROLE id`; `2/ROLE id` is one of the second play. */
const hostWith = (host: string, parts: readonly string[], kinds: Readonly<Record<string, typeof things>> = {}): RunHost => {
  const pending = parts.map((one) => {
    const [, play = '1', role = '', id = ''] = /^(?:(\d)\/)?(\S+) (\S+)$/.exec(one) ?? []
    return { play: Number(play) - 1, role, resource: (kinds[role] ?? things)({ id }), state: '', change: CREATE }
  })
  const changes = pending.map(({ play, role, resource, change }) => ({ host, role, play, resource: keyOf(resource), ...change }))
  return { session: { host, shell: localShell(host) } as RunHost['session'], resources: pending, pending, changes, issuers: [] }
}

interface Given {
  readonly hosts: readonly RunHost[]
  readonly serial?: readonly number[]
  readonly maxFailures?: number
}

const ran = async ({ hosts, serial = [], maxFailures = 0 }: Given) => {
  made.clear()
  const told: string[] = []
  const listen = (event: Event): void => {
    if (event.type === 'change' && event.phase !== 'planned') told.push(`${event.phase} ${event.change.host} ${event.change.resource}`)
    if (event.type === 'warning') told.push(`${event.host ?? 'run'}: ${event.what}`)
  }
  const names = hosts.map(({ session }) => session.host)
  const run = runWith({
    prepared: {
      site: { plays: [1, 2].map((n) => ({ name: `play ${n}`, hosts: names, serial: n === 1 ? serial : [], maxFailures })) },
      bindings: { bound: [], flows: [] },
      targets: names,
    },
    plan: { changes: [], resources: new Map(names.map((name) => [name, 1])) },
    hosts: new Map(hosts.map((one) => [one.session.host, one])),
    listen,
  })
  const outcome = await apply(run)
  return { told, outcome }
}
const ALONE = { account: 'eve' }

describe('a change that an account of the host makes fail', () => {
  it('fails alone: changes that do not depend on it are made, in its batch, after it and in later plays', async () => {
    refusals = new Map([['/b', ALONE]])
    const { told, outcome } = await ran({ hosts: [hostWith('a', ['r /a', 'r /b', 'r /c', 's /d', '2/r /e'])] })
    expect(told).toEqual(['applied a part:/a', 'failed a part:/b', 'applied a part:/c', 'applied a part:/d', 'applied a part:/e'])
    expect(outcome).toMatchObject({ result: 'failed', hosts: [{ changed: 4, failed: 1 }], prediction: { predicted: 4, actual: 5 } })
    expect(outcome.problems.map(({ what, where }) => [what, where])).toEqual([
      ['/b not made', { host: 'a', role: 'role r', resource: 'part:/b' }],
    ])
  })

  it('skips the changes that depend on it, directly or not, and the run names them', async () => {
    refusals = new Map([['/b', ALONE]])
    const { told, outcome } = await ran({ hosts: [hostWith('a', ['r /b', 'r /c>/b', 's /d>/c', 's /e', '2/t /f>/b', '2/t /g'])] })
    expect(told).toEqual([
      'failed a part:/b',
      'applied a part:/e',
      'a: part /c, part /d were skipped, because part /b failed',
      'applied a part:/g',
      'a: part /f was skipped, because part /b failed',
    ])
    expect(outcome).toMatchObject({ result: 'failed', hosts: [{ changed: 2, failed: 1 }] })
  })

  it('can occur more than once on a host, and is reported each time', async () => {
    refusals = new Map([
      ['/a', ALONE],
      ['/c', ALONE],
    ])
    const { told, outcome } = await ran({ hosts: [hostWith('a', ['r /a', 'r /b', 'r /c', 'r /d'])] })
    expect(told).toEqual(['failed a part:/a', 'applied a part:/b', 'failed a part:/c', 'applied a part:/d'])
    expect(outcome.problems).toHaveLength(2)
  })

  it.each<[string, Partial<RefusedBatch>, Readonly<Record<string, typeof things>>]>([
    ['root controls the path', {}, {}],
    ['the host does not say which one failed', { ...ALONE, culprit: undefined }, {}],
    ['hosts share the resource', ALONE, { r: shared }],
    ['hosts change the resource in turn', ALONE, { r: ordered }],
  ])('ends its host if %s', async (_, refused, kinds) => {
    refusals = new Map([['/b', refused]])
    const { told } = await ran({ hosts: [hostWith('a', ['r /b', 'r /c', 's /d'], kinds)] })
    expect(told).toEqual([expect.stringMatching(/^failed a \w+:\/b$/)])
  })

  it('counts as a failed host in a rolling play, whose batch is completed', async () => {
    refusals = new Map([['/b', ALONE]])
    const hosts = [hostWith('a', ['r /b', 'r /c', '2/r /d']), hostWith('b', ['r /x'])]
    expect((await ran({ hosts, serial: [1] })).told).toEqual([
      'failed a part:/b',
      'applied a part:/c',
      'run: play play 1 stopped: a failed (max_failures: 0); b was not changed',
    ])
    expect((await ran({ hosts, serial: [1], maxFailures: 1 })).told).toEqual([
      'failed a part:/b',
      'applied a part:/c',
      'applied b part:/x',
      'applied a part:/d',
    ])
  })

  it('does not let other hosts wait for a skipped change that they share', async () => {
    refusals = new Map([['/b', ALONE]])
    const kinds = { o: ordered, p: part({ name: 'other', sequence: () => ['b', 'a'] }) }
    const hosts = [hostWith('a', ['r /b', 'o /c>/b', 'p /d'], kinds), hostWith('b', ['o /c>/b', 'p /d'], kinds)]
    expect((await ran({ hosts })).told.toSorted()).toContain('applied a other:/d')
  })
})

describe('a change depends on one that was not made', () => {
  const as = (resource: Resource, role = 'r', change: Partial<Change> = {}) => ({ role, resource, change: { ...CREATE, ...change } })
  const conf = file({ path: '/srv/app/conf', content: 'x' })
  const dir = directory({ path: '/srv/app' })
  const script = command({ name: 'seed', run: 'true', creates: '/srv/seeded' })
  const OPAQUE = { certainty: 'opaque' } as const
  it.each<[string, ReturnType<typeof as>, ReturnType<typeof as>]>([
    ['its path is below', as(conf, 's'), as(dir)],
    ['it has the same path', as(link({ path: '/srv/app', target: 'x' }), 's'), as(dir)],
    ['it deletes a directory above', as(directory({ path: '/srv/app', state: 'absent' }), 's', { action: 'delete' }), as(conf)],
    ['its service loads it', as(service({ unit: 'app.service', loads: [conf] }), 's'), as(conf)],
    ['its service restarts for it', as(service({ unit: 'app.service', restarts: [conf] }), 's'), as(conf)],
    [
      'its content names the path',
      as(unit({ name: 'app.service', content: '[Service]\nExecStart=/bin/app -c=/srv/app/conf\n' }), 's'),
      as(conf),
    ],
    ['its script names the path', as(command({ name: 'x', run: 'cat /srv/app/conf.', creates: '/x' }), 's'), as(conf)],
    ['its link leads there', as(link({ path: '/srv/x', target: '/srv/app' }), 's'), as(dir)],
    [
      'it needs the account',
      as(
        authorizedKeys({ user: 'ann', keys: ['ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7Yk1Wv3d0Zs0m4H1m1m1m1m1m1m1m1m1m1m1m1m1m1 a'] }),
        's',
      ),
      as(user({ name: 'ann' })),
    ],
    [
      'it needs the primary group',
      as(user({ name: 'bob', groups: ['team'] }), 's'),
      as({ kind: { name: 'group' }, id: 'team', spec: {} } as Resource),
    ],
    ['it is a script of the role', as(script, 'r', OPAQUE), as(conf)],
    ['a script of the role was not run', as(file({ path: '/etc/x', content: '' })), as(script, 'r', OPAQUE)],
  ])('if %s', (_, one, blocked) => {
    expect(dependsOn(one, blocked)).toBe(true)
  })

  it.each<[string, ReturnType<typeof as>, ReturnType<typeof as>]>([
    ['it is of the same role', as(service({ unit: 'app.service' })), as(conf)],
    ['its path is above', as(dir), as(conf)],
    ['its path begins alike', as(file({ path: '/srv/app2/conf', content: '/srv/app2 x/srv/app /srv/app-2 /srv/app_' }), 's'), as(dir)],
    ['it is a script of another role', as(script, 's', OPAQUE), as(conf)],
    ['a script of another role was not run', as(file({ path: '/etc/x', content: '' }), 's'), as(script, 'r', OPAQUE)],
    ['only a secret names the path', as(file({ path: '/etc/x', mode: '600', content: new Secret('/srv/app/conf') }), 's'), as(conf)],
    ['it names the same person', as(file({ path: '/etc/x', content: 'ann' })), as(user({ name: 'ann' }))],
    ['it is a record of provision', as({ ...conf, kind: { ...conf.kind, bookkeeping: true } }), as(dir)],
  ])('not if %s', (_, one, blocked) => {
    expect(dependsOn(one, blocked)).toBe(false)
  })

  it('and options that contain themselves are read once', () => {
    const spec: Record<string, unknown> = { id: 'x', more: ['/srv/app'] }
    spec.self = spec
    expect(dependsOn(as({ kind: things.kind, id: 'x', spec }, 's'), as(dir))).toBe(true)
    expect(dependsOn(as({ kind: things.kind, id: 'x', spec }, 's'), as(conf))).toBe(false)
  })
})

it('skipped changes are named with the one that failed', () => {
  const skipped = (resource: string, root: string) => ({ change: { resource } as PlannedChange, root })
  expect(skippedTexts([skipped('file:/a', 'file:/x'), skipped('service:b', 'user:ann'), skipped('file:/c', 'file:/x')])).toEqual([
    'file /a, file /c were skipped, because file /x failed',
    'service b was skipped, because user ann failed',
  ])
  expect(skippedTexts([])).toEqual([])
})
