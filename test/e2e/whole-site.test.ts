import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { leaderOf, rebootHost, untilReady } from '../../src/lab/host.ts'
import { hostOf } from '../../src/lab/spec.ts'
import { unexplained } from './support/file-changes.ts'
import { installCommand } from './support/install-command.ts'
import { bareLab, differing, down, overlay, up } from './support/lab.ts'
import { processesBelow, traced } from './support/processes/strace.ts'
import { changes, referenceProject } from './support/project.ts'

const SUBNET = '10.79.10'
const HOSTS = ['lb-01', 'web-01', 'web-02']
const project = referenceProject('t-site', SUBNET)
const spec = bareLab(project, SUBNET)
const LB = `${SUBNET}.11`
const checkout = fileURLToPath(new URL('../..', import.meta.url))

beforeAll(() => up(spec))
afterAll(async () => {
  await down(spec)
  project.remove()
})

/** Runs a command as root on a host. */
const on = (host: string, command: string) => {
  const { status, stdout, stderr } = project.provision('exec', host, '--sudo', '--', 'sh', '-c', command)
  return { status, stdout, stderr }
}

/** One HTTPS request to the site, verified with the lab's authority. */
const get = (path = '/'): Promise<{ status: number | undefined; servedBy: string }> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(join(project.root, '.provision/lab/t-site/roots.pem'))
    const asked = request(
      { host: LB, path, ca, servername: 'www.example.test', headers: { host: 'www.example.test' }, agent: false },
      (response) => {
        response.resume()
        response.on('end', () => resolve({ status: response.statusCode, servedBy: String(response.headers['x-served-by']) }))
      },
    )
    asked.on('error', reject)
    asked.end()
  })

const both = async (): Promise<readonly string[]> => {
  const answers = await Promise.all(Array.from({ length: 8 }, () => get()))
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
  return [...new Set(answers.map(({ servedBy }) => servedBy))].sort()
}

