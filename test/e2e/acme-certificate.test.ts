import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect } from 'node:tls'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import haproxy from '../../roles/haproxy-tls/role.ts'
import { labDown, labReset } from '../../src/lab/index.ts'
import { installed } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// One host is balancer and web server at once; the authority is that of the lab, which validates over HTTP.
const SUBNET = '10.79.2'
const HOST = `${SUBNET}.11`
const PAIR = '/etc/ssl/haproxy/www.example.test.pem'
const project = referenceProject('t-acme-e2e', SUBNET)
const spec = installed({ name: project.lab, root: project.root, hosts: [{ name: 'lb-01', user: 'ops', addresses: [HOST, 'fd2::11'] }] })

const inventory = (names: string, port = 14000, more = ''): string => `
vars:
  user: ops
  key: .provision/lab/${project.lab}/id_ed25519
  known_hosts: .provision/lab/${project.lab}/known_hosts
hosts:
  lb-01:
    address: ${HOST}
groups:
  load_balancers:
    hosts: [lb-01]
    vars:
      haproxy-tls:
        certificates:
          - names: [${names}]
        acme:
          directory: https://${SUBNET}.1:${port}/dir
          ca_file: .provision/lab/${project.lab}/authority.pem
          contact: admin@example.test
${more}  web:
    hosts: [lb-01]
    vars:
      nginx:
        content: playbooks/site
`

beforeAll(async () => {
  project.write('inventory/site.yaml', inventory('www.example.test, example.test'))
  project.write(
    'playbooks/site.yaml',
    `
- name: web server
  hosts: web
  roles: [nginx]
- name: load balancer
  hosts: load_balancers
  roles: [haproxy-tls]
`,
  )
  await labReset(spec)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, applied: changes(lines, 'applied'), failed: changes(lines, 'failed'), stderr }
}
const planned = () => changes(project.json('run', '--dry-run').lines, 'planned')
const on = (script: string): string => {
  const { status, stdout, stderr } = project.provision('exec', 'lb-01', '--sudo', '--', 'sh', '-c', script)
  if (status !== 0) throw new Error(`exit ${status}: ${stdout}${stderr}`)
  return stdout
}
const checks = (): readonly (number | null)[] => {
  const options = haproxy.options.parse({ certificates: [{ names: ['www.example.test', 'example.test'] }] })
  const host = { name: 'lb-01', user: 'ops', sshPort: 22, addresses: [HOST], publicAddresses: [HOST], groups: [] }
  const found = haproxy.verify?.({ host, options, flows: [], site: { hosts: [host], group: () => [host], withRole: () => [host] } }) ?? []
  return found.map(({ script }) => project.provision('exec', 'lb-01', '--sudo', '--', 'sh', '-c', String(script)).status)
}

/** The certificate that a visitor gets, and whether the authority signed it. */
const served = (servername = 'www.example.test'): Promise<{ trusted: boolean; serial: string; names: string | undefined }> =>
  new Promise((resolve, reject) => {
    const ca = readFileSync(join(project.root, `.provision/lab/${project.lab}/roots.pem`))
    const socket = connect({ host: HOST, port: 443, servername, ca, rejectUnauthorized: false }, () => {
      const { serialNumber, subjectaltname } = socket.getPeerCertificate()
      resolve({ trusted: socket.authorized, serial: serialNumber, names: subjectaltname })
      socket.destroy()
    })
    socket.on('error', reject)
  })

