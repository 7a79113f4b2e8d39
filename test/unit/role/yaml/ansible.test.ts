// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { shippedKinds } from '../../../../src/engine/shipped-kinds.ts'
import { ansibleKey } from '../../../../src/role/yaml/ansible/keys.ts'
import { ANSIBLE_MODULES, ansibleKind } from '../../../../src/role/yaml/ansible/modules.ts'
import { ADVICE, ansibleOption, RENAMED, VALUES } from '../../../../src/role/yaml/ansible/options.ts'
import { optionNames } from '../../../../src/role/yaml/project-source.ts'
import { problems, problemsAhead } from './declared.ts'

const kinds = await shippedKinds()
const roles = readdirSync(join(import.meta.dirname, '../../../../roles'))

/** The options of a kind in YAML. */
const optionsOf = (name: string): readonly string[] => {
  const kind = kinds.get(name)
  if (kind === undefined) throw new Error(`there is no kind ${name}`)
  return optionNames(kind)
}

/** Kinds and roles that a fix names must exist. */
const namesIn = (fix: string): void => {
  for (const [, sort, name = ''] of fix.matchAll(/the (kind|role) `([a-z-]+)`/g))
    expect([fix, sort === 'kind' ? kinds.has(name) : roles.includes(name)]).toEqual([fix, true])
}

describe('modules of Ansible', () => {
  test.each(
    `lineinfile blockinfile ini_file copy template apt apt_key apt_repository systemd get_url unarchive authorized_key mysql_db mysql_user
    postgresql_db postgresql_user postgresql_ext docker_container docker_compose modprobe wait_for uri shell raw debug assert stat set_fact
    include_role import_tasks pip npm snap apache2_module locale_gen ufw iptables firewalld replace synchronize`.split(/\s+/),
  )('%s has a fix at its place', async (name) => {
    for (const module of [name, `community.general.${name}`])
      expect(await problems(`- ${module}: { name: x }\n`)).toEqual([
        expect.stringMatching(new RegExp(`^4:7 unknown kind \`${module}\` → (use|bind|set|list|move|run|remove)`)),
      ])
  })

  test('lead to what replaces them', () => {
    const fix = (module: string): string => ansibleKind(module, kinds) ?? ''
    for (const module of ['ufw', 'community.general.ufw', 'firewalld', 'iptables'])
      expect(fix(module)).toContain('bind the role `firewall`')
    expect(fix('replace')).toContain('use the kind `line`')
    expect(fix('apt')).toContain('`each`')
    expect(fix('ansible.builtin.user')).toBe('use the kind `user`')
    expect(fix('docker_container')).toBe('use the kind `container`')
    expect(fix('shell')).toContain('`creates`, `unless` or `when`')
    expect(fix('nothing')).toBe('')
    expect(fix('acme.own.nothing')).toBe('')
  })

  test('name only kinds and roles that exist', () => {
    for (const module of ANSIBLE_MODULES) namesIn(ansibleKind(module, kinds) ?? '')
    expect(ANSIBLE_MODULES.filter((module) => kinds.has(module) && module !== 'package')).toEqual([])
  })
})