describe('three bare hosts', () => {
  let predicted: readonly string[] = []
  const before = new Map<string, ReadonlyMap<string, string>>()
  const packagesBefore = new Map<string, ReadonlySet<string>>()

  it('are only observed by a dry run, which shows every change with its diff', () => {
    for (const host of HOSTS) before.set(host, overlay(spec, host))
    const { status, lines, stderr } = project.json('run', '--dry-run')
    expect(stderr).toBe('')
    expect(status).toBe(2)
    predicted = changes(lines, 'planned')
    for (const wanted of ['create package:haproxy', 'create service:haproxy.service', 'create nftables:inet provision'])
      expect(predicted).toContain(`lb-01 ${wanted}`)
    expect(lines.find(({ resource, host }) => resource === 'file:/etc/nginx/nginx.conf' && host === 'web-01')?.diff).toContain(
      '+worker_processes',
    )
    for (const host of HOSTS) {
      expect(differing(before.get(host) ?? new Map(), overlay(spec, host)).filter((path) => !/^\/var\/log\//.test(path))).toEqual([])
      before.set(host, overlay(spec, host))
      packagesBefore.set(host, packages(host))
    }
  })

  it('become the site by exactly the predicted changes', () => {
    const { status, lines, stderr } = project.json('run')
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(changes(lines, 'applied')).toEqual(predicted)
    expect(changes(lines, 'failed')).toEqual([])
    expect(lines.at(-1)).toMatchObject({ type: 'summary', result: 'changed' })
  })

  it('differ from before only in what the plan shows', () => {
    for (const host of HOSTS) {
      const installed = [...packages(host)].filter((name) => !packagesBefore.get(host)?.has(name))
      const explanation = {
        planned: predicted.filter((line) => line.startsWith(`${host} `)).map((line) => line.split(' ').slice(2).join(' ')),
        record: on(host, 'cat /var/lib/provision/owned/*').stdout.split('\n'),
        packageFiles: on(host, `dpkg -L ${installed.join(' ')}; true`).stdout.split('\n'),
      }
      const changed = differing(before.get(host) ?? new Map(), overlay(spec, host))
      expect(unexplained(changed, explanation)).toEqual([])
    }
  })

  it('serve it over HTTPS, the web servers in turn', async () => {
    expect(await both()).toEqual(['web-01', 'web-02'])
  })

  it('have nothing to do in a second run', () => {
    const { status, lines } = project.json('run', '--dry-run')
    expect(changes(lines, 'planned')).toEqual([])
    expect(status).toBe(0)
    expect(project.json('run').lines.at(-1)).toMatchObject({ result: 'converged' })
  })
})

// biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholder
const packages = (host: string): ReadonlySet<string> => new Set(on(host, "dpkg-query -W -f '${Package}\\n'").stdout.trim().split('\n'))

describe('a converged run', () => {
  it('sends two frames to each host after the shell is open', () => {
    const { stdout } = spawnSync(process.execPath, [join(checkout, 'test/e2e/support/count-frames.ts')], {
      cwd: project.root,
      env: project.env,
      encoding: 'utf8',
    })
    expect(stdout.trim().split('\n').sort()).toEqual(HOSTS.map((host) => `${host} 2`))
  })

  it.each(HOSTS)('starts at most fifteen processes on %s, sudo and the shell included', async (host) => {
    installCommand('strace')
    const leader = await leaderOf(spec, hostOf(spec, host))
    const sshd = spawnSync('pgrep', ['-P', String(leader), '-x', 'sshd'], { encoding: 'utf8' }).stdout.trim()
    const trace = await traced(['-e', 'trace=execve,clone,clone3,fork,vfork', '-p', sshd], () => {
      expect(project.provision('run').status).toBe(0)
    })
    // Since 1.9.14, sudo has a process more that watches the command, by the setting use_pty.
    const watchers = Number(on(host, 'grep -cE "^Defaults.*use_pty" /etc/sudoers').stdout)
    const processes = processesBelow('sudo', trace) - watchers
    expect(processes).toBeGreaterThan(5)
    expect(processes).toBeLessThanOrEqual(15)
  })
})

describe('manual damage', () => {
  it('is planned exactly, and repaired exactly', () => {
    on('web-01', 'echo "# by hand" >>/etc/nginx/provision/site.conf')
    on('web-02', 'systemctl stop nginx')
    on('lb-01', 'nft add rule inet provision input tcp dport 9999 accept')
    const expected = [
      'lb-01 update nftables:inet provision',
      'web-01 update file:/etc/nginx/provision/site.conf',
      'web-02 update service:nginx.service',
    ]
    const dry = project.json('run', '--dry-run')
    expect(dry.status).toBe(2)
    expect(changes(dry.lines, 'planned')).toEqual(expected)
    const run = project.json('run')
    expect(run.stderr).toBe('')
    expect(run.status).toBe(0)
    expect(changes(run.lines, 'applied')).toEqual(expected)
    expect(project.json('run', '--dry-run').status).toBe(0)
  })

  it('of another role or host is ignored by --role and --limit', () => {
    on('web-01', 'systemctl stop nginx')
    on('web-02', 'systemctl stop nginx; nft add rule inet provision input tcp dport 9999 accept')
    const run = project.json('run', '--role', 'nginx', '--limit', 'web-02')
    expect(run.status).toBe(0)
    expect(changes(run.lines, 'applied')).toEqual(['web-02 update service:nginx.service'])
    expect(Object.keys(run.lines.at(-1)?.hosts ?? {})).toEqual(['web-02'])
    expect(changes(project.json('run').lines, 'applied')).toEqual([
      'web-01 update service:nginx.service',
      'web-02 update nftables:inet provision',
    ])
  })
})

describe('a plan over several hosts', () => {
  it('is shown completely, applied in order, and a second run finds nothing to do', () => {
    cpSync(join(checkout, 'test/fixtures/roles/token.ts'), join(project.root, 'roles/token.ts'), { recursive: true })
    project.write('playbooks/token.yaml', '- hosts: web\n  roles: [token]\n')
    const run = project.json('run', 'playbooks/token.yaml')
    expect(run.stderr).toBe('')
    expect(changes(run.lines, 'planned').filter((line) => line.includes('token:'))).toEqual(
      ['web-01', 'web-02'].map((host) => `${host} create token:/etc/shared-token`),
    )
    expect(changes(run.lines, 'applied')).toEqual(changes(run.lines, 'planned'))
    const [one, other] = ['web-01', 'web-02'].map((host) => on(host, 'cat /etc/shared-token').stdout.trim())
    expect(one).toMatch(/^[0-9a-f]{16}$/)
    expect(other).toBe(one)
    expect(project.json('run', 'playbooks/token.yaml', '--dry-run').status).toBe(0)
    on('web-02', 'rm /etc/shared-token')
    expect(changes(project.json('run', 'playbooks/token.yaml').lines, 'applied')).toEqual(['web-02 create token:/etc/shared-token'])
  })
})

describe('a template with an error in it', () => {
  it('never reaches the live configuration; the old one serves, also after a reboot; the next valid run repairs it', async () => {
    const role = join(project.root, 'roles/nginx')
    cpSync(join(checkout, 'roles/nginx'), role, { recursive: true })
    const template = join(role, 'site.ts')
    const good = readFileSync(template, 'utf8')
    writeFileSync(template, good.replace('  root ', '  rooot /nowhere;\n  root '))
    const live = on('web-01', 'sha256sum /etc/nginx/provision/site.conf; stat -c %z /etc/nginx/provision').stdout
    const broken = project.provision('run')
    expect(broken.status).toBe(1)
    expect(broken.stdout + broken.stderr).toContain('unknown directive "rooot"')
    expect(on('web-01', 'sha256sum /etc/nginx/provision/site.conf; stat -c %z /etc/nginx/provision').stdout).toBe(live)
    // A balancer has a server back a few seconds after it started.
    await expect.poll(both, { timeout: 30_000, interval: 500 }).toEqual(['web-01', 'web-02'])
    await rebootHost(spec, hostOf(spec, 'web-01'))
    await untilReady(spec, hostOf(spec, 'web-01'))
    await expect.poll(both, { timeout: 30_000, interval: 500 }).toEqual(['web-01', 'web-02'])
    writeFileSync(template, good.replace('  root ', '  # a comment\n  root '))
    const run = project.json('run')
    expect(run.status).toBe(0)
    expect(changes(run.lines, 'applied').filter((line) => line.startsWith('web-01 '))).toContain(
      'web-01 update file:/etc/nginx/provision/site.conf',
    )
    expect(project.json('run', '--dry-run').status).toBe(0)
    spawnSync('rm', ['-r', join(project.root, 'roles')])
    expect(project.json('run').status).toBe(0)
  })
})
