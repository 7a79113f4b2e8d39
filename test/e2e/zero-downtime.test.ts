import { execFileSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installCommand } from './support/install-command.ts'
import { cutPower, down, restorePower, up } from './support/lab.ts'
import { type Load, type Phase, phaseLine } from './support/load/load.ts'
import { bringApplication, loadSite, NAME } from './support/load/load-site.ts'
import { forget, readable, whileCaptured } from './support/network/packet-capture.ts'
import { referenceProject } from './support/project.ts'

const project = referenceProject('t-load', '10.79.81')
const site = loadSite(project, '10.79.81')
const { on, run } = site
let load: Load

beforeAll(async () => {
  await up(site.lab)
  bringApplication(site)
  run()
  load = await site.visit('before anything happens')
}, 600_000)
afterAll(async () => {
  load?.kill()
  await down(site.lab)
  project.remove()
})

/** Requests of visitors during an action, and for the same time after it. */
const meanwhile = async (name: string, act: () => unknown, rest = 1500): Promise<Phase> => {
  await load.next(name)
  await act()
  await new Promise((resolve) => setTimeout(resolve, rest))
  const phase = await load.next(`after: ${name}`)
  process.stdout.write(`${phaseLine(phase)}\n`)
  return phase
}

describe('visitors do not notice', () => {
  it.each<[string, () => unknown]>([
    [
      'a deployment over both web servers',
      () => {
        site.page(1)
        expect(run()).toMatch(/web-01 {2}drained from lb-01[\s\S]*web-02 {2}returned to lb-02/)
      },
    ],
    [
      'a reinstallation of nginx',
      () => on('web-01', 'DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall nginx nginx-common 2>&1'),
    ],
    [
      'lines that HAProxy does not take',
      () => {
        site.configure("        extra: { https: ['http-request nonsense'] }\n")
        const refused = project.provision('run')
        expect(refused.status).toBe(1)
        expect(refused.stderr).toMatch(/parsing \[\S*haproxy\.cfg:\d+\][\s\S]*nonsense/)
      },
    ],
    [
      'another configuration of HAProxy',
      () => {
        site.configure('        max_connections: 400\n')
        expect(run()).toContain('update service haproxy.service')
      },
    ],
    [
      'a certificate for more names',
      () => {
        site.configure('        max_connections: 400\n', ', shop.example.test')
        expect(run()).toContain('update certificate /etc/ssl/haproxy/www.example.test.pem')
      },
    ],
    [
      'a release that is unhealthy at once',
      () => {
        // The release lacks the page by which the balancers check the health of the site.
        site.configure(
          '        healthy_seconds: 4\n        health_path: /alive.txt\n        health_host: www.example.test\n',
          ', shop.example.test',
        )
        project.write('site/alive.txt', 'alive\n')
        run()
        rmSync(join(project.root, 'site/alive.txt'))
        const { status, stdout, stderr } = project.provision('run')
        expect(status).toBe(1)
        expect(stdout).toContain('release /var/www/provision/www was restored to its state before this run  web-01')
        expect(stdout).toContain('play web servers stopped: web-01 failed (max_failures: 0); web-02 was not changed')
        expect(stderr).toMatch(
          /lb-0[12] does not find web-01 healthy\n[^\n]*web-01 in web\.www\.example\.test is DOWN \(L7STS 404 Not Found\)/,
        )
        project.write('site/alive.txt', 'alive\n')
      },
    ],
  ])('%s', async (name, act) => {
    const phase = await meanwhile(name, act)
    expect(phase.failures).toEqual([])
    expect(phase.sent['kept POST']).toBeGreaterThan(10)
  })
})

describe('a power cut of one host', () => {
  it('of a web server fails only the requests other than GET that were in progress there, and none after its return', async () => {
    const phase = await meanwhile('a power cut of web-01', () => cut('web-01'), 9000)
    // GET requests are retried on the other server, which takes the seconds of the timeout.
    expect(phase.failures.filter(({ way }) => way.endsWith('GET'))).toEqual([])
    expect(phase.failures.filter(({ at }) => at > 1)).toEqual([])
    for (const { why } of phase.failures) expect(why).toContain('status 502')
    const back = await meanwhile('web-01 comes back', () => restore('web-01'), 4000)
    expect(back.failures).toEqual([])
    expect(back.servedBy).toEqual(['web-01', 'web-02'])
  })

  it('of the balancer fails only requests over connections to it, until the other one has the address', async () => {
    const [holder = ''] = site.holders()
    const phase = await meanwhile('a power cut of the balancer', () => cut(holder), 9000)
    // Clients with a connection to it may wait until their own timeout; new clients are served.
    expect(phase.failures.filter(({ way, at }) => way.startsWith('fresh') && at > 5)).toEqual([])
    const after = await meanwhile('it comes back', () => restore(holder), 3000)
    expect(after.failures).toEqual([])
    expect(run('--dry-run')).toContain('Nothing to do')
  })

  it('and no request other than GET was executed twice', async () => {
    const { phase, posted, unsure } = await load.stop()
    expect(phase.failures).toEqual([])
    const applied = site.applied()
    expect([...applied].filter(([, times]) => times > 1)).toEqual([])
    expect(posted.filter((id) => !applied.has(id))).toEqual([])
    expect(posted.length).toBeGreaterThan(500)
    const doubtful = unsure.filter((id) => applied.has(id))
    process.stdout.write(`${posted.length} were carried out once; of ${unsure.length} in doubt, ${doubtful.length} were\n`)
  })
})

