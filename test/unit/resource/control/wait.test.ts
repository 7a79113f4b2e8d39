import { spawn } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { type WaitState, wait } from '../../../../src/resource/control/wait.ts'
import { ABSENT } from '../../../../src/resource/kind/inode.ts'
import { HostRefusal } from '../../../../src/resource/kind/step.ts'
import { NOTHING } from '../answers.ts'
import { faultsOf } from '../faults.ts'
import { context } from '../recorded.ts'
import { here } from '../run-here.ts'

const { kind } = wait
const asWait = (options: Parameters<typeof wait>[0]) => wait({ withinSeconds: 1, everySeconds: 0.1, ...options })

// A server in a process of its own: the tests wait for the host's programs.
let server: ReturnType<typeof spawn>
let port = 0
beforeAll(async () => {
  const program = `const s = require('http').createServer((q, r) => { r.statusCode = q.url === '/bad' ? 503 : 200; r.end('all is well') });
s.listen(0, '127.0.0.1', () => console.log(s.address().port))`
  server = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  port = await new Promise((resolve) => server.stdout?.once('data', (text) => resolve(Number(text))))
})
afterAll(() => server.kill())

const host = () => {
  const made = here()
  onTestFinished(made.remove)
  const reasons = (...waits: readonly ReturnType<typeof wait>[]) => made.plan(...waits).map(({ change }) => change.reason)
  const apply = (one: ReturnType<typeof wait>) =>
    made.apply(
      [{ id: one.id, spec: one.spec, state: {}, change: { action: 'run', certainty: 'dependent', reason: '', differences: [] } }],
      kind,
    )
  return { ...made, reasons, apply }
}
const CLOSED = 1

describe('a wait', () => {
  it('is no change if it holds, and says what it waits for otherwise', () => {
    const { reasons, at, sh } = host()
    sh(': >there')
    const url = (path: string) => `http://127.0.0.1:${port}${path}`
    expect(
      reasons(
        asWait({ port }),
        asWait({ port: CLOSED }),
        asWait({ port: CLOSED, address: '::1' }),
        asWait({ path: at('there') }),
        asWait({ path: at('missing') }),
        asWait({ path: at('there'), state: 'absent' }),
        asWait({ path: at('gone'), state: 'absent' }),
        asWait({ url: url('/') }),
        asWait({ url: url('/?well'), text: 'is well' }),
        asWait({ url: url('/?bad'), text: 'is bad' }),
        asWait({ url: url('/bad') }),
        asWait({ name: 'expected', url: url('/bad'), status: 503 }),
        asWait({ url: `http://127.0.0.1:${CLOSED}/` }),
        asWait({ name: 'yes', condition: 'true' }),
        asWait({ name: 'no', condition: 'exit 1' }),
        asWait({ name: 'broken', condition: 'surely-no-program' }),
      ),
    ).toEqual([
      `waits for port 127.0.0.1:${CLOSED} (now: Connection refused)`,
      expect.stringMatching(/^waits for port \[::1\]:1 \(now: (Connection refused|Cannot assign requested address)\)$/),
      `waits for ${at('missing')} (now: missing)`,
      `waits for the end of ${at('there')} (now: there)`,
      `waits for ${url('/?bad')} (now: no such text)`,
      `waits for ${url('/bad')} (now: status 503)`,
      `waits for http://127.0.0.1:${CLOSED}/ (now: no answer)`,
      'waits for no (now: it does not hold)',
      expect.stringMatching(/^waits for broken \(now: exit 127: .*surely-no-program.*\)$/),
    ])
  })

  it('waits until it holds, and fails with the last answer', () => {
    const { apply, at, sh } = host()
    expect(apply(asWait({ port }))).toBeUndefined()
    expect(apply(asWait({ url: `http://127.0.0.1:${port}/`, text: 'all is well' }))).toBeUndefined()
    sh('(sleep 0.3; : >late) >/dev/null 2>&1 &')
    expect(apply(asWait({ path: at('late'), withinSeconds: 10 }))).toBeUndefined()
    expect(apply(asWait({ name: 'it', condition: `[ -e ${at('late')} ]` }))).toBeUndefined()
    expect(apply(asWait({ path: at('late'), state: 'absent' }))).toMatchObject({
      ...{ what: `the end of ${at('late')} did not come within 1 s`, why: 'there', culprit: `the end of ${at('late')}` },
    })
    expect(apply(asWait({ port: CLOSED }))?.why).toBe('Connection refused')
  })

  it('is planned after a change of what it names, also if it holds now', () => {
    const { spec } = asWait({ unit: 'app.service', when: ['service:app.service'] })
    const named = { ...spec, triggers: [{ key: 'service:app.service', files: [] }] }
    const plan = (open: string, key = '') => kind.plan(named, { open }, { ...context, changes: (other) => other === key })
    expect(plan('')).toBeUndefined()
    expect(plan('', 'service:app.service')).toEqual({
      ...{ action: 'run', certainty: 'dependent', differences: [], causes: ['service:app.service'] },
      reason: 'waits for app.service after service:app.service',
    })
    expect(plan('inactive')?.reason).toBe('waits for app.service (now: inactive)')
  })

  it('reads the state of a unit, and no silence', () => {
    const states = (...waits: readonly ReturnType<typeof wait>[]) => {
      const units = new Map([
        ['a.service', new Map([['ActiveState', 'active']])],
        ['b.service', new Map([['ActiveState', 'failed']])],
      ])
      const answers = { ...NOTHING, inodes: new Map([['/a', ABSENT] as const]), units }
      return [
        ...kind
          .observe(waits.map(({ spec }) => spec))
          .parse(Buffer.from('1 yes\n9 no x\n'), answers)
          .values(),
      ].map(({ open }: WaitState) => open)
    }
    expect(states(asWait({ unit: 'a.service' }), asWait({ port: 1 }), asWait({ unit: 'b.service' }), asWait({ port: 2 }))).toEqual([
      ...['', '', 'failed', 'no answer'],
    ])
  })

  it('needs curl for a URL', () => {
    const { spec } = asWait({ url: 'http://127.0.0.1/' })
    expect(kind.forbids?.(spec, { open: 'no curl' }, context)).toBeInstanceOf(HostRefusal)
    expect(kind.forbids?.(spec, { open: 'no curl' }, { ...context, packagesPending: true })).toBeUndefined()
    expect(kind.forbids?.(spec, { open: 'no answer' }, context)).toBeUndefined()
  })

  it.each<[object, readonly string[]]>([
    [{}, ['condition']],
    [{ port: 80, path: '/a' }, ['condition']],
    [{ port: 0 }, ['port']],
    [{ port: 80, address: 'localhost' }, ['address']],
    [{ path: '/a', address: '::1' }, ['address']],
    [{ port: 80, state: 'absent' }, ['state']],
    [{ port: 80, status: 200, text: 'a' }, ['status', 'text']],
    [{ url: 'file:///etc/passwd' }, ['url']],
    [{ url: 'http://a/"\n' }, ['url']],
    [{ url: 'http://a/b c' }, ['url']],
    [{ condition: 'true' }, ['name']],
    [{ unit: 'a b' }, ['unit']],
    [{ port: 80, withinSeconds: 0, everySeconds: 0, when: [] }, ['when', 'withinSeconds', 'everySeconds']],
  ])('is refused: %j', (options, faults) => {
    expect(faultsOf(wait, options)).toEqual(faults)
  })
})
