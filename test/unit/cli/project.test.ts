import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { painter } from '../../../src/report/view.ts'
import { testContext } from './context.ts'

const scratch = mkdtempSync(join(tmpdir(), 'provision-cli-'))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

let directory = ''
const write = (path: string, text: string): string => {
  const full = join(directory, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, text)
  return full
}

beforeEach(() => {
  directory = mkdtempSync(join(scratch, 'project-'))
  write(
    'inventory/hosts.yaml',
    [
      `vars: { user: ops, sudo_password: "\${env:TOKEN}" }`,
      'hosts:',
      '  lb-01: { address: 192.0.2.1 }',
      '  web-01: { address: 192.0.2.2, port: 2222 }',
      'groups:',
      '  web:',
      '    hosts: [web-01]',
      '    vars: { nginx: { port: 8080 } }',
      '',
    ].join('\n'),
  )
})

const run = async (argv: readonly string[], env: Record<string, string> = {}, columns = 100) => {
  const context = testContext({
    view: { paint: painter(false), columns, verbose: false },
    directory,
    env: { HOME: scratch, TOKEN: 'hush', PROVISION_AGE_KEY_FILE: join(scratch, 'age.txt'), ...env },
  })
  const result = await dispatch(argv, context)
  return { result, ...context.output }
}

