import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { installed, onDebian12 } from './support/lab.ts'
import { changes, referenceProject } from './support/project.ts'

// One host, which is the balancer as well.
const SUBNET = '10.79.38'
const project = referenceProject('t-nginx', SUBNET)
const spec = installed(
  onDebian12({ name: project.lab, root: project.root, hosts: [{ name: 'web-01', user: 'ops', addresses: [`${SUBNET}.11`] }] }),
)
const lab = `.provision/lab/${project.lab}`

const SERVER = `use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ENV{PORT}", Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) { my $r = ""; while (<$c>) { last if /^\\r?$/; $r .= $_ } my ($h) = $r =~ /^X-Forwarded-For: (\\S+)/mi;
print $c "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n$ENV{GREETING} from user " . (($> == 0) ? "root" : "nobody") . " to $h" . (open(my $f, ">", "/etc/by-app") ? " wrote" : ""); close $c }`

beforeAll(async () => {
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts }
hosts: { web-01: { address: ${SUBNET}.11 } }
groups:
  load_balancers: { hosts: [web-01] }
  web:
    hosts: [web-01]
    vars:
      nginx:
        brotli: true
        status_port: 8081
        content: site
        sites:
          - { name: shop, hosts: [shop.test], content: site, fallback: /index.html, errors: { 404: /gone.html }, cache: { '*.css': forever }, headers: { X-Shop: open }, locations: { /css: { users: { ann: sesame } } }, redirects: { /old: /new } }
          - name: api
            hosts: [api.test]
            requests_per_second: 1
            app: { command: /usr/bin/perl /srv/server.pl, port: 3000, environment: { GREETING: 'a "poison" $word' }, memory: 64m }
`,
  )
  project.write('playbooks/site.yaml', '- name: web servers\n  hosts: web\n  roles: [nginx]\n')
  project.write('site/index.html', 'first page\n')
  project.write('site/gone.html', 'no such page\n')
  project.write('site/css/style.css', 'body {}\n'.repeat(500))
  await labReset(spec)
  on(`cat >/srv/server.pl <<'SERVER'\n${SERVER}\nSERVER`)
})
afterAll(async () => {
  await labDown(spec)
  project.remove()
})

const on = (script: string): string => {
  const { status, stdout, stderr } = project.provision('exec', 'web-01', '--sudo', '--', 'sh', '-c', script)
  if (status !== 0) throw new Error(`exit ${status}: ${stdout}${stderr}`)
  return stdout.replaceAll(/^web-01[^\n]*?[|:] ?/gm, '')
}
const run = (...words: readonly string[]) => {
  const { status, lines, stderr } = project.json('run', ...words)
  return { status, stderr, applied: changes(lines, 'applied').map((line) => line.replace('web-01 ', '')) }
}
const CERTIFICATE = '-cert /etc/ssl/nginx/edge.pem -key /etc/ssl/nginx/edge.pem.key'
/** The answer to a balancer, or to a client with another certificate, or none. */
const get = (path: string, host = 'www.test', { headers = '', as = CERTIFICATE } = {}): string =>
  on(
    `printf 'GET ${path} HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: close\\r\\n${headers}\\r\\n' | timeout 5 openssl s_client -quiet -connect 127.0.0.1:8443 ${as} 2>/dev/null | tr -d '\\000\\r'; true`,
  )

describe('the web server', () => {
  it('is installed as predicted, passes verify, and a second run finds nothing to do', () => {
    const predicted = changes(project.json('run', '--dry-run').lines, 'planned').map((line) => line.replace('web-01 ', ''))
    expect(run()).toEqual({ status: 0, stderr: '', applied: predicted })
    expect(run()).toMatchObject({ status: 0, applied: [] })
    const { status, stdout, stderr } = project.provision('verify')
    expect(`${status} ${stdout}${stderr}`).toMatch(/^0 /)
  })

  it('serves each host name its own content', () => {
    expect(get('/')).toContain('first page')
    expect(get('/nowhere')).toContain(' 404 ')
    const shop = get('/deep/link', 'shop.test')
    expect(shop).toContain('first page')
    expect(shop).toContain('X-Shop: open')
    expect(get('/css/style.css', 'www.test', { headers: 'Accept-Encoding: br\\r\\n' })).toContain('Content-Encoding: br')
    expect(get('/css/style.css', 'www.test', { headers: 'Accept-Encoding: gzip\\r\\n' })).toContain('Content-Encoding: gzip')
    expect(
      on('timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/8081; printf \\"GET /status HTTP/1.0\\r\\n\\r\\n\\" >&3; cat <&3"; true'),
    ).toContain('Active connections')
  })

  it('asks for passwords, and redirects', () => {
    expect(get('/css/style.css', 'shop.test')).toContain(' 401 ')
    const headers = `Authorization: Basic ${Buffer.from('ann:sesame').toString('base64')}\\r\\n`
    expect(get('/css/style.css', 'shop.test', { headers })).toContain('Cache-Control: public, max-age=31536000, immutable')
    expect(get('/old', 'shop.test')).toContain('Location: /new')
    expect(on('stat -c "%a %U %G" /etc/nginx/provision/shop_css.users; grep -rl sesame /etc/nginx || true').trim()).toBe(
      '640 root www-data',
    )
  })

  it('runs the application as an unprivileged account, with its secrets, and limits requests per visitor', () => {
    expect(get('/', 'api.test', { headers: 'X-Forwarded-For: 192.0.2.7\\r\\n' })).toContain(
      'a "poison" $word from user nobody to 127.0.0.1',
    )
    expect(
      on(
        'stat -c %a /etc/provision/provision-app-api.env; grep -rls p[o]ison /etc/systemd /proc/[0-9]*/cmdline; ls /etc/by-app 2>/dev/null; true',
      ).trim(),
    ).toBe('600')
    const answers = on(
      `for i in 1 2 3 4 5 6; do printf 'GET / HTTP/1.0\\r\\nHost: api.test\\r\\n\\r\\n' | timeout 5 openssl s_client -quiet -connect 127.0.0.1:8443 ${CERTIFICATE} 2>/dev/null | head -n 1; done`,
    )
    expect(answers).toContain(' 429 ')
    expect(answers).toContain(' 200 ')
  })

  it('refuses clients without a certificate of a balancer', () => {
    on(
      `cd /root && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj '/CN=web-01.edge.provision.internal' 2>/dev/null`,
    )
    for (const as of ['', '-cert /root/c -key /root/k', `${CERTIFICATE} -tls1_2`]) expect(get('/', 'www.test', { as })).toBe('')
  })

  it('is verified against the deployed content, not against the files on the host', () => {
    on('echo damaged >/var/www/provision/site/current/index.html')
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout + stderr).toContain('/index.html differs from the deployed file')
    expect(run()).toMatchObject({ status: 0, applied: expect.arrayContaining(['update release:/var/www/provision/site']) })
    expect(project.provision('verify').status).toBe(0)
  })

  it('is reported as stopped once, with the checks that follow from it', () => {
    on('systemctl stop nginx')
    const { status, stdout, stderr } = project.provision('verify')
    expect(status).toBe(1)
    expect(stdout).toMatch(
      /^✖ web-01 {2}nginx {2}nginx\.service runs\n(↳ web-01 {2}nginx {4}.*\n)+\n\d+ checks, 1 failed, \d+ not passed as a consequence\n$/,
    )
    expect(stderr.match(/nginx\.service is not running: it is inactive \(dead\)/g)).toHaveLength(1)
    expect(run()).toMatchObject({ status: 0, applied: ['update service:nginx.service'] })
  })
})

describe('a deployment', () => {
  it('changes only the content, and a playbook rolls it back', () => {
    project.write('site/index.html', 'second page\n')
    const dry = project.provision('run', '--dry-run')
    expect(dry.stdout).toContain('-first page')
    expect(dry.stdout).toContain('+second page')
    expect(run().applied).toEqual(['shop', 'site'].map((name) => `update release:/var/www/provision/${name}`).sort())
    expect(get('/')).toContain('second page')
    expect(run('playbooks/rollback-web.yaml')).toMatchObject({ status: 0, stderr: '' })
    expect(get('/')).toContain('first page')
    expect(run('playbooks/rollback-web.yaml')).toMatchObject({ status: 0, applied: [] })
    expect(run().status).toBe(0)
    expect(get('/')).toContain('second page')
  })
})
