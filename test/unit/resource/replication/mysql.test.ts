import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { readRows } from '../../../../src/resource/database/client.ts'
import { checkPosition, covers } from '../../../../src/resource/database/gtid.ts'
import { HostRefusal, type ShellStep } from '../../../../src/resource/kind/step.ts'
import { REPLICATION_SQL } from '../../../../src/resource/replication/dialect.ts'
import { disagreement } from '../../../../src/resource/replication/notices.ts'
import { readStatus, type ServerStatus } from '../../../../src/resource/replication/observe.ts'
import { followerOf, grantsExactlyReplicas, isReplicating } from '../../../../src/resource/replication/plan.ts'
import { applyReplica } from '../../../../src/resource/replication/replica.ts'
import { replication } from '../../../../src/resource/replication/replication.ts'
import { seed } from '../../../../src/resource/replication/seed.ts'
import { follow, makeReadOnly, makeWritable, reachesPosition } from '../../../../src/resource/replication/steps.ts'
import { unreplicated } from '../../../../src/resource/replication/unreplicated.ts'
import { service } from '../../../../src/resource/service/service.ts'
import { NOTHING } from '../answers.ts'
import { context, recorded } from '../recorded.ts'

// Answers of MySQL 8.4.13-0ubuntu0.26.04.2.
const servers = ['db-01', 'db-02'].map((host, i) => ({
  host,
  address: `10.79.211.1${i + 1}`,
  certificate: `${host}.database.provision.internal`,
}))
const specOf = (me: string) =>
  replication({
    ...{
      name: 'database',
      flavour: 'mysql',
      me,
      primary: 'db-01',
      servers,
      pair: '/p',
      trusted: '/t',
      seedPort: 4444,
      opener: 'opener.service',
    },
    service: service({ unit: 'mysql.service' }),
  }).spec
const spec = specOf('db-02')
const status = (name: string): ServerStatus => readStatus(readRows(recorded(name, 'ubuntu-26.04'), 'mysql') ?? [], 'mysql')
const [A, B] = ['d6f7134f-ecb6-11f1-bf97-0282cf7f0efd', 'd7fe3206-ecb6-11f1-b586-02b59467d25c']
const firstOf = (steps: Iterator<unknown>): ShellStep => steps.next().value as ShellStep
const ok = (text = '') => ({ code: 0, stdout: Buffer.from(text), stderr: '' })

describe('a GTID set', () => {
  it.each([
    [`${A}:1-29,${B}:1-3`, `${A}:1-29`, true],
    [`${A}:1-29`, `${A}:1-29,${B}:1`, false],
    [`${A}:1-5:7-9`, `${A}:2-5:8`, true],
    [`${A}:1-5:7-9`, `${A}:5-7`, false],
    [`${A}:1-9`, '', true],
    ['', `${A}:1`, false],
    [`${A}:1-3`, `${A.toUpperCase()}:3`, true],
    [`${A}:1:backup:4-9`, `${A}:backup:5`, true],
    [`${A}:1-9`, `${A}:backup:5`, false],
    [`${A}:1-18446744073709551`, `${A}:18446744073709551`, true],
  ])('%s covers %s: %s', (has, wanted, expected) => {
    expect(covers(has, wanted)).toBe(expected)
  })

  it.each([`${A}:0`, `${A}:`, `${A}:1-`, 'x:1', `${A}:1;DROP`, `${A}:1,`, `${A}:9-1x`])('%j is refused', (text) => {
    expect(() => checkPosition(text)).toThrow(HostRefusal)
    expect(() => checkPosition(text)).toThrow(expect.objectContaining({ why: expect.stringContaining('is not a GTID set of MySQL') }))
  })

  it('is distinguished from a position of MariaDB', () => {
    for (const text of ['', '0-1-9', '0-1-9,1-2-3', `${A}:1-29,${B}:1`]) expect(() => checkPosition(text)).not.toThrow()
    expect(() => checkPosition('0-1')).toThrow(expect.objectContaining({ why: expect.stringContaining('is not a MariaDB position') }))
  })
})

describe('the status of a server', () => {
  it('is read from the answers of a primary and its replica', () => {
    const primary = status('replication-primary')
    expect(primary).toMatchObject({ writable: true, source: undefined })
    expect(primary.position).toMatch(/^7cc1c88d-\S+:1,d6f7134f-\S+:1-29,d7fe3206-\S+:1-4$/)
    expect(grantsExactlyReplicas(specOf('db-01'), primary)).toBe(true)
    expect(grantsExactlyReplicas({ ...specOf('db-01'), servers: servers.slice(1) }, primary)).toBe(false)
    const { source, ...replica } = status('replication-replica')
    expect(replica).toMatchObject({ writable: false, position: primary.position })
    expect(source).toMatchObject({
      address: '10.79.211.11',
      receives: 'yes',
      applies: true,
      byPosition: true,
      verifies: true,
      error: undefined,
    })
    expect(source !== undefined && isReplicating(source)).toBe(true)
    expect(source?.received).not.toContain('\n')
  })

  it('is that of both servers of one flavour', () => {
    expect(followerOf(servers[0] as never, 'mysql').privileges).toBe('BACKUP_ADMIN,REPLICATION CLIENT,REPLICATION SLAVE')
    const member = (flavour: 'mysql' | 'mariadb') => ({ primary: 'db-01', flavour }) as never
    expect(disagreement(spec, new Map([['db-01', member('mysql')]]))).toBeUndefined()
    expect(disagreement(spec, new Map([['db-01', member('mariadb')]]))).toMatchObject({
      what: 'db-02 and db-01 have different flavours in their options',
      why: 'the flavour of db-02 is mysql, that of db-01 is mariadb; neither replicates the other',
    })
  })
})

