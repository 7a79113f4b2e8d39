import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { groupOf, overlayOf } from '../../../../src/lab/host.ts'
import { membersOf } from '../../../../src/lab/machine/cgroup.ts'
import { hostOf, type LabSpec } from '../../../../src/lab/spec.ts'
import { installCommand } from '../install-command.ts'
import { inside } from '../interrupt.ts'
import { down, installed, up } from '../lab.ts'
import { recorded } from '../processes/recorder.ts'
import { traced } from '../processes/strace.ts'
import { type Result, referenceProject } from '../project.ts'
import { CORE, environment, HOLDERS, PLAYBOOK, poison, poisonedInventory, secrets } from './secrets-site.ts'

/** The marker, plain and in every encoding at every offset. Independent of the list of forms in the product. */
const TRACES: readonly string[] = [
  CORE,
  Buffer.from(CORE).toString('hex'),
  Buffer.from(CORE).toString('hex').toUpperCase(),
  ...['', 'x', 'xy'].map((before) =>
    Buffer.from(before + CORE)
      .toString('base64')
      .slice(before === '' ? 0 : 4, 16),
  ),
]
const tracesIn = (text: string): readonly string[] => {
  // Encoded, it may be split over several lines and columns.
  const squeezed = text.replaceAll(/\s/g, '')
  return TRACES.filter((trace) => text.includes(trace) || squeezed.includes(trace))
}
const holdersOf = (directory: string): readonly string[] =>
  // Other tests may delete their directories meanwhile.
  spawnSync('grep', ['-rlaF', ...TRACES.flatMap((trace) => ['-e', trace]), '--devices=skip', '--', directory], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter((path) => path !== '')
    .map((path) => path.slice(directory.length))

// A role that uses a secret in every possible place, and fails in every way that could print it.
const LEAKY = `import { command, defineRole, directory, file, secret, service, text, unit, z } from 'provision'
const ways = {
  echo: 'cat >&2; exit 3', base64: 'base64 -w0 >&2; exit 3', wrapped: '{ printf x; cat; } | base64 -w0; exit 3', hex: 'od -An -v -tx1 | tr -d " \\\\n" >&2; exit 3',
  lines: "bash -c 's=$(cat); w() { printf %s \\"$s\\"; }; { w | base64; w | openssl base64; w | od -An -v -tx1; w | od -v -tx1; printf %q \\"$s\\"; echo; echo \\"\${s@Q}\\"; } >&2; exit 3'",
  json: "perl -MJSON::PP -e 'local $/; print STDERR encode_json([<STDIN>]); exit 3'", url: "perl -e 'local $/; $_ = <STDIN>; s/([^A-Za-z0-9_.~-])/sprintf q(%%%02X), ord $1/ge; print STDERR; exit 3'",
}
export default defineRole({
  name: 'leaky', summary: 'fails in every way',
  options: z.strictObject({ first: secret(), second: secret(), third: secret(), way: z.string().default('none') }),
  resources: ({ options: { first, second, third, way } }) => {
    if (way === 'throw') throw new Error('my own mistake: ' + first.reveal())
    if (way === 'zod') return [file({ path: second.reveal(), content: 'x' })]
    const own = unit({ name: 'leaky.service', content: '[Service]\\nExecStart=/bin/sleep infinity\\n' })
    const set = { name: 'leaky', root: '/etc/leaky', check: ['sh', '-c', 'cat /etc/leaky/checked >&2; exit 1'] }
    return [
      directory({ path: '/etc/leaky', mode: '700' }),
      file({ path: '/etc/leaky/token', mode: '600', content: text\`# \${way}\\nfirst=\${first}\\nsecond=\${second}\\nthird=\${third}\\n\` }),
      own,
      service({ unit: 'leaky.service', enabled: false, restarts: [own] }),
      command({ name: 'takes it', run: 'cat >/dev/null', unless: '[ -e /run/taken ]', input: third }),
      command({ name: 'is done', run: 'touch /run/taken', creates: '/run/taken' }),
      ...(way in ways ? [command({ name: way, run: ways[way], creates: '/nowhere', input: first })] : []),
      ...(way === 'check' ? [file({ path: '/etc/leaky/checked', mode: '600', content: text\`\${second}\`, set })] : []),
      ...(way === 'owner' ? [file({ path: '/etc/leaky/other', owner: 'nobody', group: 'nosuchgroup', mode: '600', content: text\`\${second}\` })] : []),
    ]
  },
  verify: () => [{ name: 'says all it knows', script: 'cd /etc/leaky; cat token; base64 -w0 token; base64 token; od -An -v -tx1 token; exit 1' }],
})
`

const SERVER = `use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:$ENV{PORT}", Listen => 9, ReuseAddr => 1) or die;
while (my $c = $s->accept) { close $c }`

// A checker that prints its input.
const AMTOOL = '#!/bin/sh\ncat "$2" >&2; base64 -w0 "$2" >&2; base64 "$2" >&2; exit 1\n'

// No receiver accepts the alerts, and the journal has a line about each.
const UNDELIVERED = `for receiver in mail chat phone duty genie players office heartbeat; do
  case $receiver in heartbeat) name=Watchdog ;; *) name=TestAlert ;; esac
  amtool --alertmanager.url=http://127.0.0.1:9093 alert add alertname=$name severity=none host=one receiver=$receiver >/dev/null
  i=0; until journalctl -q -u prometheus-alertmanager -o cat | grep -F "receiver=$receiver " | grep -q 'Notify attempt failed'; do
    [ $i -lt 100 ] || { echo "$receiver was not tried" >&2; exit 1; }; sleep 0.2; i=$((i+1)); done
done`

/** Directories of temporary files of `secrets edit` and others, which must not remain. Directories of tests have other names. */
const SCRATCH = ['/dev/shm', tmpdir()]
const namesIn = (directories: readonly string[]): readonly string[] =>
  directories.flatMap((directory) =>
    readdirSync(directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && /^provision-(?!t-)/.test(entry.name))
      .map(({ name }) => join(directory, name)),
  )

/** Ways in which a role with a secret can fail. */
export const WAYS = ['echo', 'base64', 'wrapped', 'hex', 'lines', 'json', 'url', 'check', 'amtool', 'owner', 'throw', 'zod'] as const

/**
 * Marked secrets from every source, in every option that takes one, through runs that go well and runs that fail in these ways. With
 * `every`, strace watches each program that is started on the host, which makes it all four times as slow.
 */
export const secretLeakTest = (name: string, subnet: string, ways: readonly string[], every: boolean): void => {
  const SUBNET = subnet
  const project = referenceProject(name, SUBNET)
  const spec: LabSpec = installed({
    name: project.lab,
    root: project.root,
    hosts: [{ name: 'one', user: 'ops', addresses: [`${SUBNET}.11`] }],
  })
  const lab = `.provision/lab/${project.lab}`

  const inventory = (way: string): void => project.write('inventory/site.yaml', poisonedInventory({ subnet: SUBNET, lab }, way))

  const said: (Result & { readonly words: string })[] = []
  const provision = (...words: readonly string[]): Result => {
    const result = project.provision(...words)
    said.push({ ...result, words: words.join(' ') })
    return result
  }

  let before: readonly string[] = []
  let seen: readonly string[] = []
  let started: readonly string[] = []
  let daemon = 0
  beforeAll(async () => {
    if (every) installCommand('strace')
    before = namesIn(SCRATCH)
    Object.assign(project.env, environment)
    project.write('roles/leaky.ts', LEAKY)
    project.write('playbooks/site.yaml', PLAYBOOK)
    project.write('helper', `printf '%s' "${poison('command').replaceAll(/["$]/g, '\\$&')}"\n`)
    await up(spec)
    const names = ['-subj', '/CN=own.example.test', '-addext', 'subjectAltName=DNS:own.example.test']
    // Its standard input is a socket, which openssl cannot open by name.
    const signing = `cat | openssl req -x509 -key /dev/stdin -days 90 -out own.pem ${names.join(' ')}`
    const signed = spawnSync('sh', ['-c', signing], { cwd: project.root, input: environment.POISON_OWN, encoding: 'utf8' })
    if (signed.status !== 0) throw new Error(signed.stderr)
    spawnSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', environment.POISON_KEY, '-f', join(project.root, 'key')])
    const hash = spawnSync('openssl', ['passwd', '-6', '-stdin'], { input: environment.POISON_SUDO, encoding: 'utf8' }).stdout.trim()
    project.write(
      'inventory/site.yaml',
      `hosts: { one: { address: ${SUBNET}.11, vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts } } }\n`,
    )
    const people = `useradd -m -p ${JSON.stringify(hash).replaceAll('$', '\\$')} asked; echo 'asked ALL=(ALL) ALL' >/etc/sudoers.d/asked
    install -d -m 700 -o asked /home/asked/.ssh; echo '${readFileSync(join(project.root, 'key.pub'), 'utf8').trim()}' >/home/asked/.ssh/authorized_keys
    cat >/srv/server.pl <<'SERVER'\n${SERVER}\nSERVER
    apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends nginx openssl && systemctl stop nginx`
    const { status, stderr } = project.provision('exec', 'one', '--sudo', '--', 'sh', '-c', people)
    if (status !== 0) throw new Error(stderr)
    const edited = spawnSync(process.execPath, [join(import.meta.dirname, '../../../../bin/provision.js'), 'secrets', 'edit'], {
      cwd: project.root,
      env: { ...project.env, SECRETS: JSON.stringify(secrets), EDITOR: `printf '%s' "$SECRETS" >` },
      encoding: 'utf8',
    })
    if (edited.status !== 0) throw new Error(edited.stderr)

    const pids = await membersOf(groupOf(spec, hostOf(spec, 'one')))
    const sshd = pids.find((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sshd: /usr/sbin/sshd'))
    const amtool = '/usr/local/bin/amtool'
    const act = async (): Promise<void> => {
      inventory('none')
      provision('run', '--dry-run', '--debug', '--verbose', '--save', 'plan.json')
      provision('run', '--plan', 'plan.json', '--debug', '--verbose')
      for (const way of ways) {
        inventory(way)
        if (way === 'amtool') await inside(spec, 'one', `printf %s '${AMTOOL}' >${amtool}; chmod 755 ${amtool}`)
        provision('run', '--debug', '--verbose')
        if (way === 'amtool') await inside(spec, 'one', `rm ${amtool}`)
      }
      inventory('echo')
      provision('run', '--debug', '--json')
      inventory('none')
      provision('run', '--debug')
      await inside(spec, 'one', UNDELIVERED)
      provision('verify', '--debug', ...(every ? [] : ['--role', 'leaky', '--role', 'mysql', '--role', 'nginx']))
      provision('inventory', '--json', '--debug')
      provision('inventory', 'host', 'one')
      provision(
        'exec',
        'one',
        '--sudo',
        '--',
        'cd /etc/leaky; cat token; base64 -w0 token; base64 token; od -tx1 token; cat token >&2; exit 1',
      )
      provision('secrets', 'rotate')
      project.env.POISON_SUDO = `${poison('wrong')}`
      provision('run', '--debug')
      project.env.POISON_SUDO = environment.POISON_SUDO
    }
    daemon = sshd ?? 0
    const record = async (): Promise<void> => {
      seen = await recorded(act)
    }
    if (every) started = await traced(['-p', String(sshd), '-e', 'trace=execve', '-v', '-s', '65536'], record)
    else await record()
  }, 1_800_000)
  afterAll(async () => {
    await down(spec)
    project.remove()
  })

  describe('a marked secret', () => {
    it('was in use: runs succeeded and failed as planned, and their output was masked', () => {
      const statusOf = (words: string): readonly (number | null)[] => said.filter((one) => one.words === words).map(({ status }) => status)
      expect(said.slice(0, 2).map(({ status, stderr }) => `${status} ${stderr}`)).toEqual([expect.stringMatching(/^2 /), '0 '])
      expect(statusOf('run --debug --verbose')).toEqual(ways.map((way) => (['throw', 'zod'].includes(way) ? 3 : 1)))
      expect(said.filter(({ words }) => words.startsWith('verify')).map(({ status }) => status)).toEqual([1])
      expect(statusOf('secrets rotate')).toEqual([0])
      const failed = said.filter(({ words }) => words === 'run --debug --verbose')
      for (const [i, { stderr }] of failed.entries())
        if (!['owner', 'zod'].includes(ways[i] ?? '')) expect(`${ways[i]}: ${stderr}`).toContain('•••')
      expect(said.find(({ words }) => words.startsWith('exec'))?.stdout).toMatch(/first=•••\nsecond=•••\nthird=•••/)
    })

    it('is in no output, with --debug and in failures too', () => {
      expect(said.flatMap(({ words, stdout, stderr }) => tracesIn(`${stdout}${stderr}`).map((trace) => `${words}: ${trace}`))).toEqual([])
    })

    it('is in no argument and no environment of any process on the host, except its application', () => {
      const ran = seen.filter((line) => line.startsWith('ARGS '))
      expect(ran.length).toBeGreaterThan(50)
      const application = ran.filter((line) => /^ARGS \/usr\/bin\/perl \/srv\/server\.pl /.test(line))
      expect(application.some((line) => tracesIn(line).length > 0)).toBe(true)
      expect(ran.filter((line) => tracesIn(line.split('  ENV ')[0] ?? '').length > 0)).toEqual([])
      // The command that waits for the port runs in the unit, under its account, with its environment.
      const inItsUnit = (line: string): boolean => / USER=provision-app-api /.test(line)
      expect(ran.filter((line) => !application.includes(line) && !inItsUnit(line) && tracesIn(line).length > 0)).toEqual([])
      // Every program that provision started there, also short-lived ones.
      if (every) expect(started.filter((line) => line.includes('execve(')).length).toBeGreaterThan(200)
      expect(started.filter((line) => tracesIn(line).length > 0)).toEqual([])
    })

    it('is in no file on the host except the declared ones, and in no tmpfs', () => {
      expect(holdersOf(overlayOf(spec, hostOf(spec, 'one'))).toSorted()).toEqual(HOLDERS)
      for (const directory of ['run', 'tmp', 'var/tmp', 'dev/shm']) expect(holdersOf(`/proc/${daemon}/root/${directory}`)).toEqual([])
    })

    it('is in no journal of the host', async () => {
      const found = (words: string): Promise<string> => inside(spec, 'one', `journalctl -q --all -o export | grep -aF ${words} || true`)
      expect(await found('-m 1 prometheus-alertmanager')).toContain('prometheus-alertmanager')
      expect(await found(TRACES.map((trace) => `-e ${trace}`).join(' '))).toBe('')
    })

    it('is in no file on the controller except its source, and in no temporary directory', () => {
      expect(holdersOf(project.root)).toEqual(['/helper'])
      const made = namesIn(SCRATCH).filter((path) => !before.includes(path))
      expect(made.flatMap((path) => holdersOf(path).map((file) => path + file))).toEqual([])
      expect(tracesIn(readFileSync(join(project.root, 'plan.json'), 'utf8'))).toEqual([])
    })
  })
}
