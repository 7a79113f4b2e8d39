// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { describe, expect, test } from 'vitest'
import { readSite } from '../../../../src/engine/prepare.ts'
import { lineOf } from '../../../../src/problem.ts'
import type { Sources } from '../../../../src/site/reference/references.ts'
import { parseYaml } from '../../../../src/site/yaml/yaml.ts'
import { project } from '../project.ts'

const SOURCES: Sources = {
  env: { NAME: '{{ name }}' },
  command: () => ({ failed: 'is not run' }),
  secrets: undefined,
  secretsPath: 'secrets.yaml',
  secretsUnreadable: false,
}

const warnings = (text: string): readonly string[] => parseYaml('a.yaml', text, SOURCES).warnings.map(lineOf)

describe('an expression of Jinja in a text', () => {
  test.each([
    '{{ name }}',
    '{{name}}',
    '{{- name -}}',
    '{{ shop.port }}',
    "{{ shop['port'] }}",
    "{{ name | default('x') }}",
    "{{ lookup('env', 'HOME') }}",
    '{{ a + b }}',
    "{{ 'on' if tls else 'off' }}",
    "{{ 'a' ~ b }}",
    '{{ groups.web | map(attribute="x") | join(",") }}',
    '{{ hostvars[inventory_hostname].x }}',
    '{% if tls %}',
    '{%- for one in people -%}',
    '{% set x = 1 %}',
  ])('is a warning: %s', (text) => {
    expect(warnings(`- resources:\n    - a: {b: 'c ${text.replaceAll("'", "''")}'}\n`)).toEqual([
      expect.stringContaining(`a.yaml:2:17: \`${text}\` is literal text here: write \${`),
    ])
  })

  test.each([
    '{{ $value }}',
    '{{ $labels.instance }}',
    '{{ humanize $value }}',
    '{{ value | printf "%s" $value }}',
    '{{ .Name }}',
    '{{.Names}}',
    '{{ json .Name }}',
    '{{ len (.Items) }}',
    '{{ end }}',
    '{{- else -}}',
    '{{ if eq a b }}',
    '{{ range x }}',
    '{{ template "x" . }}',
    '{{ key "shop/port" }}',
    '${{ github.ref }}',
    '{{{ raw }}}',
    '{{#if x}}',
    '{{/if}}',
    '{{ }}',
    '%{http_code} {%[src]}',
    '{{ name',
    '${vars.name}',
  ])('is not what another language has: %s', (text) => {
    expect(warnings(`- resources:\n    - a: {b: '${text}'}\n`)).toEqual([])
  })

  test('is reported where it is, once for each text', () => {
    const text = `- resources:
    - file:
        content: &text |
          a
            b {{ first }} {{ second }}
        other: "x {{ third }}"
        plain: y {{ fourth }}
        folded: >
          z {{ fifth }}
    - file: { content: *text }
`
    expect(warnings(text).map((line) => line.replace(/ is literal.*/, ''))).toEqual([
      'a.yaml:5:15: `{{ first }}`',
      'a.yaml:6:19: `{{ third }}`',
      'a.yaml:7:18: `{{ fourth }}`',
      'a.yaml:8:17: `{{ fifth }}`',
    ])
  })

  test('is not what a reference resolves to, and not in a file of secrets', () => {
    expect(warnings('- resources: [a: { b: "${env:NAME:plain}" }]\n')).toEqual([])
    expect(parseYaml('secrets.yaml', 'a: "{{ name }}"\n', undefined, 'secret').warnings).toEqual([])
  })

  test.each([
    ['{{ inventory_hostname }}', 'host.name'],
    ['{{ item.name }}', 'item.name'],
    ['{{ shop.port }}', 'vars.shop.port'],
    ['{{ shop.port | int }}', 'vars.NAME'],
  ])('has the reference with the same value as its fix: %s', (text, reference) => {
    expect(warnings(`- resources:\n    - a: {b: '${text}'}\n`).join()).toContain(`write \${${reference}}; \`template\` names`)
  })

  test('is one warning beside a reference, which only `resources` resolve', () => {
    expect(
      warnings('vars:\n  a: "x ${vars.b} {{ c }}"\n  d: ${host.name}/${env:NAME:plain}\n  e: $${vars.b} ${HOME} ${foo.bar}\n'),
    ).toEqual([
      expect.stringContaining('a.yaml:2:19: `{{ c }}` is literal text here: use an alias'),
      expect.stringMatching(/^a.yaml:3:6: `\$\{host.name\}` is literal text here: .* only `resources` read \$\{host.name\}$/),
    ])
    expect(warnings('- resources: [a: { b: "${vars.b}" }]\n')).toEqual([])
  })

  test('does not stop an expression that never ends', () => {
    const before = performance.now()
    warnings(`- resources: [a: { b: "{{ a${'()'.repeat(50_000)} !}}${'{{ a('.repeat(50_000)}" }]\n`)
    expect(performance.now() - before).toBeLessThan(5000)
  })
})

test('a site warns about plays, roles in YAML, options and variables', async () => {
  const root = project({
    'inventory/hosts.yaml': "vars:\n  user: ops\n  greeting: 'hi {{ user }}'\nhosts: { one: { address: 192.0.2.1 } }\n",
    'roles/own/role.yaml':
      "summary: own\noptions: { motd: '' }\nresources:\n  - file: { path: /f, content: 'v {{ motd }}' }\n  - package: { name: htop }\n",
    'playbooks/site.yaml':
      "- hosts: all\n  roles:\n    - own: { motd: '{{ greeting }}' }\n  resources:\n    - file: { path: /g, content: '{{ greeting }}' }\n",
  })
  const { warnings: found } = await readSite({ root, env: { HOME: '/home/ops', USER: 'ops' } })
  const plain = 'use an alias (`&name`, `*name`) or ${env:NAME:plain}; only `resources` read'
  const files = '`template` names a file with {{ … }} to render, `source` a file with literal text'
  expect(found.map(lineOf)).toEqual([
    `inventory/hosts.yaml:3:17: \`{{ user }}\` is literal text here: ${plain} \${vars.user}`,
    `playbooks/site.yaml:3:21: \`{{ greeting }}\` is literal text here: ${plain} \${vars.greeting}`,
    `playbooks/site.yaml:5:35: \`{{ greeting }}\` is literal text here: write \${vars.greeting}; ${files}`,
    `roles/own/role.yaml:4:35: \`{{ motd }}\` is literal text here: write \${options.motd}; ${files}`,
  ])
})