describe('the steps of a server', () => {
  const sqlOf = ({ script }: ShellStep): string => /<<'SQL'\n([\s\S]*?)\nSQL/.exec(String(script))?.[1] ?? ''

  it('speak the SQL of MySQL', () => {
    const readOnly = firstOf(makeReadOnly(spec))
    expect(sqlOf(readOnly)).toBe('SET GLOBAL super_read_only = ON;')
    expect(String(readOnly.script)).toContain(`-NB -e 'SELECT @@super_read_only')" != 1 ] || exit 0`)
    expect(sqlOf(firstOf(makeWritable(spec)))).toBe('SET GLOBAL read_only = OFF;')
    expect(String(firstOf(reachesPosition(spec, `${A}:1-9`)).script)).toMatch(
      / mysql .*-e 'SELECT WAIT_FOR_EXECUTED_GTID_SET\('\\''d6f7134f-\S+:1-9'\\'', 5\)'/,
    )
    const sql = sqlOf(firstOf(follow(spec, 'db-01', false)))
    expect(sql).toMatch(
      /^STOP REPLICA; \nCHANGE REPLICATION SOURCE TO SOURCE_HOST = '10\.79\.211\.11', SOURCE_PORT = 3306, SOURCE_USER = 'provision-replica-db-02',/,
    )
    for (const setting of [
      "SOURCE_PASSWORD = ''",
      'SOURCE_RETRY_COUNT = 0',
      'SOURCE_AUTO_POSITION = 1',
      'SOURCE_SSL = 1',
      "SOURCE_SSL_CA = '/t'",
    ])
      expect(sql).toContain(setting)
    expect(sql).toContain("SOURCE_SSL_CERT = '/p', SOURCE_SSL_KEY = '/p.key', SOURCE_SSL_VERIFY_SERVER_CERT = 1;\nSTART REPLICA;")
    expect(sqlOf(firstOf(follow(spec, 'db-01', true)))).toMatch(/^STOP REPLICA; RESET BINARY LOGS AND GTIDS;\n/)
    expect(Object.values(REPLICATION_SQL.mysql).join(' ')).not.toMatch(/\bMASTER\b|KILL CONNECTION/)
  })

  it('keep a server with transactions that its primary lacks, unless its data may be lost', () => {
    const at = (position: string, source = ''): string => `h\twritable\tposition\nself\t1\t${position}\n${source}end\n`
    const state = { primary: 'db-01', service: {} as never, status: undefined, databases: ['shop'], seeding: false }
    const primary = at(`${A}:1-9`).replace('self\t1', 'self\t0')
    const walk = (own: string, allowed: boolean) => {
      const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
      const work = {
        id: 'database',
        spec,
        state,
        change,
        members: () => new Map([['db-01', state]]),
        ...(allowed && { allowDataLoss: new Set(['db-02']) }),
      }
      const steps = applyReplica(work as never)
      const asked: string[] = []
      let next = steps.next()
      for (let i = 0; i < 30 && next.done !== true; i++) {
        const step = next.value as ShellStep
        const text = `${step.doing ?? ''} ${String(step.script)}`
        asked.push(step.doing ?? '')
        if (/starting replication|measur|du -sk|preparing to copy/.test(text)) return asked.concat('went on')
        next = steps.next(text.includes("SELECT 'self'") ? ok(step.on === 'db-01' ? primary : at(own)) : ok())
      }
      return asked
    }
    expect(walk(`${A}:1-9`, false)).toContain('went on')
    expect(() => walk(`${A}:1-9,${B}:1`, false)).toThrow(
      expect.objectContaining({ why: expect.stringContaining('db-02 has transactions that db-01 lacks') }),
    )
    expect(walk(`${A}:1-9,${B}:1`, true)).toContain('went on')
  })
})

