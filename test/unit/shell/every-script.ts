import { join } from 'node:path'
import { FACTS_SCRIPT } from '../../../src/engine/observe/facts.ts'
import { queryHost } from '../../../src/engine/observe/host-query.ts'
import { resourcesOf } from '../../../src/engine/plan/resources.ts'
import { answerLoop, runScript, startCommand } from '../../../src/host/shell/answer-loop.ts'
import { KEEP } from '../../../src/lab/keep.ts'
import type { Change, Resource } from '../../../src/resource/kind/kind.ts'
import type { Steps } from '../../../src/resource/kind/step.ts'
import { drainScript, undrainInterruptedScript, undrainScript } from '../../../src/resource/ownership/drained.ts'
import { orphan } from '../../../src/resource/ownership/orphan.ts'
import { bindRoles } from '../../../src/role/bind.ts'
import { findRoles, loadRoles } from '../../../src/role/discover.ts'
import type { Facts, HostView } from '../../../src/role/role.ts'
import { sh } from '../../../src/shell/sh.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { scriptOf } from '../../../src/testing/query-script.ts'
import { listed, SAMPLES, seenNothing } from '../resource/samples.ts'

/** A script, and where it comes from. */
export interface NamedScript {
  readonly name: string
  readonly text: string
}

const ROOT = join(import.meta.dirname, '../../..')

const change = (action: Change['action']): Change => ({ action, certainty: 'exact', reason: 'differs', differences: [] })

/** The scripts of a change, at a host that says yes to everything; a kind may not believe that, and end with an error. */
const scriptsIn = (name: string, steps: Steps): readonly NamedScript[] => {
  const texts: string[] = []
  const take = ({ value, done }: ReturnType<Steps['next']>): boolean => {
    if (done !== true && 'script' in value) texts.push(String(value.script))
    return done !== true && texts.length < 20
  }
  try {
    const isAsked = (): boolean => texts.at(-1)?.includes("SELECT 'end'") ?? false
    for (let goOn = take(steps.next()); goOn; )
      goOn = take(steps.next({ code: 0, stdout: Buffer.from(isAsked() ? 'down\n' : ''), stderr: '' }))
  } catch {}
  return texts.map((text, i) => ({ name: `${name} ${i}`, text }))
}

/** The scripts that every kind sends for its samples: to observe, to apply and to revert them. */
const ofKinds = (): readonly NamedScript[] =>
  listed.flatMap(({ name, kind, sample, spec }) => {
    const states = [seenNothing(name), sample.asWanted(7)].map((state) => (name === 'nftables' && state === 'absent' ? {} : state))
    const works = states.flatMap((state) =>
      (['create', 'update', 'delete', 'run'] as const).map((action) => [
        { id: kind.id(spec(7)), spec: spec(7), state, change: change(action) },
      ]),
    )
    return [
      { name: `${name} observe`, text: scriptOf(kind.observe([1, 2, 3].map(spec))) },
      ...works.flatMap((work) => {
        const action = work[0]?.change.action
        return [
          ...scriptsIn(`${name} ${action}`, kind.apply(work)),
          ...(kind.revert === undefined ? [] : scriptsIn(`${name} revert ${action}`, kind.revert(work))),
          ...(kind.before === undefined ? [] : [{ name: `${name} before ${action}`, text: textOf(() => kind.before?.(work).script) }]),
        ]
      }),
    ]
  })

const textOf = (script: () => unknown): string => {
  try {
    return String(script())
  } catch {
    return ''
  }
}

/** The scripts for orphans. */
const ofOrphans = (): readonly NamedScript[] => {
  const digest = 'a'.repeat(64)
  const all = [
    { key: 'file:/srv/a b', path: '/srv/a b', digest, text: `file:/srv/a%20b /srv/a%20b ${digest}` },
    { key: 'link:/srv/l', path: '/srv/l', digest: '->/srv', text: 'link:/srv/l /srv/l ->/srv' },
    { key: 'unit:nginx.service.d/x.conf', path: '/etc/systemd/system/nginx.service.d/x.conf', digest, text: 'unit:nginx.service.d/x.conf' },
    { key: 'unit:x.service', path: '/etc/systemd/system/x.service', digest, text: 'unit:x.service' },
  ]
  return all.flatMap((owned) => {
    const { kind, id, spec } = orphan({ role: 'web', owned, prune: true }) as Resource & { kind: (typeof listed)[number]['kind'] }
    const state = { recorded: true, inode: { type: 'f', mode: '644', owner: 'root', group: 'root', target: '' }, within: [] }
    return [
      { name: `orphan ${owned.key} observe`, text: scriptOf(kind.observe([spec])) },
      ...scriptsIn(`orphan ${owned.key}`, kind.apply([{ id, spec, state, change: change('delete') }])),
    ]
  })
}

