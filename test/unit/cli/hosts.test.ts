import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServerChannel } from 'ssh2'
import { describe, expect, test } from 'vitest'
import type { CommandContext } from '../../../src/cli/command.ts'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { keygen, scratch, sshServer, wireOf } from '../host/ssh/ssh-server.ts'
import { project } from '../site/project.ts'
import { testContext } from './context.ts'

/** A project with hosts that this process serves. */
const site = async (names: readonly string[], execute?: (host: string, command: string, channel: ServerChannel) => void) => {
  const directory = scratch()
  const key = keygen(join(directory, 'user'))
  const known = join(directory, 'known_hosts')
  const servers = await Promise.all(
    names.map(async (name) => {
      const own = scratch()
      const run = execute && ((command: string, channel: ServerChannel) => execute(name, command, channel))
      return { name, ...(await sshServer({ directory: own, accepts: wireOf(key), ...(run && { execute: run }) })) }
    }),
  )
  const hosts = servers.map(({ name, port }) => `${name}: { address: 127.0.0.1, port: ${port} }`)
  const inventory = `vars: { user: ops, key: ${key}, known_hosts: ${known} }\nhosts: { ${hosts.join(', ')} }\n`
  const root = project({ 'inventory/site.yaml': inventory })
  const lineOf = ({ port, hostKey }: { port: number; hostKey: string }) => `[127.0.0.1]:${port} ssh-ed25519 ${wireOf(hostKey)}`
  const provision = async (argv: readonly string[], more: Partial<CommandContext> = {}) => {
    const context = testContext({ directory: root, env: { HOME: root }, ...more })
    const result = await dispatch(argv, context)
    const { status, problems } = typeof result === 'number' ? { status: result, problems: [] } : result
    return { status, what: problems.map(({ what, where }) => ('file' in where ? `${what} (line ${where.line})` : what)), ...context.output }
  }
  return { servers, known, provision, lines: servers.map(lineOf), foreign: keygen(join(directory, 'other')) }
}

describe('provision trust', () => {
  test('shows new keys, and stores them once they are confirmed', async () => {
    const { known, provision, lines } = await site(['web-01', 'web-02'])
    const asked: string[] = []
    const answers = (answer: string) => ({
      ask: async (question: string) => {
        asked.push(question)
        return answer
      },
    })
    for (const answer of ['', 'n', 'yesterday', 'never y'])
      expect(await provision(['trust'], answers(answer))).toMatchObject({ status: 1, err: 'Nothing was stored.\n' })
    expect(existsSync(known)).toBe(false)
    expect(asked).toEqual(Array.from({ length: 4 }, () => 'Store the keys of 2 hosts? [y/N] '))
    await expect(provision(['trust'])).rejects.toMatchObject({ class: 'input', what: 'no terminal is attached to confirm these keys' })
    const { status, out } = await provision(['trust', 'web-01'], answers('Yes'))
    expect([status, asked.at(-1)]).toEqual([0, 'Store the keys of 1 host? [y/N] '])
    expect(out).toMatch(/^web-01 {2}127\.0\.0\.1\n {2}ssh-ed25519 {2}SHA256:\S+ {2}new\nStored in .*known_hosts\.\n$/)
    expect(readFileSync(known, 'utf8').trim()).toBe(lines[0])
    expect((await provision(['trust', '--yes'])).out).toMatch(/ known\nweb-02 .*\n.* new\nStored in /)
    expect(readFileSync(known, 'utf8').trim().split('\n').toSorted()).toEqual(lines.toSorted())
    expect(await provision(['trust'])).toMatchObject({ status: 0, what: [], out: expect.not.stringContaining('Stored') })
  })

  test('never stores a key that differs or is revoked, nor others beside it', async () => {
    const { known, provision, lines, foreign } = await site(['web-01', 'web-02'])
    const [first = ''] = lines
    for (const [line, mark, what] of [
      [first.replace(/\S+$/, wireOf(foreign)), 'CHANGED', 'ssh-ed25519 key of web-01 changed (line 2)'],
      [`@revoked ${first}`, 'REVOKED', 'ssh-ed25519 key of web-01 is revoked (line 2)'],
    ] as const) {
      writeFileSync(known, `# mine\n${line}\n`)
      const { status, what: found, out } = await provision(['trust', '--yes'])
      expect([status, found]).toEqual([3, [what]])
      expect(out).toMatch(new RegExp(`^web-01 .*\\n.* ${mark}\\nweb-02 .*\\n.* new\\n$`))
      expect(readFileSync(known, 'utf8')).toBe(`# mine\n${line}\n`)
    }
  })

  test('stores the keys of hosts that answer, and names the others', async () => {
    const { known, provision, lines, servers } = await site(['web-01', 'web-02'])
    const inventory = `vars: { user: ops, known_hosts: ${known} }\nhosts: { gone: { address: 127.0.0.1, port: 1 }, web-01: { address: 127.0.0.1, port: ${servers[0]?.port} } }\n`
    const root = project({ 'inventory/site.yaml': inventory })
    const { status, what, out } = await provision(['trust', '--yes'], { directory: root })
    expect([status, what]).toEqual([4, [expect.stringContaining('127.0.0.1')]])
    expect(out).toContain('Stored in ')
    expect(readFileSync(known, 'utf8').trim()).toBe(lines[0])
  })
})

