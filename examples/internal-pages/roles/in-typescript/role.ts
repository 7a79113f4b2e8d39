import { authorizedKeys, cron, defineRole, directory, file, line, pkg, service, sysctl, unit, user, z } from 'provision'

const options = z.strictObject({
  packages: z.array(z.string()).meta({ description: 'packages to install', examples: [['htop', 'jq']] }),
  people: z.array(z.strictObject({ name: z.string(), key: z.string() })).meta({ description: 'accounts with their keys' }),
  pages: z
    .array(z.strictObject({ name: z.string(), port: z.int() }))
    .meta({ description: 'pages with their ports on the loopback interface' }),
  kernel: z
    .record(z.string(), z.union([z.string(), z.number()]))
    .meta({ description: 'settings of the kernel', examples: [{ 'net.core.somaxconn': 4096 }] }),
})

type Page = z.output<typeof options>['pages'][number]

export default defineRole({
  name: 'in-typescript',
  summary: 'internal pages, the accounts of their authors, and settings of the server',
  repeatable: true,
  options,
  resources: ({ options: { packages, people, pages, kernel }, host, facts }) => {
    const contents: Readonly<Record<string, (page: Page) => string>> = {
      'index.html': ({ name }) => `<h1>${name}</h1>\n<p>on ${host.name}\n`,
      'about.html': ({ name }) => `<p>${name} runs on ${facts.distribution} ${facts.release}\n`,
      'contact.html': ({ name }) => `<p>mail to ${name}@example.org\n`,
      'help.html': ({ name }) => `<p>help for ${name}\n`,
      'health.txt': ({ name }) => `${name} is well\n`,
      'humans.txt': ({ name }) => `written by the authors of ${name}\n`,
      'robots.txt': () => 'User-agent: *\nDisallow: /\n',
      'manifest.json': ({ name, port }) => `{ "name": "${name}", "port": ${port} }\n`,
      'style.css': () => 'body { font-family: sans-serif }\n',
    }
    const units = pages.map((page) => unit({ name: `page-${page.name}.service`, content: unitOf(page) }))
    return [
      ...packages.map((name) => pkg({ name })),
      ...people.map(({ name }) => user({ name })),
      ...people.map(({ name, key }) => authorizedKeys({ user: name, keys: [key] })),
      ...pages.map(({ name }) => directory({ path: `/srv/${name}` })),
      ...Object.entries(contents).flatMap(([name, content]) =>
        pages.map((page) => file({ path: `/srv/${page.name}/${name}`, content: content(page) })),
      ),
      ...units,
      ...units.map((one) => service({ unit: one.id, restarts: [one] })),
      ...Object.entries(kernel).map(([key, value]) => sysctl({ key, value })),
      ...LINES.map((one) => line(one)),
      ...JOBS.map(([name, schedule, command, account = 'root']) =>
        cron({ name: `pages-${name}`, jobs: [{ schedule, command, user: account }] }),
      ),
    ]
  },
})

const unitOf = ({ name, port }: Page): string => `[Unit]
Description=page ${name}
[Service]
ExecStart=/usr/bin/busybox httpd -f -p 127.0.0.1:${port} -h /srv/${name}
DynamicUser=yes
ProtectHome=yes
[Install]
WantedBy=multi-user.target
`

/** Lines in files of others. */
const LINES = [
  { path: '/etc/bash.bashrc', line: "HISTTIMEFORMAT='%F %T '" },
  { path: '/etc/default/useradd', regexp: '^#? ?SHELL=', line: 'SHELL=/bin/bash' },
  { path: '/etc/hosts', regexp: String.raw`\spages[.]internal$`, line: '127.0.0.1 pages.internal' },
  { path: '/etc/inputrc', line: 'set completion-ignore-case on' },
  { path: '/etc/login.defs', regexp: String.raw`^#?UMASK\s`, line: 'UMASK\t\t027' },
  { path: '/etc/login.defs', regexp: String.raw`^#?PASS_MAX_DAYS\s`, line: 'PASS_MAX_DAYS\t365' },
  { path: '/etc/logrotate.conf', regexp: '^#?compress$', line: 'compress' },
  { path: '/etc/nanorc', regexp: '^#? ?set tabsize', line: 'set tabsize 2' },
  { path: '/etc/screenrc', regexp: '^#?startup_message', line: 'startup_message off' },
  { path: '/etc/wgetrc', regexp: '^#?timeout =', line: 'timeout = 60' },
]

/** Name, times, command and account of each job. */
const JOBS: readonly (readonly [name: string, schedule: string, command: string, account?: string])[] = [
  ['disk', '@daily', 'df -h >/run/pages-disk'],
  ['health', '*/5 * * * *', 'wget -qO /dev/null http://127.0.0.1:8001/health.txt', 'nobody'],
  ['links', '30 4 * * 1', 'find /srv -xtype l', 'nobody'],
  ['list', '15 * * * *', 'ls /srv >/run/pages-list'],
  ['size', '@weekly', 'du -s /srv >/run/pages-size'],
]
