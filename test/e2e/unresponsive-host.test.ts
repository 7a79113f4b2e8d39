import { spawnSync } from 'node:child_process'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runOnce } from '../../src/host/shell/run-once.ts'
import { type LabSpec, leaderOf, reboot } from '../../src/lab/index.ts'
import { inside } from './support/interrupt.ts'
import { down, up } from './support/lab.ts'
import { type Result, referenceProject } from './support/project.ts'

// One machine with several addresses that hang at different points, and five machines that fail during a run.
const SUBNET = '10.79.90'
const STRUCK = ['stopped', 'mute', 'deaf', 'reboots', 'lossy'] as const
const project = referenceProject('t-hang', SUBNET)
const machines = ['doors', 'crowd', ...STRUCK]
const addressOf = (name: string): string => `${SUBNET}.${11 + machines.indexOf(name)}`
const spec: LabSpec = {
  name: project.lab,
  root: project.root,
  hosts: machines.map((name) => ({ name, user: 'ops', addresses: [addressOf(name)] })),
}
const lab = join('.provision/lab', project.lab)

/** Name and port of each hanging service. */
const DOORS = {
  unanswered: { port: 2301 },
  silent: { address: `${SUBNET}.1`, port: 2302 },
  exchange: { address: `${SUBNET}.1`, port: 2303 },
  login: { port: 2304 },
  session: { port: 2305 },
  shell: { port: 2306, user: 'slow' },
  stranger: { port: 2307, key: 'stranger' },
  busy: { port: 2308 },
  single: { port: 2309 },
  crowded: { address: addressOf('crowd'), port: 2310 },
} as const

/** The play contains a step that takes long. */
const ROLE = `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'things', summary: 'three steps',
  options: z.strictObject({ seconds: z.int().default(0) }),
  resources: ({ options: { seconds } }) => [
    file({ path: '/srv/first', content: 'first' }),
    command({ name: 'second', run: \`: >/run/begun; sleep \${seconds}; : >/srv/second\`, creates: '/srv/second' }),
    file({ path: '/srv/third', content: 'third' }),
  ],
})
`

const PREPARE = `
set -e
printf '#!/bin/sh\\nexec sleep 100\\n' >/usr/local/bin/slow; chmod 755 /usr/local/bin/slow
useradd -m -s /bin/bash slow; cp -r /home/ops/.ssh /home/slow/; chown -R slow /home/slow/.ssh; echo 'slow ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/slow
echo slow >/home/slow/.bashrc
/usr/sbin/sshd -p 2304 -o AuthorizedKeysFile=none -o AuthorizedKeysCommand=/usr/local/bin/slow -o AuthorizedKeysCommandUser=root
# PAM settings of this sshd, by its program name, or by an option since version 9.9. Its PAM session starts a program that does not answer.
cp /usr/sbin/sshd /usr/local/sbin/sshd-hung; { echo 'session required pam_exec.so quiet /usr/local/bin/slow'; cat /etc/pam.d/sshd; } >/etc/pam.d/sshd-hung
/usr/local/sbin/sshd-hung -p 2305 -o PAMServiceName=sshd-hung 2>/dev/null || /usr/local/sbin/sshd-hung -p 2305
for port in 2306 2307; do /usr/sbin/sshd -p $port; done
for port in 2308 2310; do /usr/sbin/sshd -p $port -o MaxStartups=1:100:1 -o LoginGraceTime=600; done
/usr/sbin/sshd -p 2309 -o MaxSessions=1
`