test('provision fetch ends the connection to a host that sends without end', { timeout: 120_000 }, async () => {
  const endless = (host: string, _: string, channel: ServerChannel): void => {
    if (host === 'web-02') {
      channel.write('hello\n')
      channel.exit(0)
      channel.end()
      return
    }
    const part = Buffer.alloc(1 << 20)
    const send = (): void => {
      while (channel.writable && channel.write(part));
    }
    channel.on('drain', send)
    send()
  }
  const { provision, known, lines } = await site(['web-01', 'web-02'], endless)
  writeFileSync(known, `${lines.join('\n')}\n`)
  const { status, what, out } = await provision(['fetch', 'all', '/etc/motd', '--into', 'got'])
  expect([status, what, out]).toEqual([1, ['/etc/motd is larger than 256 MB'], 'got/web-02/etc/motd\n'])
})

describe('provision exec', () => {
  const answering = (host: string, command: string, channel: ServerChannel): void => {
    channel.write(`${host}: ${command}\n`)
    channel.stderr.write('a warning\n')
    channel.exit(host === 'web-02' ? 7 : 0)
    channel.end()
  }
  const trusted = async (...names: readonly string[]) => {
    const all = await site(names, answering)
    writeFileSync(all.known, `${all.lines.join('\n')}\n`)
    return all
  }

  test('prints the output of one host as it is, and its failure', async () => {
    const { provision } = await trusted('web-01', 'web-02')
    const one = await provision(['exec', 'web-01', '--', 'ls', 'a b'])
    expect([one.status, one.what]).toEqual([0, []])
    expect(one.out).toMatch(/^web-01: .*ls 'a b'.*\n$/s)
    expect(one.err).toBe('a warning\n')
    expect(await provision(['exec', 'web-02', '--', 'true'])).toMatchObject({ status: 1, err: 'a warning\nexit 7\n' })
  })

  test('names the host of each line, and fails if the command failed on one', async () => {
    const { provision } = await trusted('web-01', 'web-02')
    const { status, out, err } = await provision(['exec', 'all', '--', 'date | wc'])
    expect(status).toBe(1)
    expect(out).toMatch(/^web-01 {2}web-01: .*date \| wc/m)
    expect(out).toMatch(/^web-02 {2}web-02: .*date \| wc/m)
    expect(err.trim().split('\n').toSorted()).toEqual(['web-01  a warning', 'web-02  a warning', 'web-02  exit 7'])
  })

  test('runs nothing without a pattern, a command or a known key', async () => {
    const ran: string[] = []
    const { provision } = await site(['web-01'], (_, command) => void ran.push(command))
    await expect(provision(['exec'])).rejects.toMatchObject({ class: 'input', what: 'no host pattern is given' })
    await expect(provision(['exec', 'web-01', 'ls', 'a b', '--sudo'])).rejects.toMatchObject({
      ...{ class: 'input', what: 'no command follows --' },
      fix: "write provision exec web-01 --sudo -- ls 'a b'",
    })
    await expect(provision(['exec', 'web-01', '--'])).rejects.toMatchObject({ fix: 'write provision exec web-01 -- uptime' })
    expect(await provision(['exec', 'web-01', '--', 'date'])).toMatchObject({ status: 4, what: [expect.anything()] })
    expect(ran).toEqual([])
  })
})