describe('a certificate from a real authority', () => {
  it('is installed by the first run, for every name, and a second run finds nothing to do', async () => {
    const { status, applied, stderr } = run()
    expect(stderr).toBe('')
    expect(status).toBe(0)
    expect(applied).toContain(`lb-01 create certificate:${PAIR}`)
    for (const name of ['www.example.test', 'example.test']) expect(await served(name)).toMatchObject({ trusted: true })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    expect(checks()).toEqual([0, 0, 0, 0, 0, 0])
  })

  it('has a key that is made on the host and stays there; the account key is stored encrypted', () => {
    expect(on(`stat -c '%a %U' ${PAIR}.key`)).toContain('600 root')
    const texts = readdirSync(project.root, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile() && !entry.parentPath.includes('.provision'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'))
    expect(texts.filter((text) => text.includes('PRIVATE KEY'))).toEqual([])
    // The account, and the authority for connections between balancer and web server.
    expect(texts.filter((text) => text.startsWith('-----BEGIN AGE ENCRYPTED FILE-----'))).toHaveLength(2)
  })

  const all = [`lb-01 update certificate:${PAIR}`, `lb-01 update certificate:${PAIR}#placeholder`, 'lb-01 update service:haproxy.service']
  it.each([
    ['put there by somebody else', `sed -i 1d ${PAIR}`, [all[0], all[2]]],
    ['half a file', `truncate -s 300 ${PAIR}`, all],
    ['without its key', `rm ${PAIR}.key`, all],
    ['with the key of another', `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out ${PAIR}.key 2>/dev/null`, all],
    ['with a world-readable key', `chmod 644 ${PAIR}.key`, [all[0]]],
  ])('%s is noticed and mended', async (_, damage, expected) => {
    on(damage)
    expect(planned()).toEqual(expected)
    expect(run()).toMatchObject({ status: 0, applied: expected })
    expect(await served()).toMatchObject({ trusted: true })
    expect(on(`stat -c %a ${PAIR}.key`)).toContain('600')
    expect(on('ls -A /etc/ssl/haproxy /var/lib/provision/undo')).not.toMatch(/provision-new|haproxy\s*$/)
    expect(planned()).toEqual([])
  })

  it('that was installed but not loaded by an interrupted run is loaded by the next run', async () => {
    const { serial } = await served()
    on(`cd /root && cp ${PAIR} ${PAIR}.key . && sed -i 1d ${PAIR}`)
    expect(run().status).toBe(0)
    expect((await served()).serial).not.toBe(serial)
    on(`cp /root/www.example.test.pem /root/www.example.test.pem.key /etc/ssl/haproxy/`)
    expect(run()).toMatchObject({ status: 0, applied: ['lb-01 update service:haproxy.service'] })
    expect(await served()).toMatchObject({ serial, trusted: true })
  })

  it('stays in use while the authority is unreachable, and the run reports it', async () => {
    const { serial } = await served()
    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test', 14999))
    const { status, failed, stderr } = run()
    expect(status).toBe(1)
    expect(failed).toEqual([`lb-01 update certificate:${PAIR}`])
    expect(stderr).toContain(`${SUBNET}.1:14999 cannot be reached`)
    expect(await served()).toMatchObject({ serial, trusted: true })
    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test'))
    expect(run().status).toBe(0)
    expect((await served()).names).toContain('DNS:shop.example.test')
    expect(planned()).toEqual([])
  })

  it('serves its names until the next one is there, after any change and any downtime of the authority', async () => {
    const { serial } = await served()
    const names = 'blog.example.test, shop.example.test, www.example.test'
    project.write('inventory/site.yaml', inventory(names, 14999).replace(`[${names}]`, `[${names}]\n            key: both`))
    for (const round of ['first', 'second']) {
      expect(run().status, round).toBe(1)
      expect(await served(), round).toMatchObject({ serial, trusted: true })
      expect(await served('shop.example.test'), round).toMatchObject({ serial, trusted: true })
    }
    // The authority works again: no visitor gets a placeholder in between.
    project.write('inventory/site.yaml', inventory(names).replace(`[${names}]`, `[${names}]\n            key: both`))
    const seen: unknown[] = []
    let isOver = false
    const watch = (async () => {
      while (!isOver) {
        seen.push((await served()).trusted)
        await sleep(50)
      }
    })()
    const { status, stderr } = await project.provisionBeside('run')
    isOver = true
    await watch
    expect(`${status} ${stderr}`).toBe('0 ')
    expect(seen.length).toBeGreaterThan(20)
    expect(seen.filter((trusted) => trusted !== true)).toEqual([])
    expect((await served('blog.example.test')).names).toContain('DNS:blog.example.test')
    expect((await served()).serial).not.toBe(serial)
    expect(planned()).toEqual([])
    expect(on('cat /etc/haproxy/former-certificates.list').trim()).not.toContain('.pem')
    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test'))
    expect(run('--prune').status).toBe(0)
    expect(changes(project.json('run', '--dry-run', '--prune').lines, 'planned')).toEqual([])
    expect(on('ls /etc/ssl/haproxy')).toContain('blog.example.test.ecdsa.pem.key')
  })

  it('is validated by DNS-01 with a command of the user, wildcards included, after a trial with another directory', async () => {
    const management = `http://${SUBNET}.1:8055`
    project.write(
      'dns.sh',
      `#!/bin/sh
echo "$1 $2" >>dns.log
case $1 in
  add) exec curl -sf -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" ${management}/set-txt ;;
  remove) exec curl -sf -d "{\\"host\\":\\"$2.\\"}" ${management}/clear-txt ;;
esac
`,
    )
    const by = ['          dns_hook: [sh, ./dns.sh]', `          try_first: https://${SUBNET}.1:14000/nowhere`, ''].join('\n')
    project.write('inventory/site.yaml', inventory("'*.example.test', www.other.test", 14000, by))
    const path = '/etc/ssl/haproxy/any.example.test.pem'
    expect(run()).toMatchObject({ status: 1, failed: [`lb-01 create certificate:${path}`] })
    expect(existsSync(join(project.root, 'dns.log'))).toBe(false)
    project.write('inventory/site.yaml', inventory("'*.example.test', www.other.test", 14000, by.replace('nowhere', 'dir')))
    expect(run()).toMatchObject({ status: 0, applied: [`lb-01 create certificate:${path}`] })
    expect((await served('any.example.test')).names).toBe('DNS:*.example.test, DNS:www.other.test')
    expect(readFileSync(join(project.root, 'dns.log'), 'utf8')).toContain('remove _acme-challenge.example.test')
    expect(planned()).toEqual([])
    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test'))
    expect(run().status).toBe(0)
  })

  it('serves requests that reach the application once, however slow that is', async () => {
    const application = `use IO::Socket::INET; $SIG{CHLD} = 'IGNORE'; my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:3999', Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) { next if fork; my $first = <$c>; open(my $f, '>>', '/root/asked'); syswrite $f, $first; sleep 8; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nlate"; exit }`
    on(`cat >/root/slow.pl <<'END'\n${application}\nEND\nsetsid perl /root/slow.pl >/dev/null 2>&1 </dev/null &`)
    const slow = (more = ''): string =>
      inventory('www.example.test, shop.example.test', 14000, `        timeouts: { server: 2, queue: 1, connect: 1 }\n`).replace(
        'content: playbooks/site',
        `sites: [{ name: slow, proxy: 'http://127.0.0.1:3999'${more} }]`,
      )
    project.write('inventory/site.yaml', slow(', timeout_seconds: 9'))
    const { status, stderr } = project.provision('run')
    expect(status).toBe(3)
    expect(stderr).toContain('a site on lb-01 may take 9 s to respond, and HAProxy waits only 2 s')
    project.write('inventory/site.yaml', slow())
    expect(run().status).toBe(0)
    const asked = ['GET', 'POST', 'PUT', 'POST'].map((method, i) => `${method} /${i}`)
    const statuses = await Promise.all(
      asked.map(async (request) => {
        const [method = '', path = ''] = request.split(' ')
        const headers = { Host: 'www.example.test' }
        const sent = https.request({ host: HOST, method, path, headers, servername: 'www.example.test', rejectUnauthorized: false })
        sent.end(method === 'GET' ? undefined : 'x=1')
        const [response] = (await once(sent, 'response')) as [IncomingMessage]
        response.resume()
        return response.statusCode
      }),
    )
    expect(statuses).toEqual([504, 504, 504, 504])
    await sleep(3000)
    expect(
      on('cut -d" " -f1,2 /root/asked')
        .match(/[A-Z]+ \/\d/g)
        ?.sort(),
    ).toEqual(asked.toSorted())
    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test'))
    expect(run().status).toBe(0)
  })

  it('can be one of the user beside it, and be replaced by another one', async () => {
    const own = `          - { names: [own.example.test], own: { chain: own.pem, key: '\${env:OWN_KEY}' } }\n`
    const withOwn = inventory('www.example.test, shop.example.test').replace('        acme:\n', `${own}        acme:\n`)
    const names = ['-subj', '/CN=own.example.test', '-addext', 'subjectAltName=DNS:own.example.test']
    const made = (): void => {
      const key = join(project.root, 'own.key')
      const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
      execFileSync('openssl', ['req', '-x509', ...kind, '-keyout', key, '-out', join(project.root, 'own.pem'), '-days', '90', ...names], {
        stdio: 'ignore',
      })
      project.env.OWN_KEY = readFileSync(key, 'utf8')
      rmSync(key)
    }
    const path = '/etc/ssl/haproxy/own.example.test.own.pem'
    made()
    project.write('inventory/site.yaml', withOwn)
    expect(run()).toMatchObject({
      status: 0,
      applied: expect.arrayContaining([`lb-01 create file:${path}`, `lb-01 create file:${path}.key`]),
    })
    const first = await served('own.example.test')
    expect(first.names).toBe('DNS:own.example.test')
    expect(on(`stat -c '%a %U' ${path}.key`)).toContain('600 root')
    expect(run()).toMatchObject({ status: 0, applied: [] })

    const before = project.env.OWN_KEY
    made()
    const after = project.env.OWN_KEY
    project.env.OWN_KEY = before
    expect(run()).toMatchObject({ status: 3, stderr: expect.stringContaining('the key is not that of the certificate') })
    project.env.OWN_KEY = after
    expect(run().status).toBe(0)
    expect((await served('own.example.test')).serial).not.toBe(first.serial)

    project.write('inventory/site.yaml', inventory('www.example.test, shop.example.test'))
    expect(run('--prune').status).toBe(0)
    expect(on(`ls ${path} ${path}.key 2>/dev/null || echo none`)).toContain('none')
  })

  it('is distinguished from its placeholder by the checks of verify', () => {
    on(
      `cd /etc/ssl/haproxy && openssl req -new -x509 -key ${PAIR}.key -days 1 -subj '/O=provision placeholder' -addext subjectAltName=DNS:www.example.test,DNS:example.test -out ${PAIR} && systemctl reload haproxy && sleep 1`,
    )
    expect(checks()).toEqual([1, 1, 0, 0, 0, 0])
    expect(run().status).toBe(0)
  })
})