/** Applies or lists packet filters in the network namespace of a host, in the syntax of nft. */
const nft = async (host: string, words: string): Promise<string> => {
  const { status, stdout, stderr } = spawnSync('nsenter', [`--target=${await leaderOf(spec, host)}`, '--net', 'nft', words], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${words}: ${stderr}`)
  return stdout
}

const COUNTED = [2301, 2307, 2308, 2310]
const count = `add table inet counted; add chain inet counted input { type filter hook input priority 0; };
${COUNTED.map((port) => `add rule inet counted input tcp dport ${port} tcp flags & (syn|ack) == syn counter`).join(';')}; add rule inet counted input tcp dport 2301 drop`

/** Number of connections to a port. */
const connectionsTo = async (host: string, port: number): Promise<number> =>
  Number(new RegExp(`dport ${port} .*counter packets (\\d+)`).exec(await nft(host, 'list table inet counted'))?.[1])

const servers: Server[] = []
const listen = async (port: number, greeting: string): Promise<void> => {
  const server = createServer((socket) => void socket.on('error', () => {}).write(greeting))
  servers.push(server)
  await new Promise<void>((listening) => server.listen(port, `${SUBNET}.1`, listening))
}
/** A client that connects and sends nothing. */
const lingerer = async (host: string, port: number): Promise<Socket> => {
  const socket = connect(port, addressOf(host))
  await new Promise((greeted) => socket.on('error', () => {}).once('data', greeted))
  return socket
}

const timed = async (running: Promise<Result>): Promise<Result & { readonly seconds: number }> => {
  const began = performance.now()
  return { ...(await running), seconds: (performance.now() - began) / 1000 }
}
const sites = { doors: 'inventory/doors.yaml', struck: 'inventory/struck.yaml' }
const run = (site: keyof typeof sites, ...words: readonly string[]) =>
  timed(project.provisionBeside('run', '-i', sites[site], ...words, `playbooks/${site}.yaml`))

/** Makes each machine fail once the long step has begun there. */
const strikes: Readonly<Record<(typeof STRUCK)[number], (() => Promise<unknown>) | undefined>> = {
  stopped: () => inside(spec, 'stopped', `pkill -STOP -f '^sshd(-session)?: ops'`),
  mute: () => nft('mute', dropping('output', 'sport')),
  deaf: () => nft('deaf', dropping('input', 'dport')),
  reboots: () => reboot(spec, 'reboots'),
  lossy: undefined,
}
const dropping = (hook: string, side: string, how = 'drop'): string =>
  `add table inet cut; add chain inet cut ${hook} { type filter hook ${hook} priority 0; }; add rule inet cut ${hook} tcp ${side} 22 ${how}`
const whenBegun = async (host: string, act: () => Promise<unknown>): Promise<void> => {
  for (let left = 150; (await inside(spec, host, 'ls /run')).match(/^begun$/m) === null; left--) {
    if (left === 0) throw new Error(`nothing has begun on ${host}`)
    await sleep(200)
  }
  await act()
}

let doors: Awaited<ReturnType<typeof run>>
let struck: Awaited<ReturnType<typeof run>>
beforeAll(async () => {
  const settings = `{ user: ops, key: ${lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new }`
  const hosts = (all: Record<string, object>): string => `vars: ${settings}\nhosts: ${JSON.stringify(all)}\n`
  project.write(
    sites.doors,
    hosts(Object.fromEntries(Object.entries(DOORS).map(([name, how]) => [name, { address: addressOf('doors'), ...how }]))),
  )
  project.write(sites.struck, hosts(Object.fromEntries(STRUCK.map((name) => [name, { address: addressOf(name) }]))))
  project.write('roles/things.ts', ROLE)
  project.write('playbooks/doors.yaml', '- hosts: all\n  roles: [things]\n')
  project.write('playbooks/struck.yaml', '- hosts: all\n  roles: [{ things: { seconds: 5 } }]\n')
  spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(project.root, 'stranger')])
  await up(spec)
  for (const host of ['doors', 'crowd']) {
    await inside(spec, host, PREPARE)
    await nft(host, count)
  }
  await listen(2302, '')
  await listen(2303, 'SSH-2.0-OpenSSH_9.2\r\n')
  // One in five packets is lost, in both directions.
  for (const [hook, side] of [
    ['input', 'dport'],
    ['output', 'sport'],
  ] as const)
    await nft('lossy', dropping(hook, side, 'numgen random mod 5 == 0 drop'))

  const [staying, leaving] = await Promise.all([lingerer('doors', 2308), lingerer('crowd', 2310)])
  const whenRefused = async (): Promise<unknown> => {
    // The first is the silent client itself.
    while ((await connectionsTo('crowd', 2310)) < 1 + 2) await sleep(200)
    return leaving.destroy()
  }
  const striking = STRUCK.map((host) => strikes[host] && whenBegun(host, strikes[host]))
  ;[doors, struck] = await Promise.all([run('doors'), run('struck'), whenRefused(), ...striking])
  staying.destroy()
})
afterAll(async () => {
  for (const server of servers) server.close()
  await down(spec)
  project.remove()
})

/** The error card of a host. */
// Hosts that fail alike have one card.
const cardOf = (name: string, { stderr }: Result): string =>
  stderr.split(/^(?=✖ )/m).find((card) => /^✖ (.*)/.exec(card)?.[1]?.split(' ').includes(name)) ?? stderr

describe('a host that hangs', () => {
  const at = addressOf('doors')
  it.each([
    ['when it is called', 'unanswered', `no answer from ${at}, port 2301 within 10 s`],
    ['before it says anything', 'silent', `${SUBNET}.1, port 2302 accepts connections, but sent nothing within 10 s`],
    ['when keys are exchanged', 'exchange', `key exchange with ${SUBNET}.1, port 2303 did not finish within 20 s`],
    ['at login', 'login', `login with ${at}, port 2304 did not finish within 20 s`],
    ['when a session is opened', 'session', 'session did not open within 15 s'],
    ['when the shell starts', 'shell', 'root shell did not start within 30 s'],
  ])('%s is given up, and the card says where', (_, name, what) => {
    expect(cardOf(name, doors)).toMatch(
      new RegExp(`^✖ ${name}\\n {2}what ${what.replaceAll('.', '\\.')}\\n(?: {2}why .*\\n)? {2}fix {2}check \\S`),
    )
  })

  it('delays the run only up to its deadline, and no other host', async () => {
    expect(doors.status).toBe(4)
    expect(doors.seconds).toBeLessThan(60)
    expect(await inside(spec, 'doors', 'cat /srv/third')).toBe('third')
    expect(doors.stdout).toMatch(/^ {2}session +unreachable$/m)
  })
})

describe('an sshd that limits connections', () => {
  it('to one session per connection (MaxSessions 1): one is enough', () => {
    expect(doors.stderr).not.toMatch(/^✖ single/m)
    expect(doors.stdout).toMatch(/^ {2}single +4 +4 +0 /m)
  })

  it('for a moment (MaxStartups): the connection is retried with growing pauses, and succeeds', async () => {
    expect(doors.stderr).not.toMatch(/^✖ crowded/m)
    expect(await inside(spec, 'crowd', 'cat /srv/third')).toBe('third')
    // The first was the silent client.
    const came = (await connectionsTo('crowd', 2310)) - 1
    expect(came).toBeGreaterThan(1)
    expect(came).toBeLessThanOrEqual(6)
  })

  it('for long: the run stops after six attempts, and the card names what to check', async () => {
    // Since version 9.8, which has penalties, sshd does not say why.
    const hasPenalties = /^persourcepenalties/m.test(await inside(spec, 'doors', 'sshd -T'))
    const words = hasPenalties ? 'Not allowed at this time' : 'Exceeded MaxStartups'
    expect(cardOf('busy', doors)).toContain(
      `✖ busy\n  what sshd on ${addressOf('doors')}, port 2308 refuses new connections at present\n  why  ${words}\n  fix  close connections there, or raise MaxStartups and PerSourcePenalties of sshd; sshd -T prints both\n`,
    )
    expect(await connectionsTo('doors', 2308)).toBe(1 + 6)
  })

  it('after failed logins (PerSourcePenalties): the run makes one attempt, and triggers no penalty', async () => {
    expect(cardOf('stranger', doors)).toContain('what login as ops was refused')
    expect(await connectionsTo('doors', 2307)).toBe(1)
    const target = {
      name: 'stranger',
      address: addressOf('doors'),
      port: 2307,
      user: 'ops',
      keys: [join(project.root, 'stranger')],
      knownHosts: [join(project.root, 'known_hosts')],
      hostKeys: 'strict' as const,
      jump: [],
    }
    await expect(runOnce(target, ':', { deadlineMs: 20_000 })).rejects.toThrow('login as ops was refused')
    expect(await connectionsTo('doors', 2307)).toBeLessThanOrEqual(3)
  })
})

describe('in the middle of a run', () => {
  it.each([
    ['the sshd of a host is stopped', 'stopped'],
    ['packets from the host are lost', 'mute'],
    ['packets to the host are lost', 'deaf'],
    ['a host boots', 'reboots'],
  ])('%s: within a minute the run names the lost host, and reports that the current step ends by itself', (_, name) => {
    expect(cardOf(name, struck)).toMatch(
      /^✖ .*\n {2}what connection was lost\n(?: {2}why .*\n)* {2}fix {2}check the host, then run again: a started step finishes by itself/,
    )
    expect(struck.stdout).toMatch(new RegExp(`^ {2}${name} +.*lost`, 'm'))
    expect(struck.status).toBe(4)
    expect(struck.seconds).toBeLessThan(75)
  })

  it('a network that loses every fifth packet: the run succeeds', async () => {
    expect(struck.stderr).not.toMatch(/^✖ lossy/m)
    expect(await inside(spec, 'lossy', 'cat /srv/third')).toBe('third')
  })

  it('the next run converges, also while the stopped sshd still exists', async () => {
    for (const host of ['mute', 'deaf', 'lossy']) await nft(host, 'delete table inet cut')
    // A host that has heard nothing of the end of a run takes it for alive for half a minute.
    const again = await run('struck', '--wait')
    expect(`${again.status} ${again.stderr}`).toBe('0 ')
    for (const host of STRUCK)
      expect(await inside(spec, host, 'cat /srv/first /srv/third; ls /srv')).toBe('firstthirdfirst\nsecond\nthird\n')
    const { status, stdout } = await run('struck')
    expect(`${status} ${stdout}`).toMatch(/^0 [\s\S]*Nothing to do/)
  })
})
