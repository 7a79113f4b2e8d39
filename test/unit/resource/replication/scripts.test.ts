import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Answer, HostRefusal, type ShellStep } from '../../../../src/resource/kind/step.ts'
import { requireUnreachable } from '../../../../src/resource/replication/away.ts'
import type { ReplicationState } from '../../../../src/resource/replication/observe.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { follow, makeReadOnly, makeWritable, reachesPosition } from '../../../../src/resource/replication/steps.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING } from '../answers.ts'

const servers = ['one', 'two'].map((host) => ({ host, address: '127.0.0.1', certificate: `${host}.internal` }))
const { spec } = replication({
  ...{ name: 'database', me: 'two', primary: 'one', servers, pair: '/p', trusted: '/t', seedPort: 4444, opener: 'opener.service' },
  service: service({ unit: 'mariadb.service' }),
})

let place = ''
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), 'replication-'))
  for (const name of ['bin', 'session']) mkdirSync(join(place, name))
  program('systemctl', 'echo "$*" >>"$PLACE/systemctl"; case $1 in is-active) exit "$RUNS" ;; start) exit "$STARTS" ;; esac')
  program(
    'mariadb',
    'case "$*" in *@@read_only*) echo "$READ_ONLY" ;; *) cat >>"$PLACE/sql"; [ -z "$REFUSES" ] || { echo "ERROR 1205" >&2; exit 1; } ;; esac',
  )
})
afterEach(() => rmSync(place, { recursive: true }))
const program = (name: string, script: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
const read = (name: string): string => (existsSync(join(place, name)) ? readFileSync(join(place, name), 'utf8') : '')
const env = (more: Record<string, string> = {}) => ({
  PATH: `${join(place, 'bin')}:${process.env.PATH}`,
  PLACE: place,
  T: join(place, 'session'),
  RUNS: '0',
  STARTS: '0',
  READ_ONLY: '0',
  ...more,
})
const run = ({ do: how, script }: ShellStep, more: Record<string, string> = {}): Answer => {
  expect(how).toBe('shell')
  const { status, stdout, stderr } = spawnSync('sh', ['-c', String(script)], { env: env(more), timeout: 20_000 })
  return { code: status ?? -1, stdout, stderr: stderr.toString() }
}
const firstOf = (steps: Iterator<unknown>): ShellStep => steps.next().value as ShellStep
const ok = (text = ''): Answer => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

describe('a server becomes read-only', () => {
  const step = () => firstOf(makeReadOnly(spec))

  it('after its opener was stopped', () => {
    expect(run(step()).code).toBe(0)
    expect(read('systemctl')).toBe('is-active -q mariadb.service\nstop opener.service\n')
    expect(read('sql')).toBe('SET GLOBAL read_only = ON;\n')
  })

  it('without a statement if it is already', () => {
    expect(run(step(), { READ_ONLY: '1' }).code).toBe(0)
    expect(read('sql')).toBe('')
  })

  it('after it was started, if it was stopped; one that does not start has no status', () => {
    expect(run(step(), { RUNS: '3' }).code).toBe(0)
    expect(read('systemctl')).toBe('is-active -q mariadb.service\nstart mariadb.service\nstop opener.service\n')
    expect(run(step(), { RUNS: '3', STARTS: '1' }).code).toBe(9)
    const steps = makeReadOnly(spec, 'one')
    expect(firstOf(steps)).toMatchObject({ on: 'one', doing: 'making one read-only' })
    expect(steps.next({ ...ok(), code: 9 })).toEqual({ done: true, value: undefined })
  })

  it('or refuses, with its words', () => {
    const answer = run(step(), { REFUSES: '1' })
    expect(answer).toMatchObject({ code: 1, stderr: expect.stringContaining('ERROR 1205') })
    const steps = makeReadOnly(spec)
    steps.next()
    expect(() => steps.next(answer)).toThrow('server still accepts writes')
  })
})

it('a server becomes writable by one statement', () => {
  const here = firstOf(makeWritable(spec))
  expect(here.doing).toBe('becoming writable')
  expect(run(here).code).toBe(0)
  expect(read('sql')).toBe('SET GLOBAL read_only = OFF;\n')
  const there = makeWritable(spec, 'one')
  expect(firstOf(there)).toMatchObject({ on: 'one', doing: 'making one writable' })
  expect(() => there.next({ ...ok(), code: 1 })).toThrow('one not made writable')
})

describe('a server that must be unreachable', () => {
  const script = (port: number): string => String(firstOf(requireUnreachable(spec, 'one', [], 0)).script).replaceAll('/3306', `/${port}`)
  const code = (text: string): Promise<number | null> =>
    new Promise((resolve) => spawn('sh', ['-c', text], { env: env(), stdio: 'ignore' }).on('close', resolve))

  it('is one to whose port nobody connects', async () => {
    const server = createServer()
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    )
    onTestFinished(() => void server.close())
    expect(await code(script(port))).toBe(1)
    await new Promise((resolve) => server.close(resolve))
    expect(await code(script(port))).toBe(0)
  })

  it('is not taken for unreachable by a host that cannot ask', () => {
    const { status } = spawnSync('/bin/sh', ['-c', script(9)], { env: { PATH: join(place, 'bin') } })
    expect(status).toBe(1)
  })

  it('is asked for from every reached host, this one first and after the wait', () => {
    const others = ['three', 'four'].map((host) => ({ host, status: { writable: false, position: '', source: undefined, followers: [] } }))
    const steps = requireUnreachable(spec, 'one', others, 2)
    const asked: unknown[] = []
    for (let next = steps.next(); next.done !== true; next = steps.next(ok())) {
      const step = next.value as ShellStep
      asked.push([step.on, /sleep (\d+)/.exec(String(step.script))?.[1]])
    }
    expect(asked).toEqual([
      [undefined, '2'],
      ['three', '0'],
      ['four', '0'],
    ])
    const refused = requireUnreachable(spec, 'one', others, 0)
    refused.next()
    refused.next(ok())
    expect(() => refused.next({ ...ok(), code: 1 })).toThrow('three reaches it at 127.0.0.1, port 3306')
  })
})

