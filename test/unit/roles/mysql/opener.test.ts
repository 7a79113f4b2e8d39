import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { HOSTS, hostOf, textOf } from './context.ts'
import { place } from './stand-ins.ts'

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
  /** Error of the client that asks the replica. */
  readonly error?: string
  /** Number of times that the script waits before the test ends it. */
  readonly rounds?: number
}
const replica = (source: string, received: string, done: string): string =>
  `Master_Host: ${source}\n Gtid_IO_Pos: ${received}\n${'*'.repeat(20)}\n Done: ${done}\n`
const FOLLOWS = replica('127.0.0.12', '0-1-7', '0-1-7')

/** Runs the script until it would wait; whether it enabled writes, and its exit status (null if it waits). */
const run = (scene: Scene) => {
  const { readOnly = '1', own = '0-1-7', follows = '', other = FOLLOWS, seeding = false, takes = 0, silent, error = '', rounds = 1 } = scene
  const there = place()
  there.program(
    'mariadb',
    `echo "$*" >>"$PLACE/clients"; case "$*" in *'${silent ?? 'never'}'*) echo 'ERROR 2002 (HY000): no server' >&2; exit 1 ;; esac; case "$*" in
*'-h 127.0.0.13 '*) echo "$*" >>"$PLACE/asked"; cat "$PLACE/other"; cat "$PLACE/error" >&2; [ -s "$PLACE/other" ] ;;
*'SET GLOBAL read_only = OFF'*) : >"$PLACE/opened" ;;
*@@read_only*) cat "$PLACE/read_only" ;;
*'SHOW SLAVE STATUS'*) cat "$PLACE/follows" ;;
*gtid_binlog_pos*) cat "$PLACE/own" ;;
esac`,
  )
  there.program('sleep', `echo "$1" >>"$PLACE/slept"; [ "$(wc -l <"$PLACE/slept")" -lt ${rounds} ] || kill -KILL "$PPID"`)
  there.program('systemd-notify', 'echo "$*" >>"$PLACE/notified"')
  there.program('timeout', 'echo "$1" >>"$PLACE/limits"; shift; exec "$@"')
  there.program(
    'date',
    `if [ -e "$PLACE/begun" ]; then rm "$PLACE/begun"; echo $((1000000000000000 + ${takes} * 1000000)); else : >"$PLACE/begun"; echo 1000000000000000; fi`,
  )
  for (const [name, text] of Object.entries({ read_only: readOnly, own, follows, other, error })) there.write(name, text)
  if (seeding) there.write('.provision-seeding', '')
  const script = SCRIPT.replaceAll('/var/lib/mysql', there.path)
  const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { env: { ...there.env, TMPDIR: there.path }, encoding: 'utf8' })
  return {
    words: `${stdout}${stderr}`,
    notified: there.read('notified'),
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
      '--no-defaults --local-infile=0 --connect-timeout=1 -h 127.0.0.13 -u provision-replica-web-01 --ssl-ca=/etc/mysql/provision/authority.pem --ssl-cert=/etc/mysql/provision/host.pem --ssl-key=/etc/mysql/provision/host.pem.key --ssl-verify-server-cert -E -e SHOW SLAVE STATUS; SELECT @@gtid_slave_pos AS Done\n',
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
    for (const silent of ['read_only', 'SHOW SLAVE STATUS', 'gtid_binlog_pos'])
      expect(run({ silent })).toMatchObject({ opened: false, slept: '1\n', asked: '' })
    expect(run({ silent: 'read_only = OFF' })).toMatchObject({ opened: false, status: 1 })
  })

  it('asks every other server', () => {
    const script = textOf('web-01', 'file:/usr/local/lib/provision/database-primary', { topology: 'replica', primary: 'web-01' }, [
      ...HOSTS,
      hostOf('web-03', ['database'], '127.0.0.15'),
    ])
    expect(script).toContain('  follows_me web-02 127.0.0.13 || return 1\n  follows_me web-03 127.0.0.15 || return 1\n')
  })

  const refused = 'ERROR 2026 (HY000): TLS/SSL error: Validation of SSL server certificate failed'
  it.each<[string, Scene, string]>([
    ['its client refuses the certificate', { other: '', error: `${refused}\nmore\n` }, `web-02 does not answer at 127.0.0.13: ${refused}`],
    ['its client writes much', { other: '', error: 'x'.repeat(300) }, `web-02 does not answer at 127.0.0.13: ${'x'.repeat(200)}`],
    ['the replica follows another', { other: replica('127.0.0.14', '0-1-7', '0-1-7') }, 'web-02 replicates from 127.0.0.14'],
    ['the replica follows nobody', { other: ' Done: 0-1-7\n' }, 'web-02 replicates from no server'],
    ['the replica received more', { other: replica('127.0.0.12', '0-1-8', '0-1-7') }, 'web-02 has transactions that this server lacks'],
    ['answers take too long', { takes: 1500 }, 'the other servers answer too slowly'],
    [
      'it does not answer local queries',
      { silent: 'SHOW SLAVE STATUS' },
      'it does not answer local queries: ERROR 2002 (HY000): no server',
    ],
    ['it does not start', { silent: 'DO 1' }, 'it does not answer local queries: ERROR 2002 (HY000): no server'],
  ])('reports once, in the journal and in its status, that %s', (_, scene, reason) => {
    const { words, notified, slept } = run({ ...scene, rounds: 3 })
    expect(words).toBe(`this server stays read-only: ${reason}\n`)
    expect(notified).toBe(`--status=read-only: ${reason}\n`)
    expect(slept.split('\n')).toHaveLength(4)
  })

  it('reports that writes are enabled, or why they cannot be', () => {
    expect(run({}).words).toBe('all other servers replicate from this one: writes are enabled\n')
    expect(run({ silent: 'read_only = OFF' }).words).toContain('ERROR 2002 (HY000): no server')
    const text = textOf('web-01', 'unit:provision-database-primary.service', { topology: 'replica', primary: 'web-01' })
    expect(text).toContain('\nNotifyAccess=all\n')
  })
})
