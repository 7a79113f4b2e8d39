import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabSpec } from '../../../../src/lab/index.ts'
import { installed, onDebian12 } from '../lab.ts'
import type { Project } from '../project.ts'
import { type LoadOptions, startLoad } from './load.ts'

/** Two balancers that share an address, two web servers with pages and an application, and visitors. */
export interface LoadSite {
  readonly project: Project
  readonly lab: LabSpec
  readonly virtual: string
  /** Runs as root on a host and gives what it printed; throws when it fails. */
  on(host: string, script: string): string
  /** Runs `provision run`. Throws with its output if the exit status is not 0. */
  run(...words: readonly string[]): string
  /** Sets the version of the first page. */
  page(version: number): void
  /** Writes the inventory. `balancer` has additional options of haproxy-tls. */
  configure(balancer?: string, certificate?: string): void
  holders(): readonly string[]
  /** Returns how often each id was applied, over both web servers. */
  applied(): ReadonlyMap<string, number>
  visit(name: string, factor?: number): ReturnType<typeof startLoad>
}

export const NAME = 'www.example.test'
const WEB = ['web-01', 'web-02']
const BALANCERS = ['lb-01', 'lb-02']
const VERSIONS = 40

/** Echoes the request and records its id; starts a process for each request. */
const SERVER = `use IO::Socket::INET;
my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ENV{PORT}", Listen => 128, ReuseAddr => 1) or die;
$SIG{CHLD} = "IGNORE";
while (1) {
  my $c = $s->accept or next;
  if (fork) { close $c; next }
  my $head = ""; while (<$c>) { last if /^\\r?$/; $head .= $_ }
  my ($length) = $head =~ /^Content-Length: (\\d+)/mi; my $body = "";
  read $c, $body, $length if $length;
  if ($head =~ m{^POST /count/(\\S+)}) { open my $f, ">>", "$ENV{STATE_DIRECTORY}/ids" or die; syswrite $f, "$1\\n"; close $f; select undef, undef, undef, 0.02 }
  print $c "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: " . length($body) . "\\r\\n\\r\\n$body"; close $c; exit;
}`

const pageOf = (version: number): string => `<!doctype html><title>version ${version}</title>${'<p>content</p>'.repeat(40)}\n`
const STYLE = 'body { margin: 0 }\n'.repeat(1500)
const digest = (text: string): string => createHash('sha256').update(text).digest('hex')

export const loadSite = (project: Project, subnet: string): LoadSite => {
  const { lab } = project
  const net6 = `fd${subnet.split('.').at(-1)}::`
  const virtual = `${subnet}.100`
  const hosts = [...BALANCERS, ...WEB].map((name, i) => ({ name, user: 'ops', addresses: [`${subnet}.${11 + i}`, `${net6}${11 + i}`] }))
  const spec = installed(onDebian12({ name: lab, root: project.root, hosts, names: { [NAME]: virtual, 'api.example.test': virtual } }))
  const configure = (balancer = '', certificate = ''): void =>
    project.write(
      'inventory/site.yaml',
      `vars:
  user: ops
  key: .provision/lab/${lab}/id_ed25519
  known_hosts: .provision/lab/${lab}/known_hosts
  firewall: { administrators: [${subnet}.1, '${net6}1'] }
hosts:
${hosts.map(({ name, addresses: [a, b] }) => `  ${name}: { address: ${a}, internal: [${a}, '${b}'] }\n`).join('')}groups:
  load_balancers:
    hosts: [${BALANCERS.join(', ')}]
    vars:
      haproxy-tls:
        virtual_address: ${virtual}/24
        certificates: [{ names: [${NAME}, api.example.test${certificate}] }]
        acme: { directory: 'https://${subnet}.1:14000/dir', ca_file: .provision/lab/${lab}/authority.pem }
        sites: [{ names: [${NAME}] }, { names: [api.example.test] }]
${balancer}  web:
    hosts: [${WEB.join(', ')}]
    vars:
      nginx:
        sites:
          - { name: www, hosts: [${NAME}], content: site }
          - { name: count, hosts: [api.example.test], app: { command: /usr/bin/perl /srv/server.pl, port: 3000 } }
`,
    )
  const on = (host: string, script: string): string => {
    const { status, stdout, stderr } = project.provision('exec', host, '--sudo', '--', 'sh', '-c', script)
    if (status !== 0) throw new Error(`exit ${status} on ${host}: ${stdout}${stderr}`)
    return stdout
  }
  configure()
  project.write('playbooks/site.yaml', PLAYBOOK)
  project.write('site/index.html', pageOf(0))
  project.write('site/style.css', STYLE)
  return {
    project,
    lab: spec,
    virtual,
    on,
    configure,
    run: (...words) => {
      const { status, stdout, stderr } = project.provision('run', ...words)
      if (status === 0) return stdout
      throw new Error(`exit ${status}: ${stdout}${stderr}`)
    },
    page: (version) => project.write('site/index.html', pageOf(version)),
    holders: () =>
      BALANCERS.filter(
        (host) => project.provision('exec', host, '--sudo', '--', 'sh', '-c', `ip -o address show to ${virtual} | grep -q .`).status === 0,
      ),
    applied: () => {
      const ids = WEB.flatMap((host) => on(host, 'cat /var/lib/private/provision-app-count/ids').match(/[0-9a-f-]{36}/g) ?? [])
      return new Map([...Map.groupBy(ids, (id) => id)].map(([id, all]) => [id, all.length]))
    },
    visit: (name, factor = 1) => {
      const options: LoadOptions = {
        address: virtual,
        ca: readFileSync(join(project.root, `.provision/lab/${lab}/roots.pem`), 'utf8'),
        pages: {
          name: NAME,
          paths: {
            '/': Array.from({ length: VERSIONS }, (_, version) => digest(pageOf(version))),
            '/style.css': [digest(STYLE)],
          },
        },
        application: 'api.example.test',
        factor,
      }
      return startLoad(options, name)
    },
  }
}

/** Copies the application to the path that the role expects. */
export const bringApplication = ({ on }: LoadSite): void => {
  for (const host of WEB) on(host, `cat >/srv/server.pl <<'SERVER'\n${SERVER}\nSERVER`)
}

const PLAYBOOK = `- { name: all servers, hosts: all, roles: [firewall] }
- { name: web servers, hosts: web, serial: 1, roles: [nginx] }
- { name: balancers, hosts: load_balancers, roles: [haproxy-tls] }
`