describe('the wait for a position', () => {
  const applies =
    'h\twritable\tposition\nself\t1\t0-1-1\nSlave_IO_State\tMaster_Host\tSlave_IO_Running\tSlave_SQL_Running\n\t10.0.0.1\tYes\tYes\nend\n'
  const walk = (answers: readonly Answer[], seconds = 15): unknown => {
    const steps = reachesPosition(spec, '0-1-9', 'one', seconds)
    let next = steps.next()
    for (const answer of answers) next = steps.next(answer)
    return next.done === true ? next.value : (next.value as ShellStep).on
  }

  it('asks in rounds of five seconds, as long as the replica applies', () => {
    expect(walk([ok('0\n')])).toBe(true)
    expect(walk([ok('-1\n'), ok(applies), ok('0\n')])).toBe(true)
    expect(walk([ok('-1\n'), ok(applies), ok('-1\n'), ok(applies)])).toBe('one')
    expect(walk([ok('-1\n'), ok(applies), ok('-1\n'), ok(applies), ok('-1\n'), ok(applies)])).toBe(false)
    expect(walk([ok('-1\n'), ok(applies.replace('Yes\tYes', 'Yes\tNo'))])).toBe(false)
    expect(walk([{ ...ok(), code: 1 }])).toBe(false)
    expect(reachesPosition(spec, '', 'one').next()).toEqual({ done: true, value: true })
  })

  it('asks the server by its position, for five seconds, and otherwise waits for five minutes', () => {
    program('mariadb', 'printf "%s\\n" "$@" >"$PLACE/words"')
    const step = firstOf(reachesPosition(spec, '0-1-9'))
    expect(run(step).code).toBe(0)
    expect(read('words')).toMatch(/\n-e\nSELECT MASTER_GTID_WAIT\('0-1-9', 5\)\n$/)
    const steps = reachesPosition(spec, '0-1-9')
    let asked = 0
    for (let next = steps.next(); next.done !== true; asked++) {
      steps.next(ok('-1\n'))
      next = steps.next(ok(applies))
    }
    expect(asked).toBe(60)
  })
})

