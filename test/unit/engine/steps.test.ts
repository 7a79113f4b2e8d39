import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { withMount } from '../../../src/engine/apply/mounts.ts'
import { markedScript, runSteps } from '../../../src/engine/apply/run-steps.ts'
import type { Event } from '../../../src/engine/events.ts'
import type { Session } from '../../../src/engine/observe/session.ts'
import { declaring, identityChanges, markStaleHosts } from '../../../src/engine/plan/identities.ts'
import type { PendingChange } from '../../../src/engine/plan/plan-host.ts'
import type { Target } from '../../../src/host/target/connection.ts'
import type { Identities } from '../../../src/keystore/identities.ts'
import { Problem } from '../../../src/problem.ts'
import { directory } from '../../../src/resource/file/directory.ts'
import { file } from '../../../src/resource/file/file.ts'
import { text } from '../../../src/resource/kind/content.ts'
import { type Answer, HostRefusal, type Step } from '../../../src/resource/kind/step.ts'
import { raw } from '../../../src/shell/script.ts'
import { sh } from '../../../src/shell/sh.ts'
import { localShell } from './local-shell.ts'

const closed = { name: 'a', address: '127.0.0.1', port: 1, user: 'ops', keys: [], jump: [], knownHosts: [] } as unknown as Target
const sessionOf = (host: string): Session => ({ host, shell: localShell(host), target: closed }) as unknown as Session

/** Runs steps on the host `a`, and returns their answers or errors, and the events. */
const SIGNAL = new AbortController().signal

const run = async (steps: readonly Step[], identities: Partial<Identities> = {}, certified: (words: string) => unknown = () => {}) => {
  const answers: (Answer | string)[] = []
  const events: Event[] = []
  const listen = (event: Event): unknown => events.push(event)
  const each = function* () {
    for (const step of steps)
      try {
        answers.push((yield step) as Answer)
      } catch (error) {
        answers.push(error instanceof Error ? error.message : String(error))
      }
  }
  const sessions = new Map([['b', sessionOf('b')]])
  const context = {
    sessions,
    listen,
    identities: identities as Identities,
    signal: SIGNAL,
    certified: (...words: string[]) => certified(words.join(' ')),
  }
  await runSteps(each(), sessionOf('a'), context, 'doing something')
  return { answers, events }
}

describe('the marks of a step', () => {
  const marksOf = (script: string, installs: boolean): string => {
    const scratch = mkdtempSync(join(tmpdir(), 'marks-'))
    const { status } = spawnSync('sh', ['-c', String(markedScript(sh`${raw(script)}`, installs))], { env: { ...process.env, T: scratch } })
    const marks = readdirSync(scratch)
      .toSorted()
      .map((name) => name.replace(/\d+/, 'N'))
    rmSync(scratch, { recursive: true })
    return [...marks, `exit ${status}`].join(' ')
  }

  it('enclose it', () => {
    expect(marksOf('[ -e "$T"/step.*.from ] && [ ! -e "$T"/step.*.to ] && exit 3', false)).toBe('step.N.from step.N.to exit 3')
  })

  it('enclose an installation from its beginning', () => {
    expect(marksOf(': >"$installing.from"; [ ! -e "$installing.to" ] && exit 3', true)).toBe('install.N.from install.N.to exit 3')
    expect(marksOf('exit 75', true)).toBe('exit 75')
  })
})

