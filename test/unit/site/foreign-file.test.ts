import { describe, expect, it } from 'vitest'
import { problemsIn } from '../../../src/problem.ts'
import { buildSite } from '../../../src/site/build.ts'
import { readProject } from '../../../src/site/read.ts'
import { project } from './project.ts'

const INVENTORY = 'hosts: { web: { address: 192.0.2.1 } }\n'
const PLAYBOOK = '- { hosts: web, roles: [nginx] }\n'

/** Everything that a message shows: place, key, what, why and fix. */
const shown = async (inventory: string, playbook: string): Promise<string> => {
  const root = project({ 'inventory/hosts.yaml': inventory, 'playbooks/site.yaml': playbook })
  try {
    buildSite(await readProject({ root, env: { HOME: '/home/ops', USER: 'ops' } }), { knownRoles: ['nginx'] })
    return ''
  } catch (error) {
    return JSON.stringify((problemsIn(error) ?? []).map(({ where, what, why, fix }) => ({ where, what, why, fix })))
  }
}

describe.each([
  ['a password file', 'root:$y$j9T$sesame$hash:19000:0:99999:7:::\n_apt:*sesame:19000:0:99999:7:::\n'],
  ['a file of connections', 'db.example:5432:shop:shop:sesame\ndb.example:5432:*:root:sesame\n'],
  ['an INI file', '[client]\npassword = sesame\n'],
  ['a private key', '-----BEGIN PRIVATE KEY-----\nsesame\n-----END PRIVATE KEY-----\n'],
  ['a shell script', 'export PASSWORD="sesame"\nlogin: $(pass sesame)\n'],
  ['a JSON file', '{"auth": "sesame"}\n'],
  ['a JSON file with a mistake', '{"auth": "sesame" "more": "sesame"}\n'],
  ['a list in a closed bracket', '] sesame: sesame\n'],
  ['a token after a closed value', 'token: "x" sesame\n'],
  ['a block with a word in its header', 'token: |sesame words\n  more\n'],
  ['an unclosed quote', 'token: "sesame\n'],
  ['an unknown escape', 'token: "\\q sesame"\n'],
  ['a key twice', 'user: 1\n$sesame: 1\n$sesame: 2\n'],
  ['a nested key', 'hosts: { web: { $sesame: 1 } }\n- sesame\n'],
  ['a list of texts', '- sesame\n- $sesame\n'],
  ['a list of maps', '- $sesame: x\n  token: sesame\n'],
])('%s', (_, text) => {
  it('is refused without its content, as an inventory and as a playbook', async () => {
    for (const message of [await shown(text, PLAYBOOK), await shown(INVENTORY, text)]) {
      expect(message).toContain('what')
      expect(message).not.toContain('sesame')
    }
  })
})

it('a misspelt option is named whole, with its suggestion', async () => {
  expect(await shown('hots: { web: {} }\n', PLAYBOOK)).toContain('unknown option `hots` in inventory","fix":"did you mean `hosts`?"')
  expect(await shown('hosts: { web: { adress: 192.0.2.1 } }\n', PLAYBOOK)).toContain(
    '"key":"hosts.web.adress"},"what":"unknown option `adress` in host web","fix":"did you mean `address`?"',
  )
})
