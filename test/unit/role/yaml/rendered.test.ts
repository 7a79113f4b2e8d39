// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { describe, expect, test } from 'vitest'
import { bytesOf, type Content, hasSecret, shownText } from '../../../../src/resource/kind/content.ts'
import { declaredBy, INVENTORY, problems, problemsAhead, problemsOf, resources } from './declared.ts'

const files = {
  'templates/shop.conf.j2':
    'port {{ values.port }} {{ vars.shop.version }} {{ vars.shop.tls }}\nhost {{ host.name }} {{ facts.cpus }}\n{% for p in vars.people %}\n{{ p.name }}\n{% endfor %}\n',
  'templates/item.j2': '{{ item.name }} {{ values.shell }}\n',
  'templates/secret.j2': 'password={{ vars.shop.password }}\n',
  'templates/wrong.j2': '\n{{ vars.shop.nope }}\n',
  'templates/facts.j2': '{{ facts.codename }} {{ facts.nope }}',
}
const contentIn = (spec: unknown): Content => (spec as { readonly content: Content }).content
const content = async (list: string): Promise<Content> => contentIn((await resources(list, { files }))[0]?.[1])
const text = async (list: string): Promise<string> => Buffer.from(bytesOf(await content(list))).toString()
const mistakes = (list: string): Promise<readonly string[]> => problems(list, { files })

describe('a template in YAML', () => {
  test('sees its values, and the maps of references', async () => {
    expect(await text('- file: { path: /f, template: templates/shop.conf.j2, values: { port: "${vars.shop.port}" } }\n')).toBe(
      'port 8080 1.10 true\nhost web-01 2\nann\nbob\n',
    )
    const list =
      '- each: ${vars.people}\n  file: { path: "/f/${item.name}", template: templates/item.j2, values: { shell: "${item.shell}" } }\n'
    const found = (await resources(list, { files })).map(([, spec]) => shownText((spec as { readonly content: Content }).content))
    expect(found).toEqual(['ann /bin/zsh\n', 'bob /bin/sh\n'])
  })

  test('is a form of every option for content', async () => {
    const template = '{ template: templates/shop.conf.j2, values: { port: 2 } }'
    expect(await text(`- file: { path: /f, content: ${template} }\n`)).toContain('port 2 ')
    const [[, spec] = []] = await resources(`- unit: { name: shop.service, content: ${template} }\n`, { files })
    expect(shownText((spec as { readonly file: { readonly content: Content } }).file.content)).toContain('port 2 ')
  })

  test('keeps secrets', async () => {
    const found = await content('- file: { path: /f, mode: "600", template: templates/secret.j2 }\n')
    expect([hasSecret(found), shownText(found)]).toEqual([true, 'password=•••\n'])
    expect(await mistakes('- file: { path: /f, template: templates/secret.j2 }\n')).toEqual([
      expect.stringMatching(/mode.* must not let every account read the file/),
    ])
  })

  test('has mistakes at its own line, or where YAML names it', async () => {
    expect(await mistakes('- file: { path: /f, template: templates/wrong.j2 }\n')).toEqual([
      expect.stringContaining('2:14 `vars.shop` has no `nope`'),
    ])
    const found = await problemsOf(() =>
      declaredBy('- name: p\n  hosts: all\n  resources:\n    - file: { path: /f, template: templates/nope.j2 }\n', { files }),
    )
    expect(found).toEqual([expect.stringContaining('4:35 templates/nope.j2: file does not exist in the project')])
    expect(await mistakes('- file: { path: /f, template: [x] }\n')).toEqual([expect.stringContaining('`template` is not a path')])
    expect(await mistakes('- file: { path: /f, template: templates/item.j2, values: 1 }\n')).toEqual([
      expect.stringContaining('`values` is not a map'),
    ])
    expect(await mistakes('- file: { path: /f, values: { a: 1 } }\n')).toEqual([
      expect.stringContaining('`values` is set without `template`'),
    ])
    expect(await mistakes('- file: { path: /f, content: x, template: templates/item.j2 }\n')).toEqual([
      expect.stringContaining('`template` and `content` are both set'),
    ])
    expect(await mistakes('- file: { path: /f, source: x, template: templates/item.j2 }\n')).toEqual([
      expect.stringContaining('`source` and `template` are both set'),
    ])
    expect(await mistakes('- release: { root: /f, template: x }\n')).toEqual([expect.stringContaining('unknown option `template`')])
    expect(await mistakes('- file: { path: /f, content: { template: templates/item.j2, value: {} } }\n')).toEqual([
      expect.stringContaining('content'),
    ])
  })

  test('that reads facts is rendered when they are known', async () => {
    expect(await problemsAhead('- file: { path: /f, template: templates/facts.j2, vales: {} }\n')).toEqual([
      expect.stringContaining('templates/facts.j2: file does not exist'),
      '4:55 unknown option `vales` in resource file → did you mean `values`?',
    ])
    expect(await mistakes('- file: { path: /f, template: templates/facts.j2 }\n')).toEqual([
      expect.stringContaining('1:31 `facts` has no `nope`'),
    ])
  })

  test('of a role begins at its folder with ./', async () => {
    const role = 'summary: s\noptions:\n  port: 80\nresources:\n  - file: { path: /f, template: ./conf.j2 }\n'
    const found = await declaredBy('- name: p\n  hosts: all\n  roles: [shop-conf]\n', {
      inventory: INVENTORY,
      files: { 'roles/shop-conf/role.yaml': role, 'roles/shop-conf/conf.j2': '{{ options.port }} {{ role.name }}' },
    })
    expect(shownText(contentIn(found[0]?.spec))).toBe('80 shop-conf')
  })
})