describe('following a server', () => {
  it('begins at the position of its own data, by its certificate', () => {
    const step = firstOf(follow(spec, 'one', false))
    expect(step.doing).toBe('starting replication from one')
    expect(run(step).code).toBe(0)
    const [begin = '', statement = ''] = read('sql').split('CHANGE MASTER TO ')
    expect(begin).toBe('STOP SLAVE; SET GLOBAL gtid_slave_pos = @@gtid_current_pos;\n')
    const [settings = '', rest = ''] = statement.split(';\n')
    expect(rest).toBe('START SLAVE')
    expect(Object.fromEntries(settings.split(/,\s+/).map((one) => one.split(' = ')))).toEqual({
      MASTER_HOST: "'127.0.0.1'",
      MASTER_PORT: '3306',
      MASTER_USER: "'provision-replica-two'",
      MASTER_PASSWORD: "''",
      MASTER_CONNECT_RETRY: '5',
      MASTER_USE_GTID: 'slave_pos',
      MASTER_SSL: '1',
      MASTER_SSL_CA: "'/t'",
      MASTER_SSL_CERT: "'/p'",
      MASTER_SSL_KEY: "'/p.key'",
      // Its name is not that of an address; only the authority of the database signs such certificates.
      MASTER_SSL_VERIFY_SERVER_CERT: '1',
    })
    expect(String(firstOf(follow(spec, 'one', true)).script)).toMatch(/RESET MASTER; SET GLOBAL gtid_slave_pos = '';/)
  })

  const status = (io: string, sql: string, error = ''): Answer =>
    ok(
      `h\twritable\tposition\nself\t1\t0-1-1\nSlave_IO_State\tMaster_Host\tSlave_IO_Running\tSlave_SQL_Running\tLast_IO_Error\n\t10.0.0.1\t${io}\t${sql}\t${error}\nend\n`,
    )
  const outcome = (...answers: readonly Answer[]): unknown => {
    const steps = follow(spec, 'one', false)
    steps.next()
    let next = steps.next(ok())
    for (const answer of answers) next = steps.next(answer)
    return next.done === true ? next.value : 'asks again'
  }
  const well = status('Yes', 'Yes')

  it('is asked for its state every half second', () => {
    const steps = follow(spec, 'one', false)
    steps.next()
    program('sleep', 'echo "$*" >>"$PLACE/slept"')
    run(steps.next(ok()).value as ShellStep)
    expect(read('slept')).toBe('0.5\n')
  })

  it('succeeds only if it receives three times in a row', () => {
    expect(outcome(well, well)).toBe('asks again')
    expect(outcome(well, well, well)).toBeUndefined()
    expect(outcome(well, well, status('Connecting', 'Yes'), well, well)).toBe('asks again')
  })

  it('fails with the error of the source, its own, or the wait', () => {
    expect(outcome(status('No', 'Yes', 'access denied'))).toBe('access denied')
    expect(outcome(...Array.from({ length: 39 }, () => status('Connecting', 'Yes')))).toBe('asks again')
    expect(outcome(status('Yes', 'No'))).toBe('replication stopped without an error')
    expect(outcome(...Array.from({ length: 40 }, () => status('Connecting', 'Yes', 'no route')))).toBe('no route')
    expect(outcome(...Array.from({ length: 40 }, () => status('Connecting', 'Yes')))).toBe('it does not connect to the source')
    expect(outcome(ok('h\twritable\tposition\nself\t1\t0-1-1\nend\n'))).toBe('it has no source')
    expect(() => outcome(ok('cut'))).toThrow(HostRefusal)
  })
})