describe('a step', () => {
  it('that installs packages is marked as that', async () => {
    const script = sh`: >"$installing.from"; ls "$T"`
    const { answers } = await run([{ do: 'shell', script, installs: true }])
    expect(answers.map((one) => (typeof one === 'string' ? one : one.stdout.toString()))).toEqual([
      expect.stringMatching(/^(i\n)?install\.\d+\.from\n$/),
    ])
  })

  it('runs on its own host, on another host of the run, and not on a host outside it', async () => {
    const { answers } = await run([
      { do: 'shell', script: sh`cat; echo err >&2; exit 3`, input: Buffer.from('given') },
      { do: 'shell', script: sh`echo there`, on: 'b' },
      { do: 'shell', script: sh`echo nowhere`, on: 'c' },
      { do: 'shell', script: sh`echo again` },
    ])
    expect(
      answers.map((one) => (typeof one === 'string' ? one : `${one.code} ${one.stdout.toString().trim()} ${one.stderr.trim()}`)),
    ).toEqual(['3 given err', '0 there ', 'c: host is needed for a change of another host and is not part of this run', '0 again '])
  })

  it('shows what the host is doing while its script runs, and no other output', async () => {
    const given: string[] = []
    const talking = (onLine: ((line: string) => void) | undefined) => {
      for (const line of ['provision-doing: unpacking nginx', 'provision-done: no', 'doing: nothing']) onLine?.(line)
      return Promise.resolve({ code: 0, stdout: Buffer.alloc(0), stderr: '' })
    }
    const session = {
      ...sessionOf('a'),
      shell: { ...localShell('a'), request: (_: string, asked = {}) => talking(asked.onLine) },
    } as Session
    const steps = function* () {
      yield { do: 'shell' as const, script: sh`true`, doing: 'installing' }
    }
    const listen = (event: Event): unknown => event.type === 'doing' && given.push(`${event.host} ${event.what}`)
    const context = { sessions: new Map(), listen, identities: {} as Identities, signal: SIGNAL, certified: () => {} }
    await runSteps(steps(), session, context, 'x')
    expect(given).toEqual(['a installing', 'a unpacking nginx'])
  })

  it('that is a notice is printed as a note or a warning', async () => {
    const { events, answers } = await run([
      { do: 'notice', what: 'one' },
      { do: 'notice', what: 'two', warn: true },
    ])
    expect(events).toEqual([
      { type: 'note', host: 'a', what: 'one' },
      { type: 'warning', host: 'a', what: 'two' },
    ])
    expect(answers).toMatchObject([{ code: 0 }, { code: 0 }])
  })

  it('of an identity gets the chain, and shows what the identity does', async () => {
    const step: Step = { do: 'identity', identity: 'authority:edge', request: 'csr', names: ['x'], doing: 'ordering' }
    const recorded: string[] = []
    const issue: Identities['issue'] = async (key, { request, names }, doing) => {
      // An interrupted run must not leave a certificate that the record does not list.
      expect(recorded).toEqual(['a authority:edge'])
      doing('waiting for the authority')
      return `${key} ${request} ${names}`
    }
    const { answers, events } = await run([step], { issue }, (words) => recorded.push(words))
    expect(answers).toMatchObject([{ code: 0, stdout: Buffer.from('authority:edge csr x') }])
    expect(events.map((event) => ('what' in event ? event.what : ''))).toEqual(['ordering', 'waiting for the authority'])
  })

  it('that reconnects in vain is an answer, not an error', async () => {
    const { answers, events } = await run([{ do: 'reconnect', script: sh`true`, withinMs: 1 }])
    expect(answers).toMatchObject([{ code: 255, stderr: expect.stringMatching(/./) }])
    expect(events[0]).toMatchObject({ what: 'reconnecting to confirm access' })
  })
})

describe('a refusal because of a full disk', () => {
  const full = (why: string) => new HostRefusal('not written', why)
  const work = [{ resource: file({ path: '/proc/none/x', content: '' }) }] as unknown as readonly PendingChange[]

  it('names the mount of the path, as the host reports it', async () => {
    const refused = await withMount(full('tar: No space left on device'), sessionOf('a'), work)
    expect(refused.what).toMatch(/^not written: \/\S* is full$/)
    expect(refused.why).toMatch(/^tar: No space left on device\n\/\S* has \d+ (KB|inodes) left$/)
    const folder = [{ resource: directory({ path: '/proc/none/x' }) }] as unknown as readonly PendingChange[]
    expect((await withMount(full('mkdir: No space left on device'), sessionOf('a'), folder)).what).toMatch(/ is full$/)
    const readOnly = await withMount(full('Read-only file system'), sessionOf('a'), work)
    expect(readOnly.what).toMatch(/^not written(: \/\S* is mounted read-only)?$/)
  })

  it('asks the host only then', async () => {
    const other = full('permission denied')
    const silent = { ...sessionOf('a'), shell: { ...localShell('a'), request: () => expect.fail('asked') } } as unknown as Session
    expect(await withMount(other, silent, work)).toBe(other)
  })

  it('stays as it is if the host does not answer', async () => {
    const refused = full('Disk quota exceeded')
    const lost = {
      ...sessionOf('a'),
      shell: { ...localShell('a'), request: () => Promise.reject(new Error('lost')) },
    } as unknown as Session
    expect(await withMount(refused, lost, work)).toBe(refused)
  })

  it('reads sizes, mounts with spaces excluded, and file systems without a limit of inodes', async () => {
    const mounts = ['12 / 0 rw,relatime', '999999 /srv - ro,nosuid', 'nonsense', '5 relative 3 rw'].join('\n')
    const says = {
      ...sessionOf('a'),
      shell: { ...localShell('a'), request: async () => ({ code: 0, stdout: Buffer.from(mounts), stderr: '' }) },
    }
    const at = async (why: string): Promise<string> => (await withMount(full(why), says as unknown as Session, work)).what
    expect(await at('Read-only file system')).toBe('not written: /srv is mounted read-only')
    expect(await at('No space left on device')).toBe('not written: / is full')
  })
})

