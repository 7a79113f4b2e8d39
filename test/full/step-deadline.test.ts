import { spawnSync } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LabSpec, leaderOf } from '../../src/lab/index.ts'
import { inside } from '../e2e/support/interrupt.ts'
import { down, up } from '../e2e/support/lab.ts'
import { type Result, referenceProject } from '../e2e/support/project.ts'

// On three hosts a step hangs: in what it waits for, in a package's script, and on a host that lets nobody in anew.
const SUBNET = '10.79.44'
const HOSTS = ['waits', 'package', 'away'] as const
const project = referenceProject('t-over', SUBNET)
const spec: LabSpec = {
  name: project.lab,
  root: project.root,
  hosts: HOSTS.map((name, i) => ({ name, user: 'ops', addresses: [`${SUBNET}.${11 + i}`] })),
}

/** The programs that hang, by host. One process ignores SIGTERM, another one has its own session. */
const HANGS = `: >/run/begun; case $(hostname) in
package) dpkg -i /srv/hung.deb ;;
waits) (trap '' TERM; while :; do sleep 4001; done) & setsid -w sleep 4002 ;;
*) sleep infinity ;; esac`

const ROLE = `import { command, defineRole, file, z } from 'provision'
export default defineRole({
  name: 'things', summary: 'three steps; one of them can hang',
  options: z.strictObject({ hangs: z.boolean() }),
  resources: ({ options: { hangs } }) => [
    file({ path: '/srv/first', content: 'first' }),
    command({ name: 'second', run: hangs ? ${JSON.stringify(HANGS)} : ': >/srv/second', creates: '/srv/second', withinMinutes: 0.1 }),
    file({ path: '/srv/third', content: 'third' }),
  ],
})
`
const playbook = (hangs: boolean): void =>
  project.write('playbooks/things.yaml', `- hosts: all\n  roles: [{ things: { hangs: ${hangs} } }]\n`)

const PACKAGE = `mkdir -p /root/hung/DEBIAN; cd /root
printf 'Package: hung\\nVersion: 1\\nArchitecture: all\\nMaintainer: me <me@example.test>\\nDescription: hangs once\\n' >hung/DEBIAN/control
printf '#!/bin/sh\\n[ -e /run/once ] || { : >/run/once; sleep infinity; }\\n' >hung/DEBIAN/postinst; chmod 755 hung/DEBIAN/postinst
dpkg-deb -b hung /srv/hung.deb >/dev/null`

const nft = async (host: string, words: string): Promise<void> => {
  const { status, stderr } = spawnSync('nsenter', [`--target=${await leaderOf(spec, host)}`, '--net', 'nft', words], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${words}: ${stderr}`)
}
const shut = `add table inet shut; add chain inet shut input { type filter hook input priority 0; }; add rule inet shut input tcp dport 22 tcp flags & (syn|ack) == syn drop`

/** The commands that run on a host and sleep. */
const sleepers = async (host: string): Promise<readonly string[]> => {
  const all = await inside(spec, host, `for p in /proc/[0-9]*; do { tr '\\0' ' ' <$p/cmdline; echo; } 2>/dev/null; done; :`)
  return all.split('\n').flatMap((line) => (/^sleep |\/sleep /.test(line) ? [line.trim()] : []))
}
const whenBegun = async (host: string): Promise<void> => {
  while (!(await inside(spec, host, 'ls /run')).split('\n').includes('begun')) await sleep(200)
}

const run = async (limit: string): Promise<Result & { readonly seconds: number }> => {
  const began = performance.now()
  const result = await project.provisionBeside('run', '-i', 'inventory/things.yaml', 'playbooks/things.yaml', '--limit', limit)
  return { ...result, seconds: (performance.now() - began) / 1000 }
}
const cardOf = (host: string, { stderr }: Result): string => stderr.split(/^(?=✖ )/m).find((card) => card.startsWith(`✖ ${host}`)) ?? stderr

let hung: Awaited<ReturnType<typeof run>>
beforeAll(async () => {
  const settings = `{ user: ops, key: .provision/lab/${project.lab}/id_ed25519, known_hosts: known_hosts, host_keys: accept-new }`
  const hosts = Object.fromEntries(HOSTS.map((name, i) => [name, { address: `${SUBNET}.${11 + i}` }]))
  project.write('inventory/things.yaml', `vars: ${settings}\nhosts: ${JSON.stringify(hosts)}\n`)
  project.write('roles/things.ts', ROLE)
  playbook(true)
  await up(spec)
  await inside(spec, 'package', PACKAGE)
  await inside(spec, 'waits', 'systemd-run -q sleep 4003')
  ;[hung] = await Promise.all([run('all'), whenBegun('away').then(() => nft('away', shut))])
  playbook(false)
})
afterAll(async () => {
  await down(spec)
  project.remove()
})

describe('a step that hangs is killed at its deadline', () => {
  it('with all its child processes and no other; the card names the command', async () => {
    expect(cardOf('waits', hung)).toMatch(
      /^✖ waits › role things › command:second\n {2}what `sleep 400[12]` \(pid \d+\), `sleep 400[12]` \(pid \d+\) ran for 6 s and were killed\n {2}why {2}it exceeded its time limit\n {2}fix {2}find out on the host why it hangs, then run again/,
    )
    expect(await sleepers('waits')).toEqual([expect.stringMatching(/sleep 4003$/)])
    expect(hung.status).toBe(1)
  })

  it('also if it is a script of a package', async () => {
    expect(cardOf('package', hung)).toMatch(/what `sleep infinity` \(pid \d+\) ran for 6 s and was killed\n/)
    expect(await sleepers('package')).toEqual([])
  })

  it('and the next run takes the lock at once, and converges', async () => {
    const again = await run('waits,package')
    expect(`${again.status} ${again.stderr}`).toBe('0 ')
    expect(again.seconds).toBeLessThan(30)
    for (const host of ['waits', 'package']) expect(await inside(spec, host, 'ls /srv/first /srv/second /srv/third')).toContain('third')
  })
})

describe('a host that refuses the new connection for killing a step', () => {
  it('gets a card with the command that ends the step', async () => {
    expect(cardOf('away', hung)).toMatch(
      /^✖ away\n {2}what step did not answer within 6 s, and its processes could not be killed over a new connection\n {2}why {2}no answer from .*\n {2}fix {2}run again when the host is reachable; .*kill PID/,
    )
    expect(await sleepers('away')).toEqual(['sleep infinity'])
  })

  it('and after that command, the next run continues', async () => {
    await nft('away', 'delete table inet shut')
    const end = `for f in /proc/[0-9]*; do read -r name <$f/comm; [ "$name" != sleep ] || kill "$(basename $f)"; done 2>/dev/null`
    const [again] = await Promise.all([run('away'), sleep(5000).then(() => inside(spec, 'away', end))])
    expect(`${again.status} ${again.stderr}`).toBe('0 ')
  })
})