const cut = (host: string): Promise<void> => cutPower(site.lab, host)
const restore = (host: string): Promise<void> => restorePower(site.lab, host)

describe('on the wire', () => {
  it('traffic between balancer and web servers is encrypted', async () => {
    const [holder = ''] = site.holders()
    const packets = await whileCaptured(site.lab, async () => {
      const visitors = await site.visit('seen')
      await fetch(`http://${site.virtual}/in-the-clear`, { redirect: 'manual' })
      await new Promise((resolve) => setTimeout(resolve, 3000))
      expect((await visitors.stop()).phase.failures).toEqual([])
    })
    const address = (name: string) => site.lab.hosts.find((host) => host.name === name)?.addresses[0] ?? ''
    // Plain text of a visitor is captured, so plain text elsewhere would have been captured too.
    expect(readable(packets, `ip.addr == ${site.virtual} && tcp.port == 80`)).toContain('GET /in-the-clear HTTP/1.1')
    for (const web of ['web-01', 'web-02']) {
      const between = `ip.addr == ${address(web)} && ip.addr == ${address(holder)} && !(tcp.port == 22)`
      const seen = readable(packets, between)
      expect(seen.length).toBeGreaterThan(10_000)
      expect(seen).not.toMatch(/HTTP\/1|GET \/|POST \/|<title>|count\/|example\.test/)
    }
    forget(packets)
  })
})

describe('TLS for visitors', () => {
  it('offers TLS 1.2 and 1.3 with strong ciphers only, by sslscan and openssl', () => {
    installCommand('sslscan')
    const scanned = sh(`sslscan --no-colour --sni-name=${NAME} ${site.virtual}:443`)
    const [enabled, accepted] = [/^(\S+) +enabled$/gm, /^(?:Preferred|Accepted) +(\S+) +\d+ bits +(\S+)/gm].map((pattern) =>
      [...scanned.matchAll(pattern)].map(([, ...found]) => found.join(' ')),
    )
    expect(enabled).toEqual(['TLSv1.2', 'TLSv1.3'])
    expect(accepted?.length).toBe(6)
    for (const cipher of accepted ?? []) expect(cipher).toMatch(/^TLSv1\.3 TLS_|^TLSv1\.2 ECDHE-ECDSA-(AES\d+-GCM|CHACHA20)/)
    expect(scanned).not.toMatch(/(?<!not )vulnerable to heartbleed/)
    const hello = (option: string) =>
      sh(`openssl s_client -connect ${site.virtual}:443 -servername ${NAME} ${option} </dev/null 2>&1; true`)
    for (const old of ['-tls1', '-tls1_1']) expect(hello(`${old} -cipher DEFAULT@SECLEVEL=0`)).toMatch(/alert protocol version/)
    for (const [option, is] of [
      ['-tls1_2', 'TLSv1.2'],
      ['-tls1_3', 'TLSv1.3'],
    ] as const)
      expect(hello(option)).toContain(`New, ${is}, Cipher is`)
  })

  it('is refused by a web server to clients without a certificate of a balancer', () => {
    // The firewall admits only the balancers, so one of them sends this request.
    for (const web of ['web-01', 'web-02']) {
      const at = site.lab.hosts.find(({ name }) => name === web)?.addresses[0] ?? ''
      const asked = (more: string) =>
        on(
          'lb-01',
          `printf 'GET / HTTP/1.1\\r\\nHost: ${NAME}\\r\\nConnection: close\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -connect ${at}:8443 ${more} 2>/dev/null; true`,
        )
      expect(asked('-cert /etc/ssl/haproxy/edge/client.pem -key /etc/ssl/haproxy/edge/client.pem.key')).toContain('HTTP/1.1 200')
      expect(asked('')).toBe('')
      expect(sh(`timeout 3 bash -c ': <>/dev/tcp/${at}/8443' && echo open; true`)).toBe('')
    }
  })

  it('leaves only encrypted private keys on this machine', () => {
    const open = sh(`grep -rlE 'PRIVATE KEY-----|AGE-SECRET-KEY-' ${project.root} || true`).trim().split('\n')
    // The two keys of the administrator: the age key of the project, and the SSH key of the lab.
    expect(open.sort()).toEqual([`${project.root}/.provision/lab/t-load/id_ed25519`, `${project.root}/age.txt`])
    const kept = sh(`ls ${project.root}/identities`).trim().split('\n')
    expect(kept.filter((name) => name.endsWith('.age'))).toHaveLength(2)
    for (const name of kept.filter((one) => one.endsWith('.age')))
      expect(sh(`head -c 34 ${project.root}/identities/${name}`)).toBe('-----BEGIN AGE ENCRYPTED FILE-----')
  })
})

const sh = (script: string): string => execFileSync('sh', ['-c', script], { encoding: 'utf8' })
