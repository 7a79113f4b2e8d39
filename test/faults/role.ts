// A host in one of two states, with a resource of every kind. Every resource differs between the states, so a run in either direction
// changes all of them, and nothing needs a reset between two interruptions.
import {
  alternatives,
  aptPin,
  aptRepository,
  archive,
  authorizedKeys,
  block,
  build,
  command,
  cron,
  debconf,
  defineRole,
  directory,
  download,
  file,
  formerCertificates,
  group,
  hostname,
  kernelModule,
  leaf,
  limits,
  line,
  link,
  locale,
  logrotate,
  mount,
  nftables,
  permissions,
  pkg,
  placeholder,
  quadlet,
  release,
  script,
  service,
  setting,
  sshd,
  sudoers,
  sysctl,
  tree,
  unit,
  upgrade,
  user,
  userPassword,
  wait,
  z,
} from 'provision'

const KEYS = {
  a: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqUU7Fko2MRa5SvxbDGEW2SBgvAg7dsDcYe5rYZxd6k one@example.test',
  b: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPqUU7Fko2MRa5SvxbDGEW2SBgvAg7dsDcYe5rYZxd6l other@example.test',
}
const ROOT = '/etc/faults'

/** It signs nothing: the repository is disabled, because a lab has no server for it. */
const REPOSITORY_KEY = `-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEaw1XExYJKwYBBAHaRw8BAQdA8BVnOtOPHeJKWF+yeCZiyMUiHwQa6SfNku4M
xwtNEne0InByb3Zpc2lvbiB0ZXN0IDxyZXBvQGV4YW1wbGUudGVzdD6IkAQTFggA
OBYhBPILmszd+oW3VBqEB1dj+VGyQTSvBQJrDVcTAhsDBQsJCAcCBhUKCQgLAgQW
AgMBAh4BAheAAAoJEFdj+VGyQTSvnp0A/1FXOyKXpAUBWQ1QYdURsTCiTbUBr+QU
sbCgOFsYcFpuAQD08j7+eWKdWdoLIIU9hdKRu3lCFcuoyMLEHUG9HmPJDg==
=dMnu
-----END PGP PUBLIC KEY BLOCK-----
`
const SET = { name: 'faults', root: `${ROOT}/live`, check: ['grep', '-q', '^version=', `${ROOT}/live/main.conf`] }

// /run/faults.loaded contains the loaded configuration.
const unitText = (state: string): string => `[Unit]
Description=runs with what it has loaded (${state})
[Service]
Type=exec
ExecStart=/bin/sh -c 'cat ${ROOT}/live/*.conf >/run/faults.loaded && echo ${state} >/run/faults.started && exec sleep infinity'
ExecReload=/bin/sh -c 'cat ${ROOT}/live/*.conf >/run/faults.loaded'
[Install]
WantedBy=multi-user.target
`

// Answers every request with the last part of its path.
const WEB = `use IO::Socket::INET;
my $server = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 7080, Listen => 9, ReuseAddr => 1) or die;
while (my $client = $server->accept) {
  my ($name) = <$client> =~ m{/(\\w+) };
  while (<$client> =~ /\\S/) { }
  print $client "HTTP/1.0 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n$name\\n";
}
`
const SUMS = {
  a: '87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7',
  b: '0263829989b6fd954f72baaf2fc64bc2e2f01d692d4de72986ea808f6e99813f',
}

const ONCE = [
  directory({ path: `${ROOT}/once` }),
  file({ path: `${ROOT}/once/file`, content: 'here\n' }),
  link({ path: `${ROOT}/once/link`, target: 'file' }),
  unit({ name: 'faults-once.service', content: '[Service]\nExecStart=/bin/true\n' }),
]

