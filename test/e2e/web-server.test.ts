import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { labDown, labReset } from '../../src/lab/index.ts'
import { installed, onDebian12 } from './support/lab.ts'
import { PERL_SITE, PHP_FILES, PHP_SITE } from './support/php-site.ts'
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
${PHP_SITE}`,
  )
  project.write('playbooks/site.yaml', '- name: web servers\n  hosts: web\n  roles: [nginx]\n')
  project.write('site/index.html', 'first page\n')
  project.write('site/gone.html', 'no such page\n')
  project.write('site/css/style.css', 'body {}\n'.repeat(500))
  for (const [path, text] of Object.entries(PHP_FILES)) project.write(path, text)
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
      /^✖ web-01 {2}nginx {2}nginx\.service runs\n(↳ web-01 {2}nginx {4}.*\n)+✔ web-01 {2}nginx {2}PHP on web-01 answers for pages\n\n\d+ checks, 1 failed, \d+ not passed as a consequence\n$/,
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

describe('an application for PHP', () => {
  const inventoryText = () => readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8')
  const ROOT = '/srv/provision/pages/current/app/public'
  const UNIT = 'provision-app-pages'
  const page = (path: string) => get(path, 'pages.test')
  const replaceIn = (file: string, from: string, to: string) => project.write(file, (PHP_FILES[file] ?? '').replace(from, to))

  it('answers every path without a file, and nginx serves the files', () => {
    expect(page('/any/path?x=1')).toMatch(/ 200 [\s\S]*first edition of \/any\/path\?x=1 says "hello" over http in \/any\/path/)
    expect(page('/style.css')).toMatch(/ 200 [\s\S]*ETag: [\s\S]*body \{\}/)
    expect(page('/admin/')).toContain('administration')
    expect(page('/admin/tool.php')).toContain('a tool')
    expect(page('/')).not.toContain('X-Powered-By')
  })

  it('stores an upload that is larger than the default of PHP, and a session', () => {
    const sent = `cd /tmp && head -c 3000000 /dev/zero >upload && { printf -- '--b\\r\\nContent-Disposition: form-data; name="file"; filename="a"\\r\\n\\r\\n'; cat upload; printf '\\r\\n--b--\\r\\n'; } >body
{ printf 'POST /upload HTTP/1.0\\r\\nHost: pages.test\\r\\nContent-Type: multipart/form-data; boundary=b\\r\\nContent-Length: %s\\r\\n\\r\\n' "$(stat -c %s body)"; cat body; } | timeout 20 openssl s_client -quiet -connect 127.0.0.1:8443 ${CERTIFICATE} 2>/dev/null | tr -d '\\000\\r'; true`
    expect(on(sent)).toContain('stored 3000000')
    expect(on(`stat -L -c '%a %s' /var/lib/${UNIT}/file; stat -L -c %a /var/lib/${UNIT}`).trim()).toBe('640 3000000\n700')
    const [, session] = /Set-Cookie: (PHPSESSID=\w+)/.exec(page('/count')) ?? []
    expect(get('/count', 'pages.test', { headers: `Cookie: ${session}\\r\\n` })).toContain('visit 2')
  })

  it('executes no file outside of its release, and serves neither source nor hidden files', () => {
    on(`mkdir -p /srv/up && printf '<?php echo "exec", "uted";' | tee /srv/up/evil.php ${ROOT}/picture.jpg ${ROOT}/.hidden.php >${ROOT}/old.php7