/** The lab's site, and options that it does not use, for all of its hosts. */
const SITES: Readonly<Record<string, string>> = {
  lab: '',
  replica: 'mysql: { topology: replica }',
  backups: `mysql:
    backups: { recipients: [age1cucy0ntxyydd6al6ncc35ngvqpknry4m79v5kap7n546tfexqcaqy9u33e] }
    users: [{ name: shop, password: long enough to be a secret, grants: [{ on: shop.* }] }]`,
}

const AUTHORITY = {
  certificate: { later: 'its certificate', get: () => undefined },
  trusted: () => [],
}

const FACTS: Omit<Facts, 'hostname' | 'sshAddress'> = {
  ...{ distribution: 'debian', release: '12', codename: 'bookworm', architecture: 'amd64', memoryMB: 4096, cpus: 2 },
  ...{ sshPort: 22, sshPorts: [22], clientAddress: '10.78.0.1', container: false, rsyslog: false },
  networks: [{ interface: 'eth0', network: '10.78.0.0/24' }],
}

/** The scripts that all roles of a site send, and those that they write to its hosts. */
const ofSite = async (label: string, vars: string): Promise<readonly NamedScript[]> => {
  const raw = await readProject({ root: ROOT, inventory: 'inventory/lab.yaml', env: { HOME: '/root' } })
  const inventory = raw.inventory.map(({ path, text }) => ({ path, text: text.replace(/^vars:\n/m, (line) => `${line}  ${vars}\n`) }))
  const roles = findRoles(ROOT)
  const site = buildSite({ ...raw, inventory }, { knownRoles: [...roles.keys()] })
  const bindings = bindRoles(site, await loadRoles(roles, new Set(site.plays.flatMap((play) => play.roles.map(({ name }) => name)))))
  const identities = {
    acmeAccount: () => ({ key: 'acme-account:letsencrypt', thumbprint: { later: 'thumbprint', get: () => undefined } }),
    authority: (_: string, { domain }: { domain: string }) => ({
      ...AUTHORITY,
      key: `authority:${domain}`,
      zone: `${domain}.provision.internal`,
      nameOf: (name: string) => `${name}.${domain}.provision.internal`,
    }),
  }
  return [...site.hosts.keys()].flatMap((host) => {
    const facts = { ...FACTS, hostname: host, sshAddress: '10.78.0.11' }
    const placed = resourcesOf(host, facts, { bindings, identities, files: () => [PAGE], listen: () => {} })
    const mine = bindings.bound.filter((bound) => bound.host === host)
    return [
      { name: `${label} ${host} observe`, text: String(queryHost(host, placed).script).replaceAll(/[0-9a-f]{32}/g, 'MARK') },
      ...placed.flatMap(({ role, resource }) => ofResource(`${label} ${host} ${role}`, resource)),
      ...mine.flatMap(({ role, context: own }) => {
        const context = { ...own, flows: bindings.flows }
        return [
          ...(role.serves === undefined ? [] : [{ name: `${label} ${host} ${role.name} serves`, text: String(role.serves(context)) }]),
          ...(role.verify?.(context) ?? []).map(({ name, script }) => ({
            name: `${label} ${host} ${role.name} verify ${name}`,
            text: String(script),
          })),
          ...context.site.hosts.flatMap((member) => ofDrain(`${label} ${host} ${role.name} drain`, role.drains?.(context, member), member)),
        ]
      }),
    ]
  })
}

const PAGE = {
  path: 'page',
  content: { type: 'local', path: '/p/page', sha256: 'a'.repeat(64), size: 6, open: () => Buffer.from('sample') },
} as const