describe('a copy of all data', () => {
  /** Steps after the room was measured, until one fails. */
  const stepsFrom = (observed: readonly string[] | undefined) => {
    const steps = seed(spec, observed)
    steps.next()
    steps.next(ok('1000\n'))
    return steps
  }

  it('marks the data directory, clones the donor over mutual TLS, follows it, and removes the mark', () => {
    const steps = stepsFrom(['shop'])
    const marked = steps.next(ok('90000000\n')).value as ShellStep
    expect(marked.doing).toBe('preparing to copy the data of db-01')
    expect(String(marked.script)).toMatch(
      /known='\nshop\n'[\s\S]*systemctl start mysql\.service[\s\S]*systemctl stop opener\.service[\s\S]*\.provision-seeding/,
    )
    const cloned = steps.next(ok()).value as ShellStep
    expect([cloned.doing, cloned.withinMs]).toEqual(['copying all data of db-01 to db-02', 86_400_000])
    const script = String(cloned.script).replaceAll(`'\\''`, `'`)
    expect(script).toContain('STOP REPLICA; RESET REPLICA ALL;\nSET GLOBAL super_read_only = OFF; SET GLOBAL read_only = ON;')
    expect(script).toContain(
      "clone_ssl_ca = '/t'; SET GLOBAL clone_ssl_cert = '/p'; SET GLOBAL clone_ssl_key = '/p.key';\nCLONE INSTANCE FROM 'provision-replica-db-02'@'10.79.211.11':3306 IDENTIFIED BY '' REQUIRE SSL;",
    )
    expect((steps.next(ok()).value as ShellStep).doing).toBe('starting replication from db-01')
    expect(
      String(stepsFrom(undefined).next(ok('90000000\n')).value && (stepsFrom(undefined).next(ok('90000000\n')).value as ShellStep).script),
    ).not.toContain('known=')
  })

  it('is refused if a database came since, and interrupted if the server does not report its end', () => {
    const changed = stepsFrom(['shop'])
    changed.next(ok('90000000\n'))
    expect(() => changed.next({ code: 68, stdout: Buffer.from(''), stderr: 'the data of db-02 is not as it was observed: x' })).toThrow(
      'not copied to db-02',
    )
    const cut = stepsFrom(['shop'])
    cut.next(ok('90000000\n'))
    cut.next(ok())
    expect(() => cut.next({ code: 1, stdout: Buffer.from('Failed 1290 read-only\n'), stderr: '' })).toThrow(
      expect.objectContaining({ why: 'Failed 1290 read-only', fix: 'run again; the copy starts from the beginning' }),
    )
  })

  it.each([
    ['Completed 0 ', '1', 0],
    ['Completed 0 ', '0', 1],
    ['Failed 1290 read-only', '1', 1],
  ])('has succeeded if the server reports %j, and is read-only again (%s)', (outcome, readOnly, expected) => {
    const steps = stepsFrom(undefined)
    steps.next(ok('90000000\n'))
    const { script } = steps.next(ok()).value as ShellStep
    const place = mkdtempSync(join(tmpdir(), 'clone-'))
    onTestFinished(() => rmSync(place, { recursive: true }))
    mkdirSync(join(place, 'bin'))
    const program = (name: string, text: string): void => writeFileSync(join(place, 'bin', name), `#!/bin/sh\n${text}\n`, { mode: 0o755 })
    program('sleep', ':')
    program(
      'mysql',
      `case "$*" in *BEGIN_TIME*) [ ! -e "$T/clone.sql" ] || echo now ;; *ERROR_NO*) echo '${outcome}' ;; *clone_progress*) echo 'copied 1 of about 2 MB to' ;; *super_read_only*) echo ${readOnly} ;; *) cat >"$T/sent" ;; esac`,
    )
    const { status: code, stdout } = spawnSync('sh', ['-c', String(script)], {
      env: { PATH: `${join(place, 'bin')}:${process.env.PATH}`, T: place },
      encoding: 'utf8',
    })
    expect(code).toBe(expected)
    if (expected === 1) expect(stdout).toContain(outcome)
  })
})

describe('ending replication of MySQL', () => {
  const { spec: end } = unreplicated({
    name: 'database',
    flavour: 'mysql',
    me: 'db-01',
    servers: servers.slice(0, 1).map(({ host, address }) => ({ host, address })),
  })
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const

  it('asks the server for its source, if it ever had one', () => {
    const { script, parse } = unreplicated.kind.observe([end])
    expect(String(script)).toMatch(
      /^if \[ -e \/var\/lib\/mysql\/relay-bin\.index \]; then\nanswer=\$\(perl [^\n]* mysql [^\n]*replication_connection_configuration/,
    )
    const of = (text: string) => parse(Buffer.from(text), NOTHING).get('database')
    expect(of('address\t10.0.0.1\naccount\tprovision-replica-db-01\nprovision-accounts\nprovision-replica-db-02\nend\n')).toEqual({
      follows: '10.0.0.1',
      accounts: ['provision-replica-db-02'],
    })
    const down = of('refused\tthe server does not answer: ERROR 2002\nprovision-accounts\ndown\n')
    expect(down).toMatchObject({ unknown: 'the server does not answer: ERROR 2002' })
    expect(unreplicated.kind.forbids?.(end, down as never, context)).toMatchObject({ fix: 'start the server of db-01, then run again' })
  })

  it('deletes the accounts of replicas', () => {
    const step = unreplicated.kind
      .apply([{ id: 'database', spec: end, state: { follows: undefined, accounts: ['provision-replica-db-02'] }, change }])
      .next().value as ShellStep
    expect(String(step.script)).toContain("DROP USER IF EXISTS 'provision-replica-db-02'@'%';")
    expect(String(step.script)).toContain('FROM mysql.user WHERE User LIKE')
    expect(String(step.script)).not.toContain('KILL CONNECTION')
  })
})