describe('options of modules of Ansible', () => {
  test('lead to options that exist, and are none of the kind itself', () => {
    const missing: string[] = []
    const own: string[] = []
    for (const [kind, names] of Object.entries(RENAMED))
      for (const [option, name] of Object.entries(names ?? {})) {
        if (!optionsOf(kind).includes(name)) missing.push(`${kind}.${name}`)
        if (optionsOf(kind).includes(option)) own.push(`${kind}.${option}`)
      }
    for (const [kind, names] of Object.entries(ADVICE))
      for (const [option, fix] of Object.entries(names ?? {})) {
        if (optionsOf(kind).includes(option)) own.push(`${kind}.${option}`)
        namesIn(fix)
      }
    for (const [kind, options] of Object.entries(VALUES))
      for (const [option, values] of Object.entries(options ?? {})) {
        if (!optionsOf(kind).includes(option)) missing.push(`${kind}.${option}`)
        for (const fix of Object.values(values ?? {})) namesIn(fix)
      }
    expect({ missing, own }).toEqual({ missing: [], own: [] })
    expect(ansibleOption('file', 'pth')).toBeUndefined()
  })

  test('are reported once: the option that was meant is not missing too', async () => {
    expect(await problems('- file: { dest: /f, src: files/f, remote_src: true }\n')).toEqual([
      '4:15 unknown option `dest` in resource file → write `path`',
      '4:25 unknown option `src` in resource file → write `source`',
      expect.stringContaining('4:39 unknown option `remote_src` in resource file → remove it'),
    ])
    expect(await problems('- cron: { name: a, minute: 0, job: b }\n')).toEqual([
      expect.stringContaining('4:24 unknown option `minute` in resource cron → write `jobs`'),
      expect.stringContaining('4:35 unknown option `job` in resource cron → write `jobs`'),
    ])
    expect(await problems('- service: { name: nginx, state: started, enabled: true }\n')).toEqual([
      '4:18 unknown option `name` in resource service → write `unit`',
      expect.stringContaining('4:31 unknown option `state` in resource service → write `running: false`'),
    ])
    expect(await problemsAhead('- if: ${facts.container}\n  package: { pkg: a1, update_cache: true }\n')).toEqual([
      '5:18 unknown option `pkg` in resource package → write `name`',
      expect.stringContaining('5:27 unknown option `update_cache` in resource package → remove it'),
    ])
  })

  test.each([
    ['directory', 'use the kind `directory`'],
    ['link', 'use the kind `link`, with `target`'],
    ['touch', 'remove `state`, and write `overwrite: false`'],
  ])('file with state: %s has a fix', async (state, fix) => {
    expect(await problems(`- file: { path: /f, state: ${state} }\n`)).toEqual([
      expect.stringContaining(`4:32 \`state\` of resource file cannot be "${state}" → ${fix}`),
    ])
  })

  test('a list in place of one value leads to each', async () => {
    expect(await problems('- package: { name: [htop, jq], state: latest }\n')).toEqual([
      '4:18 `name` of resource package takes one value, not a list → add `each: […]` with the list beside `package`, and write name: "${item}"',
      expect.stringContaining('4:43 `state` of resource package cannot be "latest" → use the kind `upgrade`'),
    ])
    expect(await problems('- package: { name: ["a b"] }\n')).toEqual([expect.stringContaining('`name` must be text, not')])
  })
})

describe('mistakes of several sorts', () => {
  test('are reported together in the order of the file, before a host is contacted', async () => {
    const list = `- name: install
  apt: { name: nginx }
  become: true
- package: { name: [htop, jq] }
- file: { path: /srv/www, state: directory, mdoe: '755' }
- command: ls
- apt-repository: { name: x, uris: [https://x.example/, "\${vars.mirror}"], suits: stable }
`
    expect((await problemsAhead(list)).map((one) => one.replace(/ (→|\().*/, ''))).toEqual([
      '4:7 unknown option `name` beside a kind',
      '5:7 unknown kind `apt`',
      '6:7 unknown option `become` beside a kind',
      '7:18 `name` of resource package takes one value, not a list',
      '8:38 `state` of resource file cannot be "directory"',
      '8:49 unknown option `mdoe` in resource file',
      '9:16 options of command must be a map',
      '10:80 unknown option `suits` in resource apt-repository',
    ])
    expect(await problems('- command: ls\n')).toEqual([expect.stringContaining('write, for example, `command: {')])
  })
})

describe('keys of tasks', () => {
  test.each(
    `name when become become_user register notify handlers tags vars loop with_items with_dict loop_control environment until retries args
    delegate_to run_once no_log ignore_errors changed_when async`.split(/\s+/),
  )('%s beside a kind has a fix', async (key) => {
    expect(await problems(`- package: { name: htop }\n  ${key}: x\n`)).toEqual([
      expect.stringMatching(new RegExp(`^5:7 unknown option \`${key}\` beside a kind → `)),
    ])
    namesIn(ansibleKey(key) ?? '')
  })

  test('block with a list is not the kind of this name', async () => {
    expect(await problems('- block:\n    - package: { name: htop }\n')).toEqual([
      '4:7 options of block must be a map → write each resource as a separate entry, with its own `if`',
    ])
  })
})
