// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { describe, expect, test } from 'vitest'
import { withTriggers } from '../../../../src/engine/plan/declared.ts'
import { bytesOf, type Content, shownText } from '../../../../src/resource/kind/content.ts'
import type { Resource } from '../../../../src/resource/kind/kind.ts'
import { whereNamed } from '../../../../src/role/yaml/declare.ts'
import { isSecret } from '../../../../src/secret/secret.ts'
import { boundNames, declaredBy, INVENTORY, problems, problemsAhead, problemsOf, resources } from './declared.ts'

const keys = async (list: string, given = {}) => (await resources(list, given)).map(([key]) => key)
const specs = async (list: string, given = {}) => (await resources(list, given)).map(([, spec]) => spec)
const contentOf = async (list: string, given = {}): Promise<Content> =>
  ((await specs(list, given))[0] as { readonly content: Content }).content
const text = async (list: string): Promise<string> => Buffer.from(bytesOf(await contentOf(list))).toString()
const line = (value: string): Promise<string> => text(`- file: { path: /f, content: "${value}" }\n`)

describe('resources of a play', () => {
  test('are those of their kinds, in order', async () => {
    expect(await resources('- package: { name: htop, cacheHours: 1 }\n- sysctl: { key: vm.swappiness, value: 10 }\n')).toMatchObject([
      ['package:htop', { name: 'htop', cacheHours: 1, state: 'present' }],
      ['sysctl:vm.swappiness', { key: 'vm.swappiness', value: '10', optional: false }],
    ])
  })

  test('are several for a composite, which later resources name one by one', async () => {
    const list =
      '- timezone: { name: Etc/UTC }\n- timer: { name: report, schedule: daily, command: [/bin/true, "${host.name}"] }\n' +
      '- file: { path: /f, content: "" }\n- service: { unit: x.service, restarts: [unit:report.service] }\n'
    expect(await keys(list)).toEqual([
      ...['package:tzdata', 'link:/etc/localtime', 'file:/etc/timezone', 'unit:report.service', 'unit:report.timer'],
      ...['service:report.timer', 'file:/f', 'service:x.service'],
    ])
    expect(await problems('- timer: { name: report, schedule: sometimes, command: [report], wirtes: [] }\n')).toEqual([
      expect.stringMatching(/^4:40 `schedule`: "sometimes" must be a calendar event/),
      expect.stringMatching(/^4:51 `command` must begin with an absolute path/),
      '4:70 unknown option `wirtes` in resource timer → did you mean `writes`?',
    ])
    expect(await problems('- timezone: { name: Etc/UTC }\n- file: { path: /etc/timezone, content: x }\n')).toEqual([
      expect.stringContaining('5:7 file:/etc/timezone is declared twice, with different values'),
    ])
  })

  test('are one for each item of a list or map', async () => {
    expect(await keys('- each: ${vars.tools}\n  package: { name: "${item}" }\n')).toEqual(['package:htop', 'package:jq'])
    expect(await keys('- each: [a1, "b${vars.shop.port}"]\n  package: { name: "${item}" }\n')).toEqual(['package:a1', 'package:b8080'])
    expect(await specs('- each: ${vars.people}\n  user: ${item}\n')).toMatchObject([
      { name: 'ann', shell: '/bin/zsh' },
      { name: 'bob', shell: '/bin/sh' },
    ])
    const settings = '- each: { vm.swappiness: 10, vm.dirty_ratio: 5 }\n  sysctl: { key: "${item.key}", value: "${item.value}" }\n'
    expect(await keys(settings)).toEqual(['sysctl:vm.swappiness', 'sysctl:vm.dirty_ratio'])
    expect(await keys('- each: []\n  package: { name: "${item}" }\n')).toEqual([])
  })

  test('keep the type of a value that is a reference, and make text of one inside a text', async () => {
    expect(await specs('- package: { name: htop, cacheHours: "${vars.shop.port}" }\n')).toMatchObject([{ cacheHours: 8080 }])
    expect(await specs('- user: { name: ann, system: "${vars.shop.tls}" }\n')).toMatchObject([{ system: true }])
    expect(
      await line('${vars.shop.port}/${vars.shop.tls}/${vars.shop.version} on ${host.name} (${host.addresses.x})'.replace(/ \(.*/, '')),
    ).toBe('8080/true/1.10 on web-01')
    expect(
      await line('${host.name} ${host.address} ${host.publicAddress} ${host.user} ${host.sshPort} ${facts.cpus} ${vars.role_of_host}'),
    ).toBe('web-01 10.0.0.11 10.0.0.11 ops 22 2 first')
  })

  test('leave other text as it is', async () => {
    expect(await line('${HOME} $HOME $1 ${1} $${vars.shop.port} $${HOME} ${X:-y} undefined {{ x }}')).toBe(
      '${HOME} $HOME $1 ${1} ${vars.shop.port} $${HOME} ${X:-y} undefined {{ x }}',
    )
    // Values are no templates, wherever they come from.
    expect(await line('${env:TOKEN:plain} ${vars.shop.port}')).toBe('${vars.shop.port} 8080')
  })

  test('have secrets as parts of content only, and as values of options for secrets', async () => {
    const content = await contentOf(
      '- file:\n    path: /f\n    mode: "600"\n    content: |\n      port ${vars.shop.port}\n      password ${vars.shop.password}!\n',
    )
    expect(shownText(content)).toBe('port 8080\npassword •••!\n')
    expect(Buffer.from(bytesOf(content)).toString()).toBe('port 8080\npassword correct horse battery!\n')
    expect(shownText(await contentOf('- file: { path: /f, mode: "600", content: "a ${env:PASSWORD} b ${vars.shop.port}" }\n'))).toBe(
      'a ••• b 8080',
    )
    const [{ input }] = (await specs('- command: { name: x, run: "true", unless: "false", input: "p=${vars.shop.password}" }\n')) as [
      { input: unknown },
    ]
    expect(isSecret(input) && input.reveal()).toBe('p=correct horse battery')
    expect(await problems('- user: { name: ann, comment: "${vars.shop.password}" }\n')).toEqual([
      'inventory/hosts.yaml:7:59 `comment` must be text, not a secret (•••) → use ${env:NAME:plain} for a value that is not secret, or write the value itself',
    ])
    expect(await problems('- user: { name: ann, comment: "x ${vars.shop.password}" }\n')).toEqual([
      '4:35 `comment` must be text, not a secret (•••) → use ${env:NAME:plain} for a value that is not secret, or write the value itself',
    ])
    expect(await problems('- file: { path: /f, content: "${vars.shop.password}" }\n')).toEqual([
      expect.stringContaining('must not let every account read the file'),
    ])
  })

  test('take content from files of the project', async () => {
    const files = { 'files/motd': 'hello', 'files/site/a': '1', 'files/site/b/c': '2' }
    const [motd, release] = await specs(
      '- file: { path: /etc/motd, source: files/motd }\n- release: { root: /srv, source: files/site }\n',
      { files },
    )
    expect(motd).toMatchObject({ path: '/etc/motd', content: { type: 'local', size: 5 } })
    expect(release).toMatchObject({ files: [{ path: 'a' }, { path: 'b/c' }] })
    expect(await problems('- file: { path: /f, source: files/mtd }\n- release: { root: /srv, source: none }\n', { files })).toEqual([
      '4:33 files/mtd: file does not exist in the project → create it, or correct the path, which begins at the directory of the project',
      '5:38 none: directory does not exist → create it, or correct the option that names it',
    ])
    expect(await problems('- file: { path: /f, source: files/motd, content: x }\n- file: { path: /f, source: [] }\n', { files })).toEqual([
      '4:45 `source` and `content` are both set → remove one of them: `source` is a path of the project',
      '5:25 `source` is not a path → write the path of a file of the project',
    ])
  })

  test('name earlier resources by their keys', async () => {
    const list = '- file: { path: /etc/shop.conf }\n- service: { unit: shop.service, restarts: [file:/etc/shop.conf] }\n'
    expect((await specs(list))[1]).toMatchObject({ restarts: [{ path: '/etc/shop.conf', key: 'file:/etc/shop.conf' }] })
    expect(await problems(list.replace('[file:/etc/shop.conf]', '[file:/etc/shop.cnf]'))).toEqual([
      '5:49 no resource `file:/etc/shop.cnf` is declared before → did you mean `file:/etc/shop.conf`?',
    ])
    expect(await problems('- service: { unit: shop.service, loads: [1] }\n')).toEqual([
      expect.stringContaining('must be resources with files'),
    ])
  })

  test('are those whose condition holds', async () => {
    const held = async (condition: string): Promise<boolean> => (await keys(`- if: ${condition}\n  package: { name: htop }\n`)).length === 1
    for (const condition of [
      "${facts.distribution} == 'debian'",
      '${facts.distribution} == debian',
      "${facts.distribution} != 'ubuntu'",
      "${facts.release} == '13'",
      '${facts.cpus} == 2',
      '${vars.shop.tls}',
      '${vars.shop.tls} == true',
      'not ${facts.container}',
      "${vars.shop.tls} and ${facts.distribution} == 'debian'",
      '${facts.container} or not ${facts.container}',
      "'${vars.shop.tls} and ${facts.cpus} == 2'",
    ])
      expect([condition, await held(condition)]).toEqual([condition, true])
    for (const condition of [
      "${facts.distribution} == 'ubuntu'",
      "${facts.distribution} != 'debian'",
      'not ${vars.shop.tls}',
      '${vars.shop.tls} and ${facts.container}',
      '${facts.container} or ${facts.cpus} == 3',
    ])
      expect([condition, await held(condition)]).toEqual([condition, false])
    expect(await keys('- each: ${vars.people}\n  if: ${item.name} != \'ann\'\n  user: { name: "${item.name}" }\n')).toEqual(['user:bob'])
    // What a skipped entry refers to need not exist.
    expect(await keys('- if: ${facts.container}\n  package: { name: "${vars.none}" }\n')).toEqual([])
  })
})

test.each([
  ['archive', '- archive: { path: /opt/a, template: files/a, format: tar }\n', '4:32 unknown option `template` in resource archive'],
  ['database-dump', '- database-dump: { name: a, template: files/a }\n', '4:33 unknown option `template` in resource database-dump'],
])('the kind %s takes a file of the project as it is, and no template', async (_, list, expected) => {
  expect(await problems(list, { files: { 'files/a': 'a' } })).toContainEqual(expect.stringContaining(expected))
})

test.each([
  ['line', '- line: { path: /etc/hosts, line: "10.0.0.1 a ${vars.shop.port}" }\n', { line: { parts: ['10.0.0.1 a 8080'] } }],
  ['block', '- block: { path: /etc/hosts, name: a, block: { source: files/a } }\n', { block: { type: 'local' } }],
  ['setting', '- setting: { path: /etc/a, key: size, value: "${vars.shop.port}" }\n', { key: 'size' }],
  ['script', '- script: { name: a, unless: "false", source: files/script }\n', { content: { type: 'local' } }],
  ['archive', '- archive: { path: /opt/a, source: files/a, format: tar }\n', { content: { type: 'local' } }],
  ['service', '- service: { unit: a.service, took: "test -e /run/a" }\n', { took: { text: 'test -e /run/a' } }],
  ['command', '- command: { name: a, run: "echo undefined", creates: /a }\n', { run: 'echo undefined' }],
  ['unit', '- unit: { name: a.service, content: "[Service]\\nExecStart=/bin/undefined\\n" }\n', { unit: 'a.service' }],
])('the kind %s takes its options in YAML', async (kind, list, spec) => {
  const [found, ...more] = await resources(list, { files: { 'files/a': 'a', 'files/script': '#!/bin/sh\n' } })
  expect([found?.[0].split(':')[0], found?.[1], more]).toMatchObject([kind, spec, []])
})

const wrong: readonly (readonly [name: string, list: string, ...expected: readonly string[]])[] = [
  ['a misspelt kind', '- pakage: { name: htop }\n', '4:7 unknown kind `pakage` → did you mean `package`?'],
  [
    'a module of Ansible',
    '- ansible.builtin.copy: { dest: /f }\n- apt: { name: x }\n',
    '4:7 unknown kind `ansible.builtin.copy` → use the kind `file`, with `content` or `source`, or the kind `tree` for a directory',
    '5:7 unknown kind `apt` → use the kind `package`, with one name; in a playbook, `each` repeats it for a list',
  ],
  ['a misspelt option', '- link: { path: /l, taget: /t }\n', '4:25 unknown option `taget` in resource link → did you mean `target`?'],
  [
    'an invalid value',
    '- package: { name: htop, state: newest }\n',
    '4:37 `state` must be `present` or `absent`, not "newest" → write one of these values',
  ],
  ['no options', '- package:\n', expect.stringContaining('`name` is missing in resource package') as unknown as string],
  [
    'a name without options',
    '- package\n- x y\n',
    '4:7 resource entry is not a kind with its options → write `- package: {…}`, with the options as a map below the name',
    '5:7 resource entry is not a kind with its options → write, for example, `- package: { name: htop }`',
  ],
  ['options that are no map', '- package: htop\n', '4:16 options of package must be a map → write them as indented `key: value` lines'],
  [
    'two kinds',
    '- package: { name: a1 }\n  file: { path: /f }\n',
    '5:7 resource entry has two kinds, `package` and `file` → start each resource with a dash, and indent options below their kind',
  ],
  ['no kind', '- if: ${vars.shop.tls}\n', '4:7 resource entry has no kind → add one, for example `package: { name: htop }`'],
  ['a misspelt if', '- iff: ${vars.shop.tls}\n  package: { name: a1 }\n', '4:7 unknown option `iff` beside a kind → did you mean `if`?'],
  [
    'keys of tasks',
    '- name: install\n  package: { name: a1 }\n  when: x\n  with_items: [a]\n',
    '4:7 unknown option `name` beside a kind → remove it, or write it as a comment; plans name a resource by its kind and identity',
    "6:7 unknown option `when` beside a kind → write `if`, for example if: ${facts.distribution} == 'debian'",
    '7:7 unknown option `with_items` beside a kind → write `each`, with a list or a map; ${item} is its value',
  ],
  ['an unknown variable', '- package: { name: "${vars.tols}" }\n', '4:25 `vars` has no `tols` → did you mean `tools`?'],
  [
    'an unknown variable in a block',
    '- file:\n    path: /f\n    content: |\n      a\n      b ${vars.none}\n',
    expect.stringContaining('8:13 `vars` has no `none` → set it under `vars` in the inventory') as unknown as string,
  ],
  [
    'an unknown name in a map',
    '- file: { path: /f, content: "${vars.shop.prot}" }\n',
    '4:35 `vars.shop` has no `prot` → did you mean `port`?',
  ],
  [
    'a name below a single value',
    '- file: { path: /f, content: "${vars.shop.port.x}" }\n',
    '4:35 `${vars.shop.port.x}` does not exist: `vars.shop.port` is not a map → use `${vars.shop.port}`, or correct the name',
  ],
  [
    'an unknown fact',
    '- if: ${facts.distro} == debian\n  package: { name: "${facts.codname}" }\n',
    expect.stringContaining(
      '4:11 `${facts.distro}` does not exist → use a name that exists (available: distribution,',
    ) as unknown as string,
    '5:25 `${facts.codname}` does not exist → did you mean `codename`?',
  ],
  [
    'an unknown property of the host',
    '- file: { path: /f, content: "${host.nam}" }\n',
    '4:35 `${host.nam}` does not exist → did you mean `name`?',
  ],
  [
    'a misspelt map',
    '- file: { path: /f, content: "${var.tools} ${foo.bar}" }\n',
    '4:35 `${var.tools}` is not known → did you mean `${vars.tools}`?',
    '4:48 `${foo.bar}` is not known → begin with `vars`, `host`, `facts`; for literal text, write `$${foo.bar}`',
  ],
  [
    'a filter',
    '- file: { path: /f, content: "${vars.tools | first} ${facts}" }\n',
    '4:35 `${vars.tools | first}` is not a reference → write ${vars.NAME}; a reference has no filters, defaults or calculations',
    '4:57 `${facts}` is not a reference → write ${facts.NAME}; a reference has no filters, defaults or calculations',
  ],
  ['item without each', '- package: { name: "${item}" }\n', '4:25 `${item}` is not known here → use it in an entry that has `each`'],
  [
    'options in a play',
    '- package: { name: "${options.x}" }\n',
    '4:25 `${options.x}` is not known here → options belong to a role; use `vars` in a play',
  ],
  [
    'a list inside a text',
    '- file: { path: /f, content: "x ${vars.tools} ${vars.empty}" }\n',
    '4:37 `${vars.tools}` is a list, and cannot be a part of a text → make it the whole value, or name one of its values',
    '4:51 `${vars.empty}` is empty, and cannot be a part of a text → set it, or remove the reference',
  ],
  [
    'an empty variable in a text',
    '- file: { path: /f, content: "x ${vars.empty}" }\n',
    '4:37 `${vars.empty}` is empty, and cannot be a part of a text → set it, or remove the reference',
  ],
  [
    'each of a single value',
    '- each: ${vars.shop.port}\n  package: { name: "${item}" }\n- each: x\n  package: { name: a1 }\n',
    '6:13 `each` is neither a list nor a map → write a list, or the name of one: ${vars.NAME}',
  ],
  [
    'each of a number',
    '- each: ${vars.shop.port}\n  package: { name: "${item}" }\n',
    '4:13 `each` is neither a list nor a map, but a single value → name a list or a map',
  ],
  [
    'each of a secret',
    '- each: ${vars.shop.password}\n  package: { name: "${item}" }\n',
    '4:13 `each` is neither a list nor a map, but a secret → name a list or a map',
  ],
  [
    'two declarations of one resource',
    '- file: { path: /f, content: a }\n- file: { path: /f, content: b }\n',
    '5:7 file:/f is declared twice, with different values (the first is at playbooks/site.yaml:4:7) → declare it once',
  ],
  [
    'several mistakes',
    '- pakage: { name: a1 }\n- package: { nam: a1 }\n',
    '4:7 unknown kind `pakage` → did you mean `package`?',
    '5:18 unknown option `nam` in resource package → did you mean `name`?',
  ],
]

describe('all problems of a host are reported together', () => {
  test('those of an entry in the order of the file, and those of every entry', async () => {
    const list = `- file:
    path: etc/motd
    content: "\${vars.none} \${vars.nil}"
    mdoe: '640'
- service: { unit: a.service, loads: [file:/x, file:/y], enabld: true }
- file: { path: /f, source: files/none, mode: 'x', ownr: root }
- block: { path: /f, name: a, block: { template: files/none }, comment: '' }
`
    expect((await problems(list)).map((one) => one.replace(/ →.*/, ''))).toEqual([
      expect.stringContaining('6:19 `vars` has no `none`'),
      expect.stringContaining('6:32 `vars` has no `nil`'),
      expect.stringContaining('7:9 unknown option `mdoe` in resource file'),
      expect.stringContaining('8:43 no resource `file:/x` is declared before'),
      expect.stringContaining('8:52 no resource `file:/y` is declared before'),
      expect.stringContaining('8:62 unknown option `enabld` in resource service'),
      expect.stringContaining('9:33 files/none: file does not exist in the project'),
      expect.stringContaining('9:51 `mode`'),
      expect.stringContaining('9:56 unknown option `ownr` in resource file'),
      expect.stringContaining('10:54 files/none: file does not exist in the project'),
      expect.stringContaining('10:77 `comment`'),
    ])
  })

  test('one that each repeats is reported once, and at most a hundred are', async () => {
    expect(await problems('- each: [a1, b1, c1]\n  package: { name: "${item}", verion: "1" }\n')).toEqual([
      '5:35 unknown option `verion` in resource package → did you mean `version`?',
    ])
    const names = Array.from({ length: 150 }, (_, i) => `"A ${i}"`).join(', ')
    expect(await problems(`- each: [${names}]\n  package: { name: "\${item}" }\n`)).toHaveLength(100)
  })
})

test.each(wrong)('%s is reported with its place and a fix', async (_, list, ...expected) => {
  expect(await problems(list)).toEqual(expected)
})

const FIX = "write ${facts.NAME} == 'text', ${vars.NAME} or not ${vars.NAME}, joined by and, or by or"

test.each([
  [
    '${vars.shop.tls} and ${vars.shop.tls} or ${vars.shop.tls}',
    'condition has both `and` and `or` → write two entries, each with one of them',
  ],
  ['vars.shop.tls', `condition has \`vars.shop.tls\` where a reference is expected → ${FIX}`],
  ['${facts.cpus} >= 2', `condition has \`>\` after \${facts.cpus}; it can compare with == and != only → ${FIX}`],
  ['${facts.codename} in [a]', `condition has \`in\` after \${facts.codename}; it can compare with == and != only → ${FIX}`],
  ['${facts.cpus} ${facts.cpus}', `condition has \${facts.cpus} after \${facts.cpus}; it can compare with == and != only → ${FIX}`],
  ['not ${facts.cpus} == 2', `condition has \`not\` before a comparison → ${FIX}`],
  ['${facts.cpus} ==', `condition compares \${facts.cpus} with nothing → ${FIX}`],
  ['${facts.cpus} == ${facts.cpus}', `condition compares \${facts.cpus} with another reference → ${FIX}`],
  ['${facts.cpus} == 2 3', `condition has \`3\` after a comparison → ${FIX}`],
  ['${vars.shop.tls} and', `condition ends where a reference is expected → ${FIX}`],
  ['[]', `condition is not a text → ${FIX}`],
  ['${facts.cpus}', '`${facts.cpus}` is a number, not true or false → compare it with == or !='],
  ['${facts.codename}', '`${facts.codename}` is text, not true or false → compare it with == or !='],
  ['${facts.release} == 13', "`${facts.release}` is text, and is compared with a number → put the value in quotes: '13'"],
  ["${facts.cpus} == '2'", '`${facts.cpus}` is a number, and is compared with text → compare it with a number'],
  ['${vars.tools}', '`${vars.tools}` is a list, which a condition cannot test → test text, a number, or true or false'],
  [
    '${vars.shop.password} == x',
    '`${vars.shop.password}` is a secret, which a condition cannot test → test text, a number, or true or false',
  ],
  ['${vars.empty}', '`${vars.empty}` is empty, which a condition cannot test → test text, a number, or true or false'],
])('the condition %s is refused', async (condition, expected) => {
  const [found, ...more] = await problems(`- if: ${condition}\n  package: { name: htop }\n`)
  expect([found?.replace(/^\d+:\d+ /, ''), more]).toEqual([expected, []])
})

test('a variable that only some hosts have is named with the others', async () => {
  const inventory = `${INVENTORY}  web-02: { address: 192.0.2.12 }\n`
  expect(await problems('- file: { path: /f, content: "${vars.role_of_host}" }\n', { inventory })).toEqual([
    '4:35 variable `role_of_host` is not set for web-02 → set it under `vars` in the inventory (available: user, tools, people, shop, empty)',
  ])
})

test('without facts, entries that need none are checked completely, and others for misspelt options', async () => {
  expect(
    await problemsAhead(`- package: { nmae: "\${facts.codename}" }
- if: \${facts.container}
  file: { pth: /f }
- file: { path: relative }
- file: { path: "/f\${facts.cpus}" }
- service: { unit: a.service, restarts: [file:/f2], runing: true }
`),
  ).toEqual([
    '4:18 unknown option `nmae` in resource package → did you mean `name`?',
    '6:15 unknown option `pth` in resource file → did you mean `path`?',
    expect.stringMatching(/^7:21 `path`/),
    '9:57 unknown option `runing` in resource service → did you mean `running`?',
  ])
})

describe('a play that lists resources', () => {
  const play = (name: string, more = '') => `- { name: ${name}, hosts: all, resources: [{ package: { name: htop } }]${more} }\n`

  test('has the name of no other and of no role', async () => {
    expect(await problemsOf(() => declaredBy(play('tools') + play('tools')))).toEqual([
      '2:30 two plays that list resources have the name `tools` (the first is at playbooks/site.yaml:1:30) → give this play another `name`',
    ])
    expect(await problemsOf(() => declaredBy(`${play('nginx')}- { hosts: all, roles: [nginx] }\n`))).toEqual([
      '2:25 name `nginx` is used for the resources of a play and for role nginx (the first is at playbooks/site.yaml:1:30) → give that play another `name`',
    ])
  })

  test('has a name that can be a file name and an argument', async () => {
    for (const name of ['a/b', '"a: b"', '"web-*"', '.hidden', '-x', 'x.new', '"a@b"', 'a'.repeat(101)])
      expect(await problemsOf(() => declaredBy(play(name)))).toEqual([
        expect.stringMatching(/a play that lists resources cannot have the name .* → set `name` to a text without/),
      ])
    expect(await problemsOf(() => declaredBy(play('"Web servers (1), main & all!"')))).toEqual([])
  })

  test('has roles and resources in the order in which it lists them', async () => {
    const role = { name: 'nginx', summary: 's', options: (await import('zod')).z.unknown(), resources: () => [] }
    const order = async (playbook: string) => (await boundNames(playbook, role)).join(' ')
    expect(await order('- { name: tools, hosts: all, resources: [{ package: { name: htop } }], roles: [nginx] }\n')).toBe('tools nginx')
    expect(await order('- { name: tools, hosts: all, roles: [nginx], resources: [{ package: { name: htop } }] }\n')).toBe('nginx tools')
  })
})

test('a list of `when` has its place, for an error about a name that the host does not declare', async () => {
  const declared = await declaredBy(
    '- hosts: all\n  resources:\n    - command: { name: a, run: b, when: [/etc/a] }\n    - command: { name: c, run: d, creates: /e }\n',
  )
  expect(declared.map(whereNamed)).toEqual([
    expect.objectContaining({ file: 'playbooks/site.yaml', line: 3, column: 35 }),
    expect.objectContaining({ line: 4 }),
  ])
  expect(withTriggersOf(declared[0])).toThrow(expect.objectContaining({ where: whereNamed(declared[0] as Resource) }))
})

const withTriggersOf = (resource: Resource | undefined) => () =>
  withTriggers('web-01', resource === undefined ? [] : [{ play: 0, role: 'play', resource }])
