import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { execOn } from '../../src/host/shell/exec.ts'
import { killOverdue } from '../../src/host/shell/kill-overdue.ts'
import { openShell } from '../../src/host/shell/open.ts'
import { runOnce } from '../../src/host/shell/run-once.ts'
import type { Shell } from '../../src/host/shell/shell.ts'
import { Secret } from '../../src/secret/secret.ts'
import { problemOf } from '../unit/problem-of.ts'
import { bootHosts, endHosts, HOST, labFile, onHost, SUBNET, SUBNET_6, target, textOf, through, transport } from './support/bare-hosts.ts'
import { type Relay, relayTo } from './support/network/relay.ts'

beforeAll(bootHosts)
afterAll(endHosts)

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

describe.each(['ssh2', 'openssh'] as const)('over %s', (name) => {
  beforeAll(() => {
    transport.current = name
  })

  describe('a persistent shell', () => {
    let shell: Shell
    beforeAll(async () => {
      shell = await openShell(target())
    })
    afterAll(() => shell.close())

    test('answers pipelined requests in their order, with and without input', async () => {
      const sizes = Array.from({ length: 200 }, (_, i) => (i % 3 === 0 ? 0 : (i * 61) % 11_000))
      const answers = await Promise.all(
        sizes.map((size, i) => shell.request(`echo ${i}; wc -c`, size === 0 ? {} : { input: Buffer.alloc(size, 'x') })),
      )
      expect(answers.map(textOf)).toEqual(sizes.map((size, i) => `${i}\n${size}\n`))
    })

    test('carries ten megabytes of any bytes up and down', async () => {
      const bytes = randomBytes(10_000_000)
      const up = await shell.request('cat >"$T/big"; sha256sum <"$T/big"', { input: bytes })
      expect(textOf(up).slice(0, 64)).toBe(sha256(bytes))
      const down = await shell.request('cat "$T/big"; rm "$T/big"')
      expect(sha256(down.stdout)).toBe(sha256(bytes))
    })

    test('passes the whole input to a script, also to a long one, and empty input by default', async () => {
      const long = `# ${'é'.repeat(3000)}\ncat; cat\n`
      expect(textOf(await shell.request(long, { input: Buffer.from('a\0b') }))).toBe('a\0b')
      expect(textOf(await shell.request(long))).toBe('')
      expect(textOf(await shell.request('read -r x || echo none'))).toBe('none\n')
    })

    test('loses no step when a script leaves its input unread', async () => {
      const answers = await Promise.all([shell.request(':', { input: Buffer.alloc(300_000) }), shell.request('echo next')])
      expect(answers.map(textOf)).toEqual(['', 'next\n'])
    })

    test.each([
      ['exit 3', 3],
      ['set -e; false; echo not reached', 1],
      ['if', 2],
      ['set -u; echo "$undefined_here"', 2],
      ['exec sh -c "exit 7"', 7],
      ["sh -c 'kill -9 $PPID'", 137],
      ['exec >&- 2>&-; exit 4', 4],
      [`#${'x'.repeat(5000)}\nexit 5`, 5],
    ])('returns the exit status of %.20s', async (script, code) => {
      expect((await shell.request(script)).code).toBe(code)
    })

    test('keeps stdout and stderr apart, and caps stderr', async () => {
      const answer = await shell.request("echo out; printf 'fehlt: ü' >&2")
      expect([textOf(answer), answer.stderr]).toEqual(['out\n', 'fehlt: ü'])
      expect((await shell.request('yes | head -c 5000000 >&2')).stderr).toHaveLength(65536)
    })

    test('isolates each script from the next', async () => {
      await shell.request('cd /tmp; umask 0; leaked=1; set -f; export PATH=/nowhere; trap "echo trapped" EXIT; exec 9>&-')
      const seen = await shell.request(
        'pwd; umask; echo "<$leaked> $LC_ALL $# $(id -u)"; echo "$PATH" | tr : "\\n" | grep -c sbin; ls -d "$T"',
      )
      expect(textOf(seen)).toMatch(/^\/\n0077\n<> C 0 0\n3\n\/run\/provision\.\d+\.[0-9a-f]{8}\n$/)
    })

    test('passes lines on at once, with complete characters', async () => {
      const lines: string[] = []
      await shell.request("printf 'gr\\303'; sleep 0.1; printf '\\274n\\nlast'", { onLine: (line) => lines.push(line) })
      expect(lines).toEqual(['grün', 'last'])
    })

    test('drops the output of a background job after the end of its script', async () => {
      await shell.request('( sleep 0.3; echo LATE ) &')
      await shell.request('sleep 0.6 >/dev/null')
      expect(textOf(await shell.request('echo mine'))).toBe('mine\n')
    })

    test('refuses output over the limit, and continues', async () => {
      const problem = await problemOf(shell.request('head -c 3000000 /dev/zero', { maxBytes: 1_000_000 }))
      expect(problem).toMatchObject({ class: 'task', where: { host: 'h1' } })
      expect(textOf(await shell.request('echo on'))).toBe('on\n')
    })

    test('starts one process for a trivial request', async () => {
      // The kernel numbers processes in order. Other processes of the host only increase the difference, so the minimum is ours.
      const pids = await Promise.all(Array.from({ length: 30 }, () => shell.request('read -r pid rest </proc/self/stat; echo "$pid"')))
      const steps = pids.map((answer) => Number(textOf(answer))).flatMap((pid, i, all) => (i === 0 ? [] : [pid - (all[i - 1] ?? 0)]))
      expect(Math.min(...steps.filter((step) => step > 0))).toBe(1)
    })

    test('shows no secret in any process’s arguments or environment', async () => {
      const input = new Secret('poison-5f2c')
      const seen = await shell.request('cat >/dev/null; grep -l "poison-5f2[c]" /proc/[0-9]*/cmdline /proc/[0-9]*/environ; true', { input })
      expect(textOf(seen)).toBe('')
    })

    test('reports the address and port of sshd', () => {
      expect(shell.sshConnection).toEqual([`${SUBNET}.1`, expect.stringMatching(/^\d+$/), HOST, '22'])
    })
  })

  test('a shell over IPv6', async () => {
    expect(await onHost('id -un', { address: `${SUBNET_6}11` })).toBe('root')
  })

  test('a closed shell leaves nothing on the host', async () => {
    const shell = await openShell(target())
    const directory = textOf(await shell.request('echo "$T"')).trim()
    const last = shell.request('sleep 0.2; echo done')
    await shell.close()
    expect(textOf(await last)).toBe('done\n')
    expect(await onHost(`[ -e ${directory} ] || echo gone`)).toBe('gone')
    await expect(shell.request(':')).rejects.toThrow('the shell on h1 is closed')
  })

  test('a script that hangs is killed at its own deadline, queueing not counted, and the shell continues', async () => {
    const shell = await openShell(target(), { killOverdue: killOverdue(target()) })
    const slow = shell.request('sleep 1; echo slow')
    const hung = problemOf(shell.request('sleep 100', { deadlineMs: 500 }))
    const behind = shell.request('echo on')
    expect(textOf(await slow)).toBe('slow\n')
    expect(await hung).toMatchObject({
      class: 'task',
      where: { host: 'h1' },
      what: expect.stringMatching(/^`sleep 100` \(pid \d+\) ran for 1 s and was killed$/),
    })
    expect(textOf(await behind)).toBe('on\n')
    expect(textOf(await shell.request('cat /proc/[0-9]*/comm | grep -cx sleep; :'))).toBe('0\n')
    await shell.close()
  })

  test('a script that ends just before it is killed returns its answer', async () => {
    const shell = await openShell(target(), { killOverdue: () => sleep(1500, undefined) })
    expect(textOf(await shell.request('sleep 1; echo late', { deadlineMs: 500 }))).toBe('late\n')
    expect(textOf(await shell.request('echo on'))).toBe('on\n')
    await shell.close()
  })

  test('a host whose hanging script cannot be killed is excluded', async () => {
    const shell = await openShell(target())
    const hung = problemOf(shell.request('sleep 2', { deadlineMs: 500 }))
    const behind = problemOf(shell.request('echo never'))
    expect(await hung).toMatchObject({ class: 'unreachable', where: { host: 'h1' }, what: 'no answer within 1 s' })
    expect(await behind).toMatchObject({ class: 'unreachable' })
    await shell.close()
  })

  test('a script that kills its shell is a problem, not an answer', async () => {
    const shell = await openShell(target())
    expect(await problemOf(shell.request('kill -9 "$$"'))).toMatchObject({ class: 'unreachable' })
    expect(await problemOf(shell.request('echo on'))).toMatchObject({ class: 'unreachable' })
    await shell.close()
  })

  test('costs few round trips more than `ssh HOST true`, with its first two requests', async () => {
    const turnsOf = async (work: (port: number) => Promise<unknown>): Promise<number> => {
      const slow = await relayTo(HOST, 22, { port: 0, host: '127.0.0.1', delayMs: 60 })
      await work(slow.port)
      slow.close()
      return slow.turns
    }
    const shell = await turnsOf(async (port) => {
      const opened = await openShell(through(port), { first: { script: 'echo one' } })
      expect(textOf((await opened.first) ?? (await opened.request('false')))).toBe('one\n')
      expect(textOf(await opened.request('echo two'))).toBe('two\n')
      await opened.close()
    })
    const ssh = await turnsOf(async (port) => {
      const words = ['-o', 'HostKeyAlias=h1', '-i', labFile('id_ed25519'), '-o', 'StrictHostKeyChecking=no']
      const child = spawn('ssh', ['-F', 'none', ...words, '-p', String(port), 'ops@127.0.0.1', 'true'])
      expect(await once(child, 'exit')).toEqual([0, null])
    })
    process.stdout.write(`round trips: ${shell}, ssh ${ssh}\n`)
    expect(shell - ssh).toBeLessThanOrEqual(name === 'ssh2' ? 2 : 3)
  })

  describe('a connection that is cut', () => {
    let relay: Relay
    beforeEach(async () => {
      relay = await relayTo(HOST)
    })
    afterEach(() => relay.close())

    test('fails every request, ends the current step, and begins no other', async () => {
      await onHost('rm -f /tmp/ended')
      const shell = await openShell(through(relay.port))
      const begun = new Promise<void>((begin) => {
        void shell.request('echo begun; sleep 1; echo still; touch /tmp/ended', { onLine: () => begin() }).catch(() => {})
      })
      await begun
      const running = problemOf(shell.request('touch /tmp/not-begun'))
      relay.cut()
      expect(await running).toMatchObject({ class: 'unreachable', where: { host: 'h1' }, what: 'connection was lost' })
      await shell.close()
      expect(await onHost('sleep 1.5; ls /tmp/ended /tmp/not-begun 2>&1 || true')).toMatch(
        /^.*cannot access '\/tmp\/not-begun'.*\n\/tmp\/ended$/,
      )
    })

    test('in the middle of the input runs nothing of the request', async () => {
      const shell = await openShell(through(relay.port))
      await shell.request(':')
      relay.silence()
      const cut = problemOf(shell.request('cat >/dev/null; touch /tmp/half', { input: Buffer.alloc(50_000_000) }))
      relay.resume()
      setTimeout(() => relay.cut(), 20)
      expect(await cut).toMatchObject({ class: 'unreachable' })
      expect(await onHost('sleep 0.5; [ -e /tmp/half ] || echo not run')).toBe('not run')
    })
  })

  describe('a separate connection', () => {
    test('is new, and also runs as root', async () => {
      const shell = await openShell(target())
      const answer = await runOnce(target(), 'id -un', { deadlineMs: 10_000 })
      expect([answer.code, textOf(answer)]).toEqual([0, 'root\n'])
      await shell.close()
    })

    test('is retried until the deadline', async () => {
      const port = name === 'ssh2' ? 2201 : 2211
      const later = onHost(`sleep 1; /usr/sbin/sshd -p ${port}`)
      const answer = await runOnce(target({ port, hostKeyAlias: HOST }), 'echo in', { deadlineMs: 20_000 })
      await later
      expect(textOf(answer)).toBe('in\n')
      expect(await problemOf(runOnce(target({ port: 2202 }), ':', { deadlineMs: 700 }))).toMatchObject({
        class: 'unreachable',
        what: `${HOST}, port 2202 refused the connection`,
      })
    })
  })

  describe('a command of the user', () => {
    test.each([
      [false, 'ops\n'],
      [true, 'root\n'],
    ])('with sudo: %s', async (sudo, name) => {
      let out = ''
      let err = ''
      const code = await execOn(target(), "id -un; cat; echo 'it''s' >&2\nexit 6", {
        sudo,
        onStdout: (chunk) => {
          out += chunk
        },
        onStderr: (chunk) => {
          err += chunk
        },
      })
      expect([code, out, err]).toEqual([6, name, 'its\n'])
    })
  })
})