describe('provision inventory', () => {
  test('lists hosts with address and user', async () => {
    expect((await run(['inventory'])).out.split('\n').slice(0, 3)).toEqual([
      'host    address              user  groups',
      'lb-01   192.0.2.1            ops',
      'web-01  192.0.2.2 port 2222  ops   web',
    ])
  })

  test('warns about a secret that is too short to be masked everywhere', async () => {
    expect((await run(['inventory', '--json'])).err).toBe(
      `! inventory/hosts.yaml:1:35: \`\${env:TOKEN}\` is too short to be masked within other text: use at least 12 characters\n`,
    )
    expect((await run(['inventory', '--json'], { TOKEN: 'a-token-of-some-length' })).err).toBe('')
  })

  test('--json has the documented shape, and masks secrets', async () => {
    const { out } = await run(['inventory', '--json'])
    expect(JSON.parse(out)).toMatchObject({
      hosts: {
        'web-01': { address: '192.0.2.2', port: 2222, user: 'ops', groups: ['web'], vars: { nginx: { port: 8080 }, sudo_password: '•••' } },
      },
      groups: { web: ['web-01'] },
    })
    expect(out).not.toContain('hush')
  })

  test('--flows shows permitted flows and hosts without a firewall', async () => {
    write('playbooks/site.yaml', '- hosts: lb-01\n  roles: [firewall]\n')
    const { out } = await run(['inventory', '--flows'])
    expect(out.split('\n')).toEqual([
      'from    to     port    service  role      encrypted',
      'anyone  lb-01  22/tcp  ssh      firewall  yes',
      '',
      '! no role firewall for web-01: every listening port is open to anyone',
      '',
    ])
    expect(JSON.parse((await run(['inventory', '--flows', '--json'])).out)).toMatchObject({
      flows: [{ host: 'lb-01' }],
      unfiltered: ['web-01'],
    })
  })

  test('--graph shows hosts without a group as well', async () => {
    const { out } = await run(['inventory', '--graph'])
    expect(out).toBe('all\n  web\n  └─ web-01\n  (in no group)\n  └─ lb-01\n')
  })

  test('host NAME shows each variable and where it is set, with secrets masked', async () => {
    const { out } = await run(['inventory', 'host', 'web-01'])
    expect(out).toMatch(/^nginx\.port +8080 +group web +inventory\/hosts\.yaml:8:\d+$/m)
    expect(out).toMatch(/^sudo_password +••• +all +inventory\/hosts\.yaml:1:\d+$/m)
    expect(out).not.toContain('hush')
    const { 'web-01': web, ...others } = JSON.parse((await run(['inventory', 'host', 'web-01', '--json'])).out)
    expect([web, others]).toEqual([expect.objectContaining({ port: 2222, groups: ['web'] }), {}])
  })

  test('host NAME fits the screen: variables that are too wide for a table have their origin below', async () => {
    const { out } = await run(['inventory', 'host', 'web-01'], {}, 40)
    expect(out).toMatch(/^nginx\.port: 8080\n {4}group web, inventory\/hosts\.yaml:8:\d+$/m)
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(40)
  })

  test('host NAME shows how the host is reached', async () => {
    write(
      'inventory/hosts.yaml',
      [
        'hosts:',
        '  jump-01: { address: 192.0.2.1, user: hop }',
        '  web-01: { address: 10.0.0.2, user: ops, key: /k/one, jump: jump-01, public: 192.0.2.2 }',
        '',
      ].join('\n'),
    )
    const head = async (name: string) => (await run(['inventory', 'host', name])).out.split('\n\n')[0]?.trimEnd().split('\n')
    expect(await head('jump-01')).toEqual([
      ...['jump-01', '  connection  hop@192.0.2.1 port 22', '  keys        SSH agent and default key files'],
      ...['  addresses   192.0.2.1', '  groups      none'],
    ])
    expect(await head('web-01')).toEqual([
      ...['web-01', '  connection  ops@10.0.0.2 port 22 through jump-01', '  keys        /k/one', '  addresses   10.0.0.2'],
      ...['  public      192.0.2.2', '  groups      none'],
    ])
  })

  test('this machine is shown as such, `trust` skips it, and `lab` refuses it', async () => {
    write(
      'inventory/hosts.yaml',
      'vars: { user: ops, port: 2222 }\nhosts:\n  me: { address: local }\n  web-01: { address: 10.0.0.2, transport: openssh }\n',
    )
    const head = async (name: string) => (await run(['inventory', 'host', name])).out.split('\n\n')[0]?.trimEnd().split('\n')
    expect(await head('me')).toEqual([
      ...['me', expect.stringMatching(/^ {2}connection {2}this machine, as \S+$/), '  keys        none', '  addresses   none'],
      '  groups      none',
    ])
    expect(await head('web-01')).toContain('  transport   openssh')
    expect((await run(['inventory'])).out).toMatch(/^me +this machine /m)
    expect(await run(['trust', 'me'])).toMatchObject({ result: { status: 0 }, out: 'me  this machine, needs no host key\n' })
    await expect(run(['lab', 'status'])).rejects.toMatchObject({
      class: 'input',
      what: 'me is this machine (address: local), which no lab can boot',
    })
  })

  test.each([
    [['inventory', '--graph', '--flows'], '--graph conflicts with --flows'],
    [['inventory', 'host', 'web-01', '--graph'], '--graph and --flows do not apply to one host'],
    [['inventory', 'host', 'web-01', '--flows'], '--graph and --flows do not apply to one host'],
    [['inventory', 'host'], 'no host is given'],
    [['inventory', 'hosts'], 'unexpected argument hosts'],
    [['inventory', 'host', 'web-01', 'x', 'y'], 'unexpected argument x y'],
    [['inventory', 'host', 'web-1'], 'unknown host web-1'],
    [['secrets'], 'no subcommand is given'],
    [['secrets', 'show'], 'unknown subcommand show'],
    [['secrets', 'rotate', 'x'], 'unknown subcommand rotate x'],
    [['secrets', 'view', 'x', 'y'], 'unknown subcommand view x y'],
    [['schedule'], 'no subcommand is given'],
    [['schedule', 'start'], 'unknown subcommand start'],
    [['schedule', 'constructor'], 'unknown subcommand constructor'],
  ])('%j is invalid', async (argv, what) => {
    await expect(run(argv)).rejects.toMatchObject({ class: 'input', what })
  })

  test('suggests a host for a misspelt one', async () => {
    await expect(run(['inventory', 'host', 'web01'])).rejects.toMatchObject({ class: 'input', fix: 'did you mean `web-01`?' })
  })
})

