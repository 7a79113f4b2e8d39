import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { down, referenceLab, up } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

const SUBNET = '10.79.39'
const project = referenceProject('t-rolling', SUBNET)
const spec = referenceLab(project, SUBNET)
const HOSTS = ['lb-01', 'web-01', 'web-02']

/** Every host records its actions; all hosts have the same clock. */
const LOG = 'log() { mkdir -p /srv; echo "$(date +%s%N) $*" >>/srv/log; }; '

const BALANCER = `import { defineRole, z } from 'provision'
export default defineRole({
  name: 'balancer',
  summary: 'takes hosts out by a mark',
  options: z.strictObject({}),
  resources: () => [],
  drains: (_, { name, groups }) =>
    groups.includes('web')
      ? { out: \`${LOG}log \${name} out\`, back: \`${LOG}log \${name} in; [ ! -e /srv/ill ] || { echo no answer >&2; exit 1; }\` }
      : undefined,
})
`

// A version that can be reverted, followed by a command that a host may refuse or delay.
const APP = `import { defineKind, defineRole, requireSuccess, z } from 'provision'
const seen = (path) => ({ script: \`[ ! -e \${path} ] || cat \${path}\`, parse: (stdout) => new Map([['app', stdout.toString().trim()]]) })
const plan = ({ version }, seen) =>
  seen === version ? undefined : { action: 'update', certainty: 'exact', reason: seen + ' → ' + version, differences: [] }
const schema = z.strictObject({ host: z.string(), version: z.string() })
const version = defineKind({
  name: 'version', schema, id: () => 'app', observe: () => seen('/srv/version'), plan, orphan: { forget: true },
  *apply([{ spec }]) {
    requireSuccess(yield { do: 'shell', script: \`${LOG}log \${spec.host} gets \${spec.version}; [ ! -e /srv/version ] || cp /srv/version /srv/before; echo \${spec.version} >/srv/version\` }, 'no')
  },
  *revert() {
    requireSuccess(yield { do: 'shell', script: '[ ! -e /srv/before ] || mv /srv/before /srv/version' }, 'no')
  },
})
const step = defineKind({
  name: 'step', schema, id: () => 'app', observe: () => seen('/srv/step'), plan, orphan: { forget: true },
  *apply([{ spec }]) {
    const script = \`[ ! -e /srv/slow ] || sleep 3; [ ! -e /srv/refuses ] || { echo 'I will not' >&2; exit 1; }; echo \${spec.version} >/srv/step\`
    requireSuccess(yield { do: 'shell', script, doing: 'making its step' }, 'the step was refused')
  },
})
export default defineRole({
  name: 'app', summary: 'a version', options: z.strictObject({ version: z.string() }),
  resources: ({ host, options }) => [version({ host: host.name, ...options }), step({ host: host.name, ...options })],
})
`

const bring = (version: string): void =>
  project.write(
    'playbooks/site.yaml',
    `- name: web servers\n  hosts: web\n  serial: 1\n  roles: [{ app: { version: '${version}' } }]\n- hosts: load_balancers\n  roles: [balancer]\n`,
  )

const on = (host: string, command: string): string => project.provision('exec', host, '--sudo', '--', 'sh', '-c', command).stdout.trim()
const versions = (): readonly string[] => ['web-01', 'web-02'].map((host) => on(host, 'cat /srv/version'))
const marks = (): string => on('lb-01', 'ls /var/lib/provision/drained')

/** The actions on all hosts since the last call, in order. */
const log = (): readonly string[] =>
  HOSTS.flatMap((host) => on(host, 'cat /srv/log 2>/dev/null; rm -f /srv/log').split('\n'))
    .filter((line) => line !== '')
    .sort()
    .map((line) => line.replace(/^\d+ /, ''))

const turn = (host: string, version: string): readonly string[] => [`${host} out`, `${host} gets ${version}`, `${host} in`]

