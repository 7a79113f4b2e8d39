import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { parse } from 'yaml'
import { recipes } from '../../src/schedule/recipes.ts'
import { missingAccount, nameOf, patternFor, renewingRun } from '../../src/schedule/renewal.ts'
import { readProperties, statusOf } from '../../src/schedule/status.ts'
import { RENEWAL, serviceText, timerText } from '../../src/schedule/units.ts'
import { parseYaml } from '../../src/site/yaml/yaml.ts'

const job = {
  name: 'provision-renew-site-1a2b3c',
  root: '/home/ann/100% site',
  command: ['/usr/bin/node', '/opt/provision.js', 'run', '--limit', 'lb $1', '--key', '/k/id "1"'],
  environment: { HOME: '/home/ann', PROVISION_AGE_KEY_FILE: '/k/age.txt' },
  environmentFile: '/k/environment',
  purpose: RENEWAL,
}

describe('the scheduled run', () => {
  it('is a service whose arguments systemd passes without changes', () => {
    const text = serviceText(job)
    expect(text).toContain('WorkingDirectory=/home/ann/100%% site\n')
    expect(text).toContain('Environment=PROVISION_AGE_KEY_FILE=/k/age.txt\n')
    expect(text).toContain('ExecStart=/usr/bin/node /opt/provision.js run --limit "lb $$1" --key "/k/id \\"1\\""\n')
    // Everything that a run writes on this machine may contain secrets.
    expect(text.split('\n')).toEqual(expect.arrayContaining(['UMask=0077', 'NoNewPrivileges=yes', 'Type=oneshot', 'TimeoutStartSec=1h']))
    expect(timerText(job)).toMatch(/RandomizedDelaySec=\d+h\nPersistent=true/)
  })

  it('waits for the network, and reads the environment that the inventory refers to, if there is one', () => {
    expect(serviceText(job).split('\n')).toEqual(
      expect.arrayContaining([
        ...['Description=Renews the certificates of /home/ann/100%% site (provision)', 'Wants=network-online.target'],
        ...['After=network-online.target', 'Environment=HOME=/home/ann', 'EnvironmentFile=-/k/environment'],
      ]),
    )
    expect(serviceText({ ...job, environment: { A: 'two words', B: '"\\' } })).toContain(
      'Environment="A=two words"\nEnvironment="B=\\"\\\\"\n',
    )
    // systemd expects a pattern there, see glob(7).
    expect(serviceText({ ...job, environmentFile: '/k*/[a]?/\\100%' })).toContain('EnvironmentFile=-/k\\*/\\[a\\]\\?/\\\\100%%\n')
  })

  it('starts twice a day at a random time, also after a missed run', () => {
    expect(timerText(job).split('\n')).toEqual(
      expect.arrayContaining([
        ...['OnCalendar=*-*-* 04,16:00:00', 'RandomizedDelaySec=4h', 'Persistent=true', '[Install]', 'WantedBy=timers.target'],
        'Description=Renews the certificates of /home/ann/100%% site (provision)',
      ]),
    )
  })

  it.each([
    ['/srv/site', '/srv/site'],
    ['/srv/site ', '/srv/site /.'],
    ['/srv/site\\', '/srv/site\\/.'],
    ['/srv/ a\\b', '/srv/ a\\b'],
  ])('works in a directory whose end systemd would drop: %j', (root, written) =>
    expect(serviceText({ ...job, root })).toContain(`WorkingDirectory=${written}\n`),
  )

  it.each([
    [['/n o/node', 'a'], '"/n o/node" a'],
    [['/n$o/node', 'a$b'], '/n$o/node a$$b'],
    [["/n'o/node", 'a b'], `/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/n'o/node" "a b"`],
    [['/srv/my node '], '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/srv/my node "'],
    [['/n\\o/node'], '/bin/sh -c "exec \\"$$0\\" \\"$$@\\"" "/n\\\\o/node"'],
    [['/node', 'a;', '-x=1:2,3@4%'], '/node "a;" -x=1:2,3@4%%'],
  ])('passes the program %j', (command, written) => expect(serviceText({ ...job, command })).toContain(`\nExecStart=${written}\n`))

  it('changes only the role of the load balancers, with its own key', () => {
    const run = renewingRun(['playbooks/lb.yaml'], 'inventory/live.yaml', 'balancers')
    expect(run.join(' ')).toMatch(
      /^run playbooks\/lb.yaml --inventory inventory\/live.yaml --role haproxy-tls --limit balancers --user provision-renewal /,
    )
    const text = recipes(run, '/srv/site')
    expect(text.match(/--role haproxy-tls --limit balancers --user provision-renewal --wait --output plain --key/g)).toHaveLength(3)
    expect(text).toContain('--key "$PROVISION_SSH_KEY_FILE"')
    // The keys are files that only the job can read, before anything is written to them.
    expect(text).toMatch(/umask 077\n *printf '%s\\n' "\$AGE_KEY" >/)
    expect(text).toContain('chmod 600 "$PROVISION_AGE_KEY_FILE" "$PROVISION_SSH_KEY_FILE"')
  })

  it('is limited to the group of the load balancers', () => {
    const groups = new Map([
      ['all', ['lb-01', 'lb-02']],
      ['web', ['web-01']],
      ['balancers', ['lb-02', 'lb-01']],
    ])
    expect(patternFor(['lb-01', 'lb-02'], groups)).toBe('balancers')
    expect(patternFor(['lb-01'], groups)).toBe('lb-01')
    expect(patternFor(['lb-01', 'lb-02'], new Map([['all', ['lb-01', 'lb-02']]]))).toBe('lb-01,lb-02')
    expect(nameOf('/srv/my site')).toMatch(/^provision-renew-my-site-[0-9a-f]{6}$/)
    expect(nameOf('/srv/m_y (site)')).toMatch(/^provision-renew-m_y-site--[0-9a-f]{6}$/)
    expect(nameOf('/')).toMatch(/^provision-renew-project-[0-9a-f]{6}$/)
    expect(nameOf('/a/site')).not.toBe(nameOf('/b/site'))
    expect(renewingRun([], undefined, 'a')).toEqual([
      ...['run', '--role', 'haproxy-tls', '--limit', 'a', '--user', 'provision-renewal', '--wait', '--output', 'plain'],
    ])
  })

  describe('needs an account on the load balancers', () => {
    const KEY = 'ssh-ed25519 AAAA provision'
    const entry = { name: 'provision-renewal', keys: [KEY] }
    const ann = { name: 'ann', keys: ['ssh-ed25519 BBBB ann'] }
    const missing = (pattern: string, hosts: Readonly<Record<string, unknown>>) =>
      missingAccount({ pattern, hosts: new Map(Object.entries(hosts)) }, KEY)
    const lines = (pattern: string, hosts: Readonly<Record<string, unknown>>): unknown => {
      const found = missing(pattern, hosts)
      if (found?.do !== 'add') return found
      expect(parseYaml('inventory/site.yaml', found.lines, undefined).problems).toEqual([])
      return { ...(parse(found.lines) as object), ...(found.repeats && { repeats: true }) }
    }
    const more = (...entries: readonly object[]) => ({ vars: { base: { more_administrators: entries } } })

    it('that adds to the administrators of the outer groups, and copies none of them', () => {
      for (const base of [undefined, {}, { administrators: [ann] }, { administrators: [ann], more_administrators: [] }])
        expect(lines('balancers', { 'lb-01': base, 'lb-02': base })).toEqual({ groups: { balancers: more(entry) } })
    })

    it('of each host without a group, also of a single one', () => {
      expect(lines('lb-01,lb-02', { 'lb-01': {}, 'lb-02': {} })).toEqual({ hosts: { 'lb-01': more(entry), 'lb-02': more(entry) } })
      expect(lines('lb-01', { 'lb-01': {} })).toEqual({ hosts: { 'lb-01': more(entry) } })
      // One balancer has it.
      expect(lines('balancers', { 'lb-01': { administrators: [entry] }, 'lb-02': {} })).toEqual({ hosts: { 'lb-02': more(entry) } })
    })

    it('beside the accounts that the balancers have in the same list', () => {
      const base = { administrators: [], more_administrators: [ann] }
      expect(lines('balancers', { 'lb-01': base, 'lb-02': base })).toEqual({ groups: { balancers: more(ann, entry) }, repeats: true })
    })

    it('once, in either list', () => {
      const old = { administrators: [ann, entry] }
      for (const base of [old, { more_administrators: [ann, entry] }, { administrators: [{ ...entry, keys: ['other', KEY] }] }])
        expect(missing('balancers', { 'lb-01': base, 'lb-02': old })).toBeUndefined()
    })

    it('with this key, and not absent', () => {
      for (const one of [{ ...entry, keys: ['ssh-ed25519 CCCC'] }, { name: entry.name }, { ...entry, state: 'absent' }])
        for (const list of ['administrators', 'more_administrators'])
          expect(missing('lb-01', { 'lb-01': { [list]: [ann, one] } })).toEqual({ do: 'replace', entry: JSON.stringify(entry) })
    })
  })
})