echo SECRET=1 >${ROOT}/.env; ln -sf /srv/up ${ROOT}/up; ln -sf /etc/passwd ${ROOT}/passwd`)
    for (const path of [
      '/up/evil.php',
      '/picture.jpg/x.php',
      '/picture.jpg%%00.php',
      '/.hidden.php',
      '/.env',
      '/passwd',
      '/old.php7',
      '/nothing.php',
    ]) {
      const answer = page(path)
      expect(answer, path).not.toMatch(/executed|SECRET|root:|<\?php/)
      expect(answer, path).toMatch(/first edition of| 400 /)
    }
    expect(page('/picture.jpg')).toContain('<?php')
    on(`rm -r ${ROOT}/up ${ROOT}/passwd ${ROOT}/picture.jpg ${ROOT}/.hidden.php ${ROOT}/.env ${ROOT}/old.php7`)
  })

  it('runs in its own sandbox, behind a socket that only nginx can open', () => {
    expect(on(`stat -c '%a %U' /run/${UNIT}.sock`).trim()).toBe('600 www-data')
    // Accounts that systemd makes for a unit.
    expect(Number(on(`ps -o uid= -p "$(systemctl show -P MainPID ${UNIT})"`))).toBeGreaterThan(61_000)
    const exposure = /exposure level for \S+: ([0-9.]+)/.exec(on(`systemd-analyze security ${UNIT} --no-pager | tail -n 1`))
    expect(Number(exposure?.[1])).toBeLessThan(2)
    // The pool of the distribution is installed, and does not run.
    expect(
      on(
        "systemctl list-unit-files --plain --no-legend 'php*-fpm.service'; systemctl list-units --plain --no-legend 'php*-fpm.service'",
      ).trim(),
    ).toMatch(/^php\S+-fpm\.service +disabled +\S+$/)
  })

  it('gets a new release without a failed request', () => {
    on(`cat >/tmp/load.sh <<'LOAD'
while [ ! -e /tmp/stop ]; do printf 'GET /slow HTTP/1.0\\r\\nHost: pages.test\\r\\n\\r\\n' | timeout 20 openssl s_client -quiet -connect 127.0.0.1:8443 ${CERTIFICATE} 2>/dev/null | tr -d '\\000\\r' | sed -n '1p;$p' | tr '\\n' ' '; echo; done
LOAD
for n in 1 2 3; do setsid sh /tmp/load.sh >/tmp/answers.$n 2>&1 </dev/null & done; sleep 0.5`)
    replaceIn('pages/public/index.php', 'first edition', 'second edition')
    const { status, applied } = run()
    on('sleep 0.5; touch /tmp/stop; sleep 1.5')
    expect({ status, applied }).toEqual({
      status: 0,
      applied: ['update archive:/srv/provision/pages/source', 'update build:/srv/provision/pages', `update service:${UNIT}.service`],
    })
    const answers = on('cat /tmp/answers.*').trim().split('\n')
    expect(answers.filter((line) => !/ 200 .*(first|second) edition/.test(line))).toEqual([])
    expect(answers.filter((line) => line.includes('first edition')).length).toBeGreaterThan(0)
    expect(page('/')).toContain('second edition')
  })

  it('is rolled back, and deployed again', () => {
    expect(run('playbooks/rollback-web.yaml')).toMatchObject({ status: 0, stderr: '' })
    expect(page('/')).toContain('first edition')
    expect(project.provision('verify').status).toBe(0)
    expect(run().status).toBe(0)
    expect(page('/')).toContain('second edition')
  })

  it('keeps the former release if the new one, or a setting, is rejected', () => {
    replaceIn('pages/public/index.php', "exit('alive')", "throw new Error('broken')")
    const broken = run()
    expect(broken.status).toBe(1)
    expect(broken.stderr).toContain('PHP answers GET /alive with 500')
    expect(page('/')).toContain('second edition')
    replaceIn('pages/public/index.php', 'first edition', 'second edition')
    const inventory = inventoryText()
    project.write('inventory/site.yaml', inventory.replace('memory_limit', 'memory_limits'))
    const misspelt = run()
    expect(misspelt.status).toBe(1)
    expect(misspelt.stderr).toContain('and its extensions have no setting memory_limits')
    expect(page('/')).toContain('second edition')
    project.write('inventory/site.yaml', inventory)
    expect(run().status).toBe(0)
  })

  it('gives its place to a program of another runtime, and takes it again', () => {
    const inventory = inventoryText()
    project.write('inventory/site.yaml', inventory.replace(PHP_SITE, PERL_SITE))
    expect(run('--prune').status).toBe(0)
    expect(page('/')).toContain('from Perl')
    project.write('inventory/site.yaml', inventory)
    expect(run()).toMatchObject({ status: 0, stderr: '' })
    expect(page('/')).toContain('second edition')
    expect(run().applied).toEqual([])
  })

  it('is removed with its site', () => {
    project.write('inventory/site.yaml', inventoryText().replace(PHP_SITE, ''))
    expect(run('--prune').status).toBe(0)
    expect(
      on(`ls /etc/provision /run /etc/systemd/system | grep ${UNIT}; systemctl is-active ${UNIT}.service ${UNIT}.socket || true`).trim(),
    ).toBe('inactive\ninactive')
    expect(page('/')).not.toContain('second edition')
  })
})
