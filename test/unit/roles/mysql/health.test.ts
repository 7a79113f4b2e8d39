import { spawn } from 'node:child_process'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { answersOf } from '../../resource/database/sqlite.ts'
import { textOf } from './context.ts'
import { type Place, place } from './stand-ins.ts'

const SCRIPT = textOf('web-01', 'file:/usr/local/lib/provision/database-health')

/** Listens on a port of its own as descriptor 3, as systemd does, prints the port and runs the script. */
const LISTENER = `use IO::Socket::INET; use POSIX (); my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die;
$| = 1; print $s->sockport, "\\n"; if (fileno($s) != 3) { POSIX::dup2(fileno $s, 3) } else { require Fcntl; fcntl($s, Fcntl::F_SETFD(), 0) } exec $^X, $ARGV[0]`

/** Starts the service beside a server that answers every question with the file `answer`; nothing if there is none. */
const start = async (script = SCRIPT): Promise<{ there: Place; port: number; ask: () => Promise<string> }> => {
  const there = place()
  there.write('health', script)
  there.program(
    'mariadb',
    'echo "$*" >>"$PLACE/clients"; while read -r question; do echo "$question" >"$PLACE/question"; [ ! -e "$PLACE/answer" ] || cat "$PLACE/answer"; done',
  )
  const service = spawn('perl', ['-e', LISTENER, `${there.path}/health`], { env: { ...there.env }, stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void service.kill('SIGKILL'))
  const port = Number(await new Promise((resolve) => service.stdout.once('data', (data) => resolve(String(data).trim()))))
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'))
      let answer = ''
      socket.on('data', (data) => {
        answer += data
      })
      socket.on('error', reject)
      socket.on('end', () => resolve(answer.replace(/^HTTP\/1\.0 (\d+) [\s\S]*\r\n\r\n/, '$1 ').trim()))
    })
  return { there, port, ask }
}

describe('the health of a server', () => {
  it.each([
    ['OFF Primary Synced', '200'],
    ['OFF Disconnected Initialized', '200'],
    ['OFF ', '200'],
    ['ON Disconnected Initialized follows', '203'],
    ['ON Disconnected Initialized', '503'],
    ['OFF Primary Donor/Desynced', '206'],
    ['OFF Primary Joining', '503'],
    ['OFF non-Primary Initialized', '503'],
    ['ON Primary Synced', '503'],
  ])('is, for the state %j, the status %s', async (state, status) => {
    const { there, ask } = await start()
    there.write('answer', `${state}\t0\t1 2 3\n`)
    expect(await ask()).toBe(`${status} ${state}`.trim())
    expect(there.read('question')).toContain('@@read_only')
    expect(there.read('clients')).toContain('--socket=/run/mysqld/mysqld.sock --local-infile=0')
  })

  it('is 503 while the server does not answer, and 200 again once it does', async () => {
    const { there, ask } = await start()
    expect(await ask()).toBe('503 does not answer')
    there.write('answer', 'OFF Primary Synced\t0\t1\n')
    await sleep(400)
    expect(await ask()).toBe('200 OFF Primary Synced')
  })

  it('is reported to others while a proxy says nothing, hangs up, or sends too much', async () => {
    const { there, port, ask } = await start()
    there.write('answer', 'OFF Primary Synced\t0\t1\n')
    const begin = (bytes: string): Promise<void> =>
      new Promise((resolve) => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.write(bytes)
          setTimeout(() => socket.resetAndDestroy(), 20)
        })
        socket.on('error', () => {})
        socket.on('close', () => resolve())
      })
    for (const bytes of ['GET / HTTP/1.0\r\n\r\n', 'GET /', `GET /${'x'.repeat(9000)}`]) await begin(bytes)
    const silent = connect(port, '127.0.0.1')
    onTestFinished(() => void silent.destroy())
    const began = performance.now()
    expect(await ask()).toBe('200 OFF Primary Synced')
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('is asked for by a new client after the server was restarted, with its own settings only', async () => {
    const { there, ask } = await start()
    there.program('mariadb', 'echo "$*" >>"$PLACE/clients"; read -r question; printf "OFF Primary Synced\\t0\\t1\\n"')
    expect(await ask()).toBe('200 OFF Primary Synced')
    await sleep(400)
    expect(await ask()).toBe('200 OFF Primary Synced')
    const client = '--no-defaults --socket=/run/mysqld/mysqld.sock --local-infile=0 --connect-timeout=2 -NB --unbuffered'
    expect(there.read('clients').trim().split('\n')).toEqual([client, client])
  })

  it('is the answer of one question about the variables of the server', async () => {
    const { there, ask } = await start()
    there.write('answer', 'OFF Primary Synced\t0\t1\n')
    await ask()
    const variables: Record<string, string> = {
      ...{ WSREP_CLUSTER_STATUS: 'Primary', WSREP_LOCAL_STATE_COMMENT: 'Synced', WSREP_LOCAL_RECV_QUEUE: '3', WSREP_LAST_COMMITTED: '7' },
      ...{ INNODB_LSN_CURRENT: '8', INNODB_ONLINEDDL_PCT_PROGRESS: '9', OTHER: 'x' },
    }
    const answer = (more: Record<string, string>) =>
      answersOf(
        {
          'information_schema.GLOBAL_STATUS': Object.entries({ ...variables, ...more }).map(([name, value]) => ({
            VARIABLE_NAME: name,
            VARIABLE_VALUE: value,
          })),
        },
        there.read('question').replace('@@read_only', "'OFF'"),
      )
    expect(answer({})).toEqual([['OFF Primary Synced', '3', '7 8 9']])
    expect(answer({ SLAVE_RUNNING: 'ON' })).toEqual([['OFF Primary Synced follows', '3', '7 8 9']])
    expect(answer({ SLAVE_RUNNING: 'OFF' })).toEqual([['OFF Primary Synced', '3', '7 8 9']])
  })

  it('is asked for by many proxies with one client', async () => {
    const { there, ask } = await start()
    there.write('answer', 'OFF Primary Synced\t0\t1\n')
    for (let i = 0; i < 5; i++) await ask()
    expect(there.read('clients').trim().split('\n')).toHaveLength(1)
  })

  it('is 503 if write sets wait and nothing progresses; a server that progresses is well', async () => {
    expect(SCRIPT).toContain('$stalled > 15 ?')
    const { there, ask } = await start(SCRIPT.replaceAll('$stalled > 15', '$stalled > 1'))
    const well = '200 OFF Primary Synced'
    there.write('answer', 'OFF Primary Synced\t4\t100 200 0\n')
    expect(await ask()).toBe(well)
    await sleep(700)
    there.write('answer', 'OFF Primary Synced\t4\t100 201 0\n')
    expect(await ask()).toBe(well)
    await sleep(700)
    expect(await ask()).toBe(well)
    await sleep(700)
    expect(await ask()).toMatch(/^503 OFF Primary Synced, and has applied nothing for \d s while 4 write sets wait$/)
    there.write('answer', 'OFF Primary Synced\t0\t100 201 0\n')
    await sleep(400)
    expect(await ask()).toBe(well)
  })
})