describe('a hostile name', () => {
  const evil = ['a\nExecStartPre=/bin/evil', 'a\r', 'a\0b', 'a\x1b[2J', 'a\x7f', 'a\x85', 'a\u2028']

  it.each(evil)('with a line break or control character is rejected in units and recipes: %j', (word) => {
    for (const more of [{ root: `/srv/${word}` }, { command: ['/n', word] }, { environment: { X: word } }, { environmentFile: `/${word}` }])
      expect(() => serviceText({ ...job, ...more })).toThrow(
        expect.objectContaining({ class: 'input', what: expect.stringContaining('contains a line break or another control character') }),
      )
    expect(() => timerText({ ...job, root: `/srv/${word}` })).toThrow('contains a line break')
    expect(() => recipes(['run', word], '/srv/site')).toThrow('contains a line break')
    expect(() => recipes(['run'], `/srv/${word}`)).toThrow('contains a line break')
  })

  it('without one adds no lines to a unit', () => {
    const lines = (root: string): number => serviceText({ ...job, root }).split('\n').length
    for (const root of ['/x\\', '/x ', '/%n', '/"', '/\u202e', '/#', '/;', '/[Install]']) expect(lines(root)).toBe(lines('/x'))
    expect(serviceText({ ...job, root: '/\u202ex' })).toContain('Description=Renews the certificates of /�x (provision)\n')
  })

  // Each recipe is parsed as by cron, GitLab or GitHub, then run by a shell.
  const words = [
    'two words',
    "it's",
    '"q"',
    '100% %n',
    '$HOME `id` $(id)',
    `\${{ github.token }}`,
    'a: b # c',
    '\\ \\n',
    '*?[a]',
    '-x',
    '\u202e',
  ]
  const scratch = (name: string) => {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), 'provision-t-recipes-')))
    onTestFinished(() => rmSync(directory, { recursive: true }))
    const root = join(directory, name)
    mkdirSync(root)
    for (const [program, script] of [
      ['npx', '#!/bin/sh\nprintf "%s\\0" "$PWD" "$@"\n'],
      // Two hours at most.
      ['shuf', '#!/bin/sh\n[ "$*" != "-i 0-7200 -n 1" ] || echo 7\n'],
      ['sleep', '#!/bin/sh\n[ "$*" = 7 ] || printf "slept for %s\\0" "$*"\n'],
    ] as const) {
      writeFileSync(join(directory, program), script)
      chmodSync(join(directory, program), 0o755)
    }
    const run = (script: string): readonly string[] => {
      const env = { PATH: `${directory}:/usr/bin:/bin`, PROVISION_SSH_KEY_FILE: '/key', RUNNER_TEMP: '/temp' }
      return spawnSync('sh', ['-c', script], { cwd: root, env, encoding: 'utf8' }).stdout.split('\0').slice(0, -1)
    }
    return { root, run }
  }

  it.each(words)('remains one argument in cron, GitLab and GitHub: %s', (word) => {
    const { root, run } = scratch(word)
    const text = recipes(['run', word], root)
    const [, cron = ''] = /^17 4,16 \* \* \* {2}(.*)$/m.exec(text) ?? []
    // crontab(5): an unescaped percent sign ends the command.
    expect(cron.replaceAll('\\%', '')).not.toContain('%')
    expect(run(cron.replaceAll('\\%', '%'))).toEqual([root, 'provision', 'run', word, '--key', 'KEYS/id_ed25519'])

    const [, gitlab = '', github = ''] = text.split(/^# Git.*\n/m)
    const job = parse(gitlab) as { 'renew-certificates': { script: readonly string[] } }
    const { script } = job['renew-certificates']
    expect(script.slice(0, 2)).toEqual(['npm ci', 'chmod 600 "$PROVISION_AGE_KEY_FILE" "$PROVISION_SSH_KEY_FILE"'])
    expect(job['renew-certificates']).toMatchObject({ rules: [{ if: '$CI_PIPELINE_SOURCE == "schedule"' }], image: 'node:24' })
    expect(run(script[2] ?? '')).toEqual([root, 'provision', 'run', word, '--key', '/key'])

    const { jobs } = parse(github) as { jobs: { renew: { steps: readonly { run?: string }[] } } }
    const step = jobs.renew.steps.at(-1)?.run ?? ''
    expect(parse(github)).toMatchObject({
      on: { schedule: [{ cron: '17 4,16 * * *' }] },
      jobs: {
        renew: {
          'runs-on': 'ubuntu-latest',
          steps: [
            { uses: 'actions/checkout@v4' },
            { uses: 'actions/setup-node@v4', with: { 'node-version': 24 } },
            { env: { AGE_KEY: `\${{ secrets.PROVISION_AGE_KEY }}`, SSH_KEY: `\${{ secrets.PROVISION_SSH_KEY }}` } },
          ],
        },
      },
    })
    // The run reads its keys where the step writes them.
    expect(step).toMatch(/"\$AGE_KEY" >"\$RUNNER_TEMP\/age.txt"\n/)
    expect(step).toMatch(/"\$SSH_KEY" >"\$RUNNER_TEMP\/id_ed25519"\n/)
    expect(step).toContain('PROVISION_AGE_KEY_FILE="$RUNNER_TEMP/age.txt" npx ')
    expect(cron).toContain(' && PROVISION_AGE_KEY_FILE=KEYS/age.txt npx ')
    expect(step).not.toContain('${{')
    expect(run(step.trimEnd().split('\n').at(-1) ?? '')).toEqual([root, 'provision', 'run', word, '--key', '/temp/id_ed25519'])
  })
})