describe('the primary', () => {
  /** The status of a primary with accounts for these replicas. */
  const primary = (...followers: readonly (readonly string[])[]): string =>
    [
      'h\twritable\tposition',
      'self\t0\t0-1-9',
      ...(followers.length === 0 ? [] : ['h\tu\ts\tp']),
      ...followers.map((one) => ['follower', ...one].join('\t')),
      'end\n',
    ].join('\n')
  const account = (host: string, privileges = 'REPLICATION SLAVE,SLAVE MONITOR') => [
    `provision-replica-${host}`,
    `/CN=${host}.internal`,
    privileges,
  ]

  /** The statements that the primary `one` executes for this status. */
  const statements = (status: string): string => {
    const state = { primary: 'one', service: {}, status: undefined, databases: ['shop'], seeding: false } as unknown as ReplicationState
    const change = { action: 'update', certainty: 'dependent', reason: '', differences: [] } as const
    const of = { ...spec, me: 'one' }
    const members = () => new Map([['one', state]])
    const steps = replication.kind.apply([{ id: 'database', spec: of, state, change, members }])
    const found: string[] = []
    for (let next = steps.next(); next.done !== true; ) {
      const step = next.value as ShellStep
      if (step.doing === 'creating the accounts of its replicas') {
        run(step)
        found.push(read('sql'))
      }
      next = steps.next(ok(String(step.script).includes('SHOW SLAVE STATUS') ? status : 'provision-done mariadb.service\n'))
    }
    return found.join('')
  }

  it('has accounts of its replicas only, each for the certificate of its host, with the privileges of a replica', () => {
    const sql = statements(primary(account('two'), account('four'), account('one', 'SUPER')))
    expect(sql).toContain("DROP USER IF EXISTS 'provision-replica-four'@'%'; KILL CONNECTION USER 'provision-replica-four'@'%';")
    expect(sql).not.toContain("DROP USER IF EXISTS 'provision-replica-two'")
    for (const host of ['one', 'two'])
      expect(sql).toContain(`CREATE USER IF NOT EXISTS 'provision-replica-${host}'@'%' REQUIRE SUBJECT '/CN=${host}.internal';
ALTER USER 'provision-replica-${host}'@'%' REQUIRE SUBJECT '/CN=${host}.internal';
REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'provision-replica-${host}'@'%';
GRANT REPLICATION SLAVE, SLAVE MONITOR ON *.* TO 'provision-replica-${host}'@'%';`)
  })

  it('changes no account if they are exactly those', () => {
    expect(statements(primary(account('two'), account('one')))).toBe('')
    expect(statements(primary(account('two', 'REPLICATION SLAVE'), account('one')))).not.toBe('')
  })
})

describe('an observation', () => {
  const observe = () => {
    const query = replication.kind.observe([spec])
    const script = String(query.script)
      .replaceAll('/run/mysqld/mysqld.sock', join(place, 'mysqld.sock'))
      .replaceAll('/var/lib/mysql', join(place, 'data'))
    const { stdout } = spawnSync('sh', ['-c', script], { env: env() })
    const units = new Map([['mariadb.service', new Map([['LoadState', 'loaded']])]])
    return query.parse(stdout, { ...NOTHING, units }).get('database')
  }

  it('asks the server once, with the names of columns', async () => {
    const socket = createServer()
    await new Promise<void>((resolve) => socket.listen(join(place, 'mysqld.sock'), resolve))
    onTestFinished(() => void socket.close())
    mkdirSync(join(place, 'data/shop'), { recursive: true })
    program('mariadb', 'echo "$*" >>"$PLACE/asked"; cat >"$PLACE/sql"; printf "h\\twritable\\tposition\\nself\\t0\\t0-1-9\\nend\\nend\\n"')
    expect(observe()).toMatchObject({ databases: ['shop'], seeding: false, status: { writable: true, position: '0-1-9', followers: [] } })
    expect(read('asked')).toMatch(/^\S.* --column-names\n$/)
    expect(
      read('sql')
        .split('\n')
        .filter((line) => line.endsWith(';'))
        .at(-2),
    ).toBe('SHOW SLAVE STATUS;')
    expect(read('sql')).toContain("SELECT 'follower' AS h, g.User AS u, COALESCE(JSON_VALUE(g.Priv, '$.x509_subject'), '') AS s,")
  })

  it('finds an interrupted copy of a server that does not run', () => {
    mkdirSync(join(place, 'data'))
    expect(observe()).toMatchObject({ databases: [], seeding: false, status: undefined })
    writeFileSync(join(place, 'data/.provision-seeding'), '')
    expect(observe()).toMatchObject({ databases: [], seeding: true, status: undefined })
  })

  it('of nothing asks nothing', () => expect(String(replication.kind.observe([]).script)).toBe(''))
})
