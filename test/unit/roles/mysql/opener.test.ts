import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HOSTS, hostOf, textOf } from './context.ts'
import { place } from './stand-ins.ts'

const SEEDING = '/var/lib/mysql/.provision-seeding'
const SCRIPT = textOf('web-01', 'file:/usr/local/lib/provision/database-primary', { topology: 'replica', primary: 'web-01' })

/** The position of this server, its own source, and the answer of the replica. */
interface Scene {
  readonly readOnly?: string
  readonly own?: string
  readonly follows?: string
  readonly other?: string
  readonly seeding?: boolean
  /** Milliseconds until all others have answered. */
  readonly takes?: number
  /** It does not answer this query. */
  readonly silent?: string
}
const replica = (source: string, received: string, done: string): string =>
  `Master_Host: ${source}\n Gtid_IO_Pos: ${received}\n${'*'.repeat(20)}\n Done: ${done}\n`
const FOLLOWS = replica('127.0.0.12', '0-1-7', '0-1-7')

/** Runs the script until it would wait; whether it enabled writes, and its exit status (null if it waits). */
const run = ({ readOnly = '1', own = '0-1-7', follows = '', other = FOLLOWS, seeding = false, takes = 0, silent }: Scene) => {
  const there = place()
  there.program(
    'mariadb',
    `echo "$*" >>"$PLACE/clients"; case "$*" in *'${silent ?? 'never'}'*) exit 1 ;; esac; case "$*" in
*'-h 127.0.0.13 '*) echo "$*" >>"$PLACE/asked"; cat "$PLACE/other"; [ -s "$PLACE/other" ] ;;
*'SET GLOBAL read_only = OFF'*) : >"$PLACE/opened" ;;
*@@read_only*) cat "$PLACE/read_only" ;;
*'SHOW SLAVE STATUS'*) cat "$PLACE/follows" ;;
*gtid_binlog_pos*) cat "$PLACE/own" ;;
esac`,
  )
  there.program('sleep', 'echo "$1" >>"$PLACE/slept"; kill -KILL "$PPID"')
  there.program('timeout', 'echo "$1" >>"$PLACE/limits"; shift; exec "$@"')
  there.program(
    'date',
    `[ -e "$PLACE/begun" ] && echo $((1000000000000000 + ${takes} * 1000000)) || echo 1000000000000000; : >"$PLACE/begun"`,
  )
  for (const [name, text] of Object.entries({ read_only: readOnly, own, follows, other })) there.write(name, text)
  if (seeding) there.write('seeding', '')
  const script = SCRIPT.replaceAll(SEEDING, join(there.path, 'seeding'))
  const { status } = spawnSync('sh', ['-c', script], { env: { ...there.env }, encoding: 'utf8' })
  return {
    opened: there.has('opened'),
    status,
    asked: there.read('asked'),
    clients: there.read('clients'),
    slept: there.read('slept'),
    limits: there.read('limits'),
  }
}

describe('after a restart, the primary', () => {
  it('accepts writes if the others replicate from it and lack nothing that it has not', () => {
    const { opened, status, asked } = run({})
    expect({ opened, status }).toEqual({ opened: true, status: 0 })
    expect(asked).toBe(
      '--no-defaults --local-infile=0 --connect-timeout=1 -h 127.0.0.13 -u provision-replica-web-01 --ssl-ca=/etc/mysql/provision/authority.pem --ssl-cert=/etc/mysql/provision/host.pem --ssl-key=/etc/mysql/provision/host.pem.key -E -e SHOW SLAVE STATUS; SELECT @@gtid_slave_pos AS Done\n',
    )
    expect(run({}).limits).toBe('1\n')
    expect(run({ own: '0-1-7,1-2-3', other: replica('127.0.0.12', '1-2-3,0-1-6', '0-1-6') }).opened).toBe(true)
  })

  it.each<[string, Scene]>([
    ['another does not answer', { other: '' }],
    ['another replicates from a third server', { other: replica('127.0.0.14', '0-1-7', '0-1-7') }],
    ['another has received a transaction that it lacks', { other: replica('127.0.0.12', '0-1-8', '0-1-7') }],
    ['another has applied a transaction that it lacks', { other: replica('127.0.0.12', '0-1-7', '0-1-8') }],
    ['another has transactions of a domain that it lacks', { other: replica('127.0.0.12', '0-1-7,2-1-1', '0-1-7') }],
    ['another lacks a number that only looks smaller as text', { own: '0-1-9', other: replica('127.0.0.12', '0-1-10', '0-1-9') }],
  ])('stays read-only and asks again while %s', (_, scene) => {
    expect(run(scene)).toMatchObject({ opened: false, status: null })
  })

  it.each<[string, Scene]>([
    ['it accepts writes already', { readOnly: '0' }],
    ['it replicates from another server itself', { follows: 'Waiting for master' }],
    ['a copy of its data was interrupted', { seeding: true }],
  ])('is left alone if %s', (_, scene) => {
    expect(run(scene)).toMatchObject({ opened: false, status: 0, asked: '' })
  })
  it('does not accept writes if the answers are older than 1.5 seconds, when another could have been promoted', () => {
    expect(run({ takes: 1499 }).opened).toBe(true)
    expect(run({ takes: 1500 })).toMatchObject({ opened: false, status: null, slept: '1\n' })
  })

  it('asks its own server again until that answers, soon before its first answer', () => {
    expect(run({ silent: 'DO 1' })).toMatchObject({ opened: false, slept: '0.5\n', asked: '' })
    for (const silent of ['SHOW SLAVE STATUS', 'gtid_binlog_pos'])
      expect(run({ silent })).toMatchObject({ opened: false, slept: '1\n', asked: '' })
    expect(run({ silent: 'read_only = OFF' })).toMatchObject({ opened: false, status: 1 })
  })

  it('asks every other server', () => {
    const script = textOf('web-01', 'file:/usr/local/lib/provision/database-primary', { topology: 'replica', primary: 'web-01' }, [
      ...HOSTS,
      hostOf('web-03', ['database'], '127.0.0.15'),
    ])
    expect(script).toContain('for other in 127.0.0.13 127.0.0.15; do')
  })
})