describe('a file that does not exist', () => {
  test.each([
    ['inventory/host.yaml', 'did you mean `inventory/hosts.yaml`?'],
    ['inventory/hos', 'did you mean `inventory/hosts.yaml`?'],
    ['hosts.yaml', 'did you mean `inventory/hosts.yaml`?'],
    ['inventory/h.yml', 'did you mean `inventory/hosts.yaml`?'],
    ['staging.yaml', 'name an existing file or directory with -i (available: inventory/hosts.yaml)'],
  ])('given as the inventory: %s', async (path, fix) => {
    await expect(run(['inventory', '-i', path])).rejects.toMatchObject({ problems: [{ what: 'inventory does not exist', fix }] })
  })

  test.each(['web-01', 'web', 'all'])('given as a playbook, and a name of the inventory: %s', async (name) => {
    const what = 'playbook does not exist; this is a name of the inventory'
    await expect(run(['verify', name])).rejects.toMatchObject({ problems: [{ what, fix: `select hosts with --limit ${name}` }] })
  })

  test.each(['w', 'eb-01', 'web-01.yaml', 'web-02'])('given as a playbook: %s', async (name) => {
    await expect(run(['verify', name])).rejects.toMatchObject({ problems: [{ what: 'file does not exist', fix: 'correct the path' }] })
  })
})

describe('provision secrets', () => {
  /** Returns an environment whose editor appends a line, and records which file it got. */
  const appending = (line: string): Record<string, string> => {
    const editor = write('editor', `#!/bin/sh\nprintf '%s\\n' '${line}' >>"$1"; printf %s "$1" >'${join(directory, 'edited')}'\n`)
    chmodSync(editor, 0o755)
    return { EDITOR: editor }
  }
  const stored = (): string => readFileSync(join(directory, 'inventory/secrets.yaml'), 'utf8')

  test('edit creates key and file, encrypts, and leaves no plain text', async () => {
    expect((await run(['secrets', 'edit'], appending('token: hush'))).result).toBe(0)
    expect(stored()).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
    expect(stored()).not.toContain('hush')
    expect((await run(['secrets', 'view'])).out).toContain('token: hush')
    const edited = readFileSync(join(directory, 'edited'), 'utf8')
    expect(edited).toMatch(/\/provision-[A-Za-z0-9]{6}\//)
    expect(existsSync(dirname(edited))).toBe(false)
  })

  test('an edit that is not YAML, and a failing editor, change nothing', async () => {
    await run(['secrets', 'edit'], appending('token: hush'))
    const before = stored()
    await expect(run(['secrets', 'edit'], appending('broken: ['))).rejects.toMatchObject({ problems: [{ class: 'input' }] })
    await expect(run(['secrets', 'edit'], { EDITOR: 'false' })).rejects.toMatchObject({ class: 'input' })
    expect(stored()).toBe(before)
  })

  test('an edit that changes nothing writes nothing', async () => {
    await run(['secrets', 'edit'], appending('token: hush'))
    const before = stored()
    expect((await run(['secrets', 'edit'], { EDITOR: 'true' })).err).toBe('Nothing was changed.\n')
    expect(stored()).toBe(before)
  })

  test('encrypt encrypts a plain-text file once', async () => {
    write('inventory/secrets.yaml', 'token: hush\n')
    expect((await run(['secrets', 'encrypt'])).result).toBe(0)
    expect(stored()).not.toContain('hush')
    expect((await run(['secrets', 'encrypt'])).err).toContain('already encrypted')
    expect((await run(['secrets', 'view'])).out).toBe('token: hush\n')
  })

  test('view without a file names the command that creates it', async () => {
    await expect(run(['secrets', 'view'])).rejects.toMatchObject({ class: 'input', fix: expect.stringContaining('secrets edit') })
  })
})

describe('provision exec', () => {
  test.each([
    [['exec'], 'no host pattern'],
    [['exec', 'web', 'uptime'], 'no command follows --'],
    [['exec', 'web'], 'no command follows --'],
    [['exec', 'wbe', '--', 'uptime'], 'wbe'],
  ])('%j fails before any connection', async (argv, what) => {
    await expect(run(argv)).rejects.toThrow(what)
  })
})