describe('identities in a plan', () => {
  const missing = (...keys: readonly string[]): Identities =>
    ({ missing: () => keys.map((key) => ({ key, action: 'create', reason: 'missing' })) }) as unknown as Identities

  it('are changes of the controller, under the first selected role that declares them', () => {
    const declarers = new Map([
      ['authority:edge', new Set(['nginx', 'haproxy'])],
      ['authority:database', new Set(['mysql'])],
    ])
    const changes = identityChanges(missing('authority:edge', 'authority:database', 'age-key'), declarers, (role) => role !== 'nginx')
    expect(changes.map(({ host, role, resource, certainty, play }) => [host, role, resource, certainty, play])).toEqual([
      ['controller', 'haproxy', 'authority:edge', 'exact', 0],
      ['controller', 'mysql', 'authority:database', 'exact', 0],
      ['controller', 'haproxy', 'age-key', 'exact', 0],
    ])
    expect(identityChanges(missing('authority:edge'), declarers, (role) => role === 'mysql')).toEqual([])
  })

  it('are recorded with every role that declares them', () => {
    const declarers = new Map<string, Set<string>>()
    const given = { acmeAccount: () => ({ key: 'acme' }), authority: ({ domain }: { domain: string }) => ({ key: `authority:${domain}` }) }
    const { acmeAccount, authority } = declaring(given as unknown as Identities, declarers)
    const edge = { domain: 'edge' } as Parameters<typeof authority>[1]
    expect([acmeAccount('nginx', {} as never).key, authority('nginx', edge).key, authority('haproxy', edge).key]).toEqual([
      ...['acme', 'authority:edge', 'authority:edge'],
    ])
    expect(declarers).toEqual(
      new Map([
        ['acme', new Set(['nginx'])],
        ['authority:edge', new Set(['nginx', 'haproxy'])],
      ]),
    )
  })

  it('get the hosts that update a file with their certificate', () => {
    const certificate = { later: 'the certificate', get: () => undefined }
    const resource = file({ path: '/etc/ca', content: text`${certificate}` })
    const planned = (host: string, action: 'create' | 'update') =>
      ({ session: { host }, pending: [{ role: 'r', resource, change: { action } }] }) as unknown as Parameters<
        typeof markStaleHosts
      >[1][number]
    const stale: string[] = []
    const identities = {
      markStale: (value: unknown, host: string) => stale.push(`${host} ${value === certificate}`),
    } as unknown as Identities
    markStaleHosts(identities, [planned('new', 'create'), planned('old', 'update')])
    expect(stale).toEqual(['old true'])
  })
})

it('a problem is thrown into the steps, which may continue', async () => {
  const lost = new Problem({ class: 'unreachable', where: { host: 'a' }, what: 'was lost', fix: 'look' })
  const session = { ...sessionOf('a'), shell: { ...localShell('a'), request: () => Promise.reject(lost) } } as unknown as Session
  const steps = function* () {
    yield { do: 'shell' as const, script: sh`true` }
  }
  const context = { sessions: new Map(), listen: () => {}, identities: {} as Identities, signal: SIGNAL, certified: () => {} }
  await expect(runSteps(steps(), session, context, 'x')).rejects.toBe(lost)
})