const ofDrain = (
  name: string,
  drain: { readonly out: unknown; readonly back: unknown } | undefined,
  member: HostView,
): readonly NamedScript[] =>
  drain === undefined
    ? []
    : [
        { name: `${name} ${member.name} out`, text: String(drain.out) },
        { name: `${name} ${member.name} back`, text: String(drain.back) },
      ]

const ofResource = (from: string, resource: Resource): readonly NamedScript[] => {
  const { kind, id, spec } = resource
  const name = `${from} ${kind.name}:${id}`
  const state = kind.name === 'nftables' ? {} : seenOf(kind.name)
  const work = [{ id, spec, state, change: change('create') }]
  return [...(kind.name in SAMPLES ? scriptsIn(`${name} apply`, kind.apply(work)) : []), ...writtenIn(name, kind.content?.(spec))]
}

const seenOf = (kind: string): unknown => (kind === 'authorized-keys' ? SAMPLES[kind]?.asWanted(7) : seenNothing(kind))

/** Files that are shell scripts, and what units run by a shell. */
const writtenIn = (name: string, content: Parameters<typeof shown>[0]): readonly NamedScript[] => {
  const text = shown(content)
  if (/^#!\s*\/bin\/sh\b/.test(text)) return [{ name, text }]
  return [...text.matchAll(/^Exec\w+=[-+!:@]*\/bin\/sh -e?c '([^\n]*)'(?: .*)?$/gm)].map(([, script = ''], i) => ({
    name: `${name} Exec ${i}`,
    // systemd replaces these before the shell sees them (systemd.service(5), COMMAND LINES).
    text: script.replaceAll('$$', '$').replaceAll('%%', '%').replaceAll(String.raw`\'`, "'").replaceAll('\\\\', '\\'),
  }))
}

const shown = (content: { readonly type: string; readonly parts?: readonly unknown[] } | undefined): string =>
  (content?.parts ?? []).map((part) => (typeof part === 'string' ? part : 'later')).join('')

const WORD = '0123456789abcdef'.repeat(2)
const HOLDER = { user: 'ops', machine: 'laptop', command: "provision run 'x'", since: '2026-01-01T00:00:00Z', pid: 1 }

/** The scripts that open, lock and keep a root shell on a host, and those that the lab runs here. */
const ofHost = (): readonly NamedScript[] =>
  [
    ['start command', startCommand(WORD, ['sudo', '-n'])],
    ['answer loop without a lock', answerLoop(WORD, undefined)],
    ['answer loop with a lock', answerLoop(WORD, { holder: HOLDER, wait: false })],
    ['answer loop that waits', answerLoop(WORD, { holder: HOLDER, wait: true })],
    ['exec', runScript(WORD, "echo 'a b'")],
    ['facts', FACTS_SCRIPT],
    ['take out', drainScript('web 1', 'haproxy-tls', sh`echo out`)],
    ['put back', undrainScript('web 1', 'haproxy-tls', sh`echo back`)],
    ['put back what was left', undrainInterruptedScript(['haproxy-tls'], [{ member: 'web 1', role: 'haproxy-tls' }])],
    ['put back all', undrainInterruptedScript([])],
    ['lab keeper', KEEP],
  ].map(([name = '', text]) => ({ name: `host ${name}`, text: String(text) }))

/** Returns the common form of scripts that differ only in names, paths and numbers. */
const shapeOf = (text: string): string =>
  text
    .replaceAll(/'[^']*'/g, "''")
    .replaceAll(/[\w.:-]*\/[^\s'";)]*|[\w@.-]+\.(service|timer|socket|slice)\b/g, 'NAME')
    .replaceAll(/[0-9a-f]{8,}|\d+/g, '0')
    .replaceAll(/NAME( NAME)+/g, 'NAME')

/** Every script that provision sends to a host, writes there, or runs here; one of each shape. */
export const everyScript = async (): Promise<readonly NamedScript[]> => {
  const sites = await Promise.all(Object.entries(SITES).map(([label, vars]) => ofSite(label, vars)))
  const all = [...ofHost(), ...ofKinds(), ...ofOrphans(), ...sites.flat()]
  const shapes = Map.groupBy(
    all.filter(({ text }) => text.trim() !== ''),
    ({ text }) => shapeOf(text),
  )
  return [...shapes.values()].flatMap(([first]) => first ?? [])
}