export default defineRole({
  name: 'faults',
  summary: 'something of every kind, in one of two states',
  options: z.strictObject({ state: z.enum(['a', 'b']) }),

  resources: ({ options: { state }, authority, host, files }) => {
    const isA = state === 'a'
    const edge = authority({ domain: 'edge' })
    const main = file({ path: `${ROOT}/live/main.conf`, content: `version=${state}\n`, set: SET })
    const more = file({ path: `${ROOT}/live/more.conf`, content: `more=${state}\n`, set: SET })
    const spare = placeholder({ path: `${ROOT}/spare.pem`, names: ['spare.example.test'] })
    const pair = leaf({
      path: `${ROOT}/host.pem`,
      names: [edge.nameOf(host.name)],
      authority: edge,
      usages: isA ? ['server'] : ['server', 'client'],
    })
    const web = unit({
      name: 'faults-web.service',
      content: `[Service]\nExecStart=perl ${ROOT}/web.pl\n[Install]\nWantedBy=multi-user.target\n`,
    })
    const text = unit({ name: 'faults.service', content: unitText(state) })
    return [
      pkg({ name: 'nftables' }),
      pkg({ name: 'openssl' }),
      pkg({ name: 'cron' }),
      pkg({ name: 'logrotate' }),
      pkg({ name: 'locales' }),
      pkg({ name: 'podman' }),
      aptRepository({
        ...{ name: 'faults', uris: 'https://packages.example.test', suites: 'stable', components: isA ? 'main' : ['main', 'more'] },
        ...{ key: REPOSITORY_KEY, fingerprint: 'F20B9ACCDDFA85B7541A84075763F951B24134AF', enabled: false },
      }),
      aptPin({ name: 'faults', packages: 'faults', site: 'packages.example.test', priority: isA ? 100 : 200 }),
      debconf({ package: 'faults', answers: [{ question: 'faults/name', value: state }] }),
      pkg({ name: 'hello', ...(isA ? { state: 'absent', hold: false, purge: true, autoremove: true } : { hold: true }) }),
      directory({ path: ROOT, mode: isA ? '755' : '751' }),
      directory({ path: `${ROOT}/live` }),
      directory({ path: '/srv/faults' }),
      file({ path: `${ROOT}/plain`, content: `state ${state}\n`.repeat(2000), mode: isA ? '640' : '644' }),
      command({ name: 'of another program', run: `install -d -m 700 ${ROOT}/foreign`, creates: `${ROOT}/foreign` }),
      permissions({ path: `${ROOT}/foreign`, mode: isA ? '750' : '711', group: isA ? 'daemon' : 'root' }),
      file({ path: `${ROOT}/other`, content: `${state}\n` }),
      file({ path: `${ROOT}/now-and-then`, content: 'here\n', state: isA ? 'present' : 'absent' }),
      file({ path: `${ROOT}/web.pl`, content: WEB }),
      web,
      service({ unit: 'faults-web.service', restarts: [web] }),
      download({
        path: `${ROOT}/fetched`,
        proxy: 'none',
        url: `http://127.0.0.1:7080/${state}`,
        sha256: SUMS[state],
        mode: isA ? '644' : '640',
      }),
      ...[...files(`packed-${state}`)].flatMap(({ content }) => [
        archive({ path: `${ROOT}/unpacked`, content, format: 'tar' }),
        ...(isA ? [archive({ path: `${ROOT}/unpacked-once`, content, format: 'tar' })] : []),
      ]),
      // It stays in both states, and is not made again.
      command({
        name: 'of an application',
        run: `mkdir -p ${ROOT}/unpacked/own; echo own >${ROOT}/unpacked/own/file; : >${ROOT}/own`,
        creates: `${ROOT}/own`,
      }),
      // Each state deletes the file of the other.
      ...tree({
        ...{ path: `${ROOT}/tree`, mode: isA ? '644' : '640', delete: true },
        files: files(`packed-${state}`).map(({ content }) => ({ path: `${state}/file`, content })),
      }),
      // The other state deletes its remains.
      ...(isA ? [...ONCE, download({ path: `${ROOT}/fetched-once`, proxy: 'none', url: 'http://127.0.0.1:7080/a', sha256: SUMS.a })] : []),
      // Parts of a file that others own too: in state b, one line is undone and comes back.
      command({ name: 'others', run: `printf '[main]\\nport = 1\\n' >${ROOT}/others`, creates: `${ROOT}/others` }),
      line({ path: `${ROOT}/others`, line: `state = ${state}`, regexp: '^state =', after: '^\\[main' }),
      ...(isA ? [line({ path: `${ROOT}/others`, line: 'port = 2', regexp: '^port =' })] : []),
      block({ path: `${ROOT}/others`, name: 'faults', block: `${state}\n`.repeat(isA ? 1 : 3), before: '^\\[main' }),
      setting({ path: `${ROOT}/settings`, key: 'state', value: state, section: 'main', create: true, mode: '640' }),
      link({ path: `${ROOT}/link`, target: isA ? 'plain' : 'other' }),
      group({ name: 'faultless', state: isA ? 'present' : 'absent' }),
      user({ name: 'faulty', uid: 2001, shell: isA ? '/bin/sh' : '/bin/bash', groups: isA ? [] : ['staff'] }),
      userPassword({ user: 'faulty', password: `password of state ${state}`, maxDays: isA ? 90 : 99 }),
      authorizedKeys({ user: 'faulty', keys: [KEYS[state]] }),
      spare,
      // In state b, the chain in use is kept for a name that no certificate has.
      formerCertificates({
        ...{ path: `${ROOT}/former.list`, list: `${ROOT}/chains.list` },
        pairs: isA ? [] : [{ path: `${ROOT}/none.pem`, names: [edge.nameOf(host.name)] }],
      }),
      file({ path: `${ROOT}/chains.list`, content: isA ? `${ROOT}/host.pem\n` : '' }),
      pair,
      text,
      main,
      more,
      service({ unit: 'faults.service', loads: [main, more, spare, pair], restarts: [text], set: 'faults', enabled: isA }),
      command({ name: 'mark', run: `echo ${state} >${ROOT}/mark`, unless: `[ -e ${ROOT}/mark ] && grep -qx ${state} ${ROOT}/mark` }),
      wait({ name: 'loaded', condition: `grep -qx version=${state} /run/faults.loaded`, when: ['service:faults.service'] }),
      // After an interruption anywhere, both have seen the last state.
      command({ name: 'follow', run: `cp ${ROOT}/plain ${ROOT}/followed`, when: [`${ROOT}/plain`, 'user:faulty'], umask: '027' }),
      script({ name: 'note', content: `#!/bin/sh\necho "$STATE" >${ROOT}/note\n`, environment: { STATE: state }, when: [main] }),
      mount({ path: '/srv/faults-cache', source: 'tmpfs', type: 'tmpfs', options: [isA ? 'noexec' : 'nosuid', 'size=1m'] }),
      alternatives({ name: 'awk', ...(isA ? { automatic: true } : { path: '/usr/bin/mawk' }) }),
      quadlet({ name: 'faults.volume', content: `[Volume]\nLabel=state=${state}\n` }),
      kernelModule({ name: 'faults', state: isA ? 'blocked' : 'absent' }),
      locale({ name: 'de_LU.UTF-8', default: isA }),
      locale({ name: 'fr_LU.UTF-8', default: !isA }),
      hostname({ name: `faults-${state}` }),
      upgrade({ name: 'faults', packages: isA ? 'all' : 'security' }),
      cron({ name: 'faults', jobs: [{ schedule: isA ? '0 3 * * *' : '@daily', command: 'true' }] }),
      sudoers({ name: 'faults', users: ['faulty'], commands: [isA ? '/bin/true' : '/bin/false'] }),
      limits({ name: 'faults', limits: [{ domain: 'faulty', item: 'nofile', value: isA ? 1024 : 2048 }] }),
      logrotate({ name: 'faults', paths: ['/var/log/faults.log'], keep: isA ? 1 : 2 }),
      sysctl({ key: 'net.ipv4.ip_default_ttl', value: isA ? 63 : 62 }),
      directory({ path: '/srv/faults-build' }),
      ...files(`packed-${state}`).map(({ content }) =>
        build({
          ...{ root: '/srv/faults-build', source: archive({ path: `${ROOT}/unpacked`, content, format: 'tar' }), user: 'faulty', keep: 2 },
          command: 'sleep 0.3; ls >listing',
        }),
      ),
      release({ root: '/srv/faults', files: [...files(`content-${state}`)], keep: 2 }),
      sshd({ settings: { LoginGraceTime: isA ? 51 : 52 }, confirmSeconds: CONFIRM }),
      nftables({
        table: 'faults',
        rules: `chain in { type filter hook input priority 0; tcp dport ${isA ? 7001 : 7002} drop; }`,
        confirmSeconds: CONFIRM,
      }),
    ]
  },
})

const CONFIRM = 20
