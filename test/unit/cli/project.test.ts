import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { dispatch } from '../../../src/cli/dispatch.ts'
import { surroundings } from './surroundings.ts'

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

const say = async (argv: readonly string[], env: Record<string, string> = {}) => {
  const given = surroundings({ directory, env: { HOME: scratch, TOKEN: 'hush', PROVISION_AGE_KEY_FILE: join(scratch, 'age.txt'), ...env } })
  const ended = await dispatch(argv, given)
  return { ended, ...given.said }
}

describe('provision inventory', () => {
  test('lists hosts with where and how they are reached', async () => {
    expect((await say(['inventory'])).out.split('\n').slice(0, 3)).toEqual([
      'host    address              user  groups',
      'lb-01   192.0.2.1            ops',
      'web-01  192.0.2.2 port 2222  ops   web',
    ])
  })

  test('says beside it that a secret is too short to be masked everywhere', async () => {
    expect((await say(['inventory', '--json'])).err).toBe(
      `! inventory/hosts.yaml:1:35: \`\${env:TOKEN}\` is too short to be masked where it stands in other text: use at least 12 characters\n`,
    )
    expect((await say(['inventory', '--json'], { TOKEN: 'a-token-of-some-length' })).err).toBe('')
  })

  test('--json has the promised shape, and masks secrets', async () => {
    const { out } = await say(['inventory', '--json'])
    expect(JSON.parse(out)).toMatchObject({
      hosts: {
        'web-01': { address: '192.0.2.2', port: 2222, user: 'ops', groups: ['web'], vars: { nginx: { port: 8080 }, sudo_password: '•••' } },
      },
      groups: { web: ['web-01'] },
    })
    expect(out).not.toContain('hush')
  })

  test('--flows shows who may come, and which hosts have no firewall that sees to it', async () => {
    write('playbooks/site.yaml', '- hosts: lb-01\n  roles: [firewall]\n')
    const { out } = await say(['inventory', '--flows'])
    expect(out.split('\n')).toEqual([
      'from    to     port    service  role      encrypted',
      'anyone  lb-01  22/tcp  ssh      firewall  yes',
      '',
      '! no role firewall for web-01: every listening port is open to anyone',
      '',
    ])
    expect(JSON.parse((await say(['inventory', '--flows', '--json'])).out)).toMatchObject({
      flows: [{ host: 'lb-01' }],
      unfiltered: ['web-01'],
    })
  })

  test('--graph shows hosts in no group too', async () => {
    const { out } = await say(['inventory', '--graph'])
    expect(out).toBe('all\n  web\n  └─ web-01\n  (in no group)\n  └─ lb-01\n')
  })

  test('host NAME shows each variable and where it was written, secrets masked', async () => {
    const { out } = await say(['inventory', 'host', 'web-01'])
    expect(out).toMatch(/^nginx\.port +8080 +group web +inventory\/hosts\.yaml:8:\d+$/m)
    expect(out).toMatch(/^sudo_password +••• +all +inventory\/hosts\.yaml:1:\d+$/m)
    expect(out).not.toContain('hush')
  })

  test('a host that does not exist is guessed', async () => {
    await expect(say(['inventory', 'host', 'web01'])).rejects.toMatchObject({ class: 'input', fix: 'did you mean `web-01`?' })
  })
})

describe('provision secrets', () => {
  /** An editor that puts a line at the end of what it is given. */
  const typing = (line: string): Record<string, string> => {
    const editor = write('editor', `#!/bin/sh\nprintf '%s\\n' '${line}' >>"$1"\n`)
    chmodSync(editor, 0o755)
    return { EDITOR: editor }
  }
  const stored = (): string => readFileSync(join(directory, 'inventory/secrets.yaml'), 'utf8')
  const desks = (): readonly string[] =>
    readdirSync(existsSync('/dev/shm') ? '/dev/shm' : tmpdir()).filter((name) => /^provision-[A-Za-z0-9]{6}$/.test(name))

  test('edit makes what is missing, encrypts, and leaves nothing in the clear', async () => {
    const before = desks()
    expect((await say(['secrets', 'edit'], typing('token: hush'))).ended).toBe(0)
    expect(stored()).toMatch(/^-----BEGIN AGE ENCRYPTED FILE-----/)
    expect(stored()).not.toContain('hush')
    expect((await say(['secrets', 'view'])).out).toContain('token: hush')
    expect(desks().filter((name) => !before.includes(name))).toEqual([])
  })

  test('an edit that is no YAML, and an editor that fails, change nothing', async () => {
    await say(['secrets', 'edit'], typing('token: hush'))
    const before = stored()
    await expect(say(['secrets', 'edit'], typing('broken: ['))).rejects.toMatchObject({ problems: [{ class: 'input' }] })
    await expect(say(['secrets', 'edit'], { EDITOR: 'false' })).rejects.toMatchObject({ class: 'input' })
    expect(stored()).toBe(before)
  })

  test('an edit that changes nothing writes nothing', async () => {
    await say(['secrets', 'edit'], typing('token: hush'))
    const before = stored()
    expect((await say(['secrets', 'edit'], { EDITOR: 'true' })).err).toBe('Nothing was changed.\n')
    expect(stored()).toBe(before)
  })

  test('encrypt encrypts a file in the clear, once', async () => {
    write('inventory/secrets.yaml', 'token: hush\n')
    expect((await say(['secrets', 'encrypt'])).ended).toBe(0)
    expect(stored()).not.toContain('hush')
    expect((await say(['secrets', 'encrypt'])).err).toContain('encrypted already')
    expect((await say(['secrets', 'view'])).out).toBe('token: hush\n')
  })

  test('view without secrets says how to begin', async () => {
    await expect(say(['secrets', 'view'])).rejects.toMatchObject({ class: 'input', fix: expect.stringContaining('secrets edit') })
  })
})

describe('provision exec', () => {
  test.each([
    [['exec'], 'needs a pattern'],
    [['exec', 'web', 'uptime'], 'behind --'],
    [['exec', 'web'], 'behind --'],
    [['exec', 'wbe', '--', 'uptime'], 'wbe'],
  ])('%j is wrong before any host is asked', async (argv, what) => {
    await expect(say(argv)).rejects.toThrow(what)
  })
})