describe('its status', () => {
  const statusFor = (service: string, timer: string) => statusOf({ service: readProperties(service), timer: readProperties(timer) })
  const timer = 'LoadState=loaded\nActiveState=active\nNextElapseUSecRealtime=Tue 2026-11-24 16:40:11 UTC'

  it('shows the last result and the next run', () => {
    const ended = 'LoadState=loaded\nActiveState=inactive\nExecMainExitTimestamp=Tue 2026-11-24 04:12:03 UTC\n'
    expect(statusFor(`${ended}Result=success\nExecMainStatus=0`, timer)).toEqual({
      installed: true,
      failed: false,
      lines: ['last  succeeded at Tue 2026-11-24 04:12:03 UTC', 'next  Tue 2026-11-24 16:40:11 UTC'],
    })
    expect(statusFor(`${ended}Result=exit-code\nExecMainStatus=4`, timer)).toMatchObject({
      failed: true,
      lines: ['last  failed (exit status 4) at Tue 2026-11-24 04:12:03 UTC', expect.anything()],
    })
    expect(statusFor('LoadState=loaded\nActiveState=inactive\nResult=success\nExecMainExitTimestamp=', timer).lines[0]).toBe(
      'last  has not run yet',
    )
    for (const [service, its] of [
      ['LoadState=not-found', 'LoadState=not-found'],
      ['LoadState=loaded', 'LoadState=not-found'],
      ['LoadState=not-found', 'LoadState=loaded'],
    ] as const)
      expect(statusFor(service, its)).toEqual({ installed: false, failed: false, lines: ['nothing is scheduled for this project'] })
  })

  it('shows a run in progress, and a timer that is stopped or about to start', () => {
    for (const state of ['activating', 'active'])
      expect(
        statusFor(
          `LoadState=loaded\nActiveState=${state}\nExecMainStartTimestamp=Tue 2026-11-24 04:12:03 UTC\nExecMainExitTimestamp=Mon\nResult=exit-code`,
          'LoadState=loaded\nActiveState=active\nNextElapseUSecRealtime=',
        ),
      ).toEqual({ installed: true, failed: false, lines: ['last  running since Tue 2026-11-24 04:12:03 UTC', 'next  soon'] })
    expect(statusFor('LoadState=loaded\nActiveState=inactive', 'LoadState=loaded\nActiveState=inactive').lines).toEqual([
      'last  has not run yet',
      'next  never: the timer is stopped',
    ])
  })

  it('is read from lines with a name and a value', () => {
    expect([...readProperties('A=b=c \n=x\nno\nB=\n')]).toEqual([
      ['A', 'b=c'],
      ['B', ''],
    ])
  })
})