beforeAll(async () => {
  project.write('roles/balancer.ts', BALANCER)
  project.write('roles/app.ts', APP)
  bring('1')
  await up(spec)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a play with serial: 1', () => {
  it('drains one host after the other, and shows it in the plan, during the run and in JSON', () => {
    expect(project.provision('run', '--dry-run').stdout).toContain('\n  one at a time; each is drained from lb-01 while it changes\n')
    expect(log()).toEqual([])
    const { status, lines, stderr } = project.json('run')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(log()).toEqual([...turn('web-01', '1'), ...turn('web-02', '1')])
    const told = lines.filter(({ type }) => type === 'rolling').map(({ phase, host }) => `${phase} ${host ?? ''}`)
    expect(told).toEqual(['planned ', 'out web-01', 'back web-01', 'out web-02', 'back web-02'])
    expect(project.provision('run').status).toBe(0)
    expect(log()).toEqual([])
    expect(marks()).toBe('')
  })

  it('reaches the balancer also where it is not within --limit', () => {
    bring('2')
    const { status, stdout } = project.provision('run', '--limit', 'web')
    expect(status).toBe(0)
    expect(stdout).toMatch(/\nweb-01 {2}drained from lb-01 {2}0\.\d s\n[\s\S]*\nweb-01 {2}returned to lb-01/)
    expect(log()).toEqual([...turn('web-01', '2'), ...turn('web-02', '2')])
  })

  it('stops at the first host that refuses a change, restores its previous state, and leaves the others unchanged', () => {
    bring('3')
    on('web-01', 'touch /srv/refuses')
    const { status, stdout, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stderr).toContain('I will not')
    expect(stdout).toContain('play web servers stopped: web-01 failed (max_failures: 0); web-02 was not changed')
    expect(stdout).toContain('version app was restored to its state before this run  web-01')
    expect(log()).toEqual(turn('web-01', '3'))
    expect(versions()).toEqual(['2', '2'])
    on('web-01', 'rm /srv/refuses')
  })

  it('stops at the first host that stays unhealthy', () => {
    on('lb-01', 'touch /srv/ill')
    const { status, stderr } = project.provision('run')
    expect(status).toBe(1)
    expect(stderr).toMatch(/web-01 › role balancer on lb-01[\s\S]*lb-01 does not find web-01 healthy\n {2}why {2}no answer/)
    expect(log()).toEqual([...turn('web-01', '3'), 'web-01 in'])
    expect(versions()).toEqual(['2', '2'])
    on('lb-01', 'rm /srv/ill')
  })

  it('returns the current host to the balancer if it is interrupted, and begins no other', async () => {
    bring('4')
    on('web-01', 'touch /srv/slow')
    const run = project.start('run')
    const ended = once(run, 'exit')
    while (!on('web-01', 'cat /srv/log').includes('gets')) await sleep(100)
    run.kill('SIGINT')
    expect(await ended).toEqual([130, null])
    expect(log()).toEqual(turn('web-01', '4'))
    expect(marks()).toBe('')
    on('web-01', 'rm /srv/slow')
  })

  it('leaves a host drained if it is killed, which any next run predicts and repairs', () => {
    bring('5')
    const killed = fileURLToPath(new URL('support/interrupted-run.ts', import.meta.url))
    const { signal } = spawnSync(process.execPath, [killed, 'web-01 doing making its step'], { cwd: project.root, env: project.env })
    expect(signal).toBe('SIGKILL')
    expect(log()).toEqual(['web-01 out', 'web-01 gets 5'])
    expect(marks()).toBe('web-01@balancer')

    const predicted = project.json('run', '--dry-run', '--role', 'balancer')
    expect(changes(predicted.lines, 'planned')).toEqual(['lb-01 update drained:balancer'])
    expect(project.provision('run', '--role', 'app', '--limit', 'lb-01').status).toBe(3)
    expect(project.provision('run', '--role', 'balancer').status).toBe(0)
    expect(log()).toEqual(['web-01 in'])
    expect(marks()).toBe('')

    expect(project.provision('run').status).toBe(0)
    expect(versions()).toEqual(['5', '5'])
    expect(log()).toEqual([...['web-01 out', 'web-01 in'], ...turn('web-02', '5')])
  })
})
