import { describe, expect, test } from 'vitest'
import { bytesOf, hasSecret, type Later, shownText, text } from '../../../../src/resource/kind/content.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { content, problem, rendered } from './rendering.ts'

const secret = new Secret("hunter2'hunter2")
const values = { secret, name: 'shop', list: [secret, 'b'], map: { password: secret, port: 1 } }
const shown = (template: string): string | undefined => shownText(content(template, values))
const bytes = (template: string): string => Buffer.from(bytesOf(content(template, values))).toString()

describe('a secret among the values', () => {
  test('is a secret in the content', () => {
    const found = content('user {{ values.name }}\npassword {{ values.secret }}\n', values)
    expect(hasSecret(found)).toBe(true)
    expect(shownText(found)).toBe('user shop\npassword •••\n')
    expect(Buffer.from(bytesOf(found)).toString()).toBe("user shop\npassword hunter2'hunter2\n")
    expect(hasSecret(content('{{ values.name }}', values))).toBe(false)
  })

  test('makes secrets of the texts that contain it', () => {
    for (const [template, expected] of [
      ['{{ values.secret | upper }}', "HUNTER2'HUNTER2"],
      ['{{ values.secret | replace("\'", "\'\'") }}', "hunter2''hunter2"],
      ['{{ values.secret | urlencode }}', "hunter2'hunter2"],
      ['{{ values.secret | trim }}', "hunter2'hunter2"],
      ['{{ values.secret ~ "x" }}', "hunter2'hunter2x"],
      ['{{ values.list | join(":") }}', "hunter2'hunter2:b"],
      ['{{ ["a", "b"] | join(values.secret) }}', "ahunter2'hunter2b"],
      ['{{ values.map | dump }}', `{"password":"hunter2'hunter2","port":1}`],
      ['{% set x %}{{ values.secret }}{% endset %}{{ x }}', "hunter2'hunter2"],
      ['{% macro m(x) %}{{ x }}{% endmacro %}{{ m(values.secret) }}', "hunter2'hunter2"],
      ['{% filter upper %}{{ values.secret }}{% endfilter %}', "HUNTER2'HUNTER2"],
      ['{% for x in values.list %}{{ x if loop.first }}{% endfor %}', "hunter2'hunter2"],
      ['{{ values.secret | default("x") }}', "hunter2'hunter2"],
      ['{{ (values.list | first) | lower }}', "hunter2'hunter2"],
      ['{{ values.nope | default(values.secret) }}', "hunter2'hunter2"],
    ] as const) {
      expect(`${template} ${bytes(template)} ${shown(template)}`).toBe(`${template} ${expected} •••`)
    }
  })

  test('decides nothing', () => {
    const refused = (template: string): void => expect(problem(template, values)).toMatch(/^t\.j2:1:\d+ .*secret/)
    refused('{% if values.secret %}x{% endif %}')
    refused('{{ values.secret == "x" }}')
    refused('{{ "x" != values.secret }}')
    refused('{{ values.list == ["x", "b"] }}')
    refused('{{ values.map == {} }}')
    refused('{{ "h" in values.secret }}')
    refused('{{ values.secret in ["x"] }}')
    refused('{{ values.secret | length }}')
    refused('{{ values.secret | first }}')
    refused('{{ values.secret | truncate(1) }}')
    refused('{{ values.secret | wordcount }}')
    refused('{{ values.secret | list }}')
    refused('{{ values.secret is lower }}')
    refused('{{ "x" is eq(values.secret) }}')
    refused('{{ values.secret + "x" }}')
    refused('{{ {}[values.secret] }}')
    refused('{{ {}[values.secret] | default("x") }}')
    refused('{% switch values.secret %}{% case "x" %}{% endswitch %}')
    refused('{% for x in values.secret %}{% endfor %}')
    refused('{{ values.secret and "x" }}')
    refused('{{ "a" if not values.secret }}')
    expect(problem('{{ values.secret[0] }}', values)).toBe('t.j2:1:18 `values.secret` is a secret, and has no `0`')
    expect(problem('{{ values.list | sort | join }}', values)).toBe('t.j2:1:18 filter `sort` cannot be used on a list')
    expect(problem('{{ values.list | sum }}', values)).toBe('t.j2:1:18 filter `sum` cannot be used on a list')
    expect(rendered('{{ values.secret is defined }} {{ values.secret is string }} {{ values.secret is none }}', values)).toBe(
      'true true false',
    )
    expect(rendered('{{ "x" in values.list }} {{ values.list | length }}', values)).toBe('false 2')
  })

  test('is not in an error', () => {
    for (const template of ['{{ values.map[values.secret] }}', '{{ values.secret.x }}', '{{ values.secret | lower | length }}'])
      expect(problem(template, values)).not.toContain('hunter2')
  })
})

describe('a value that is made in the run', () => {
  const later: Later = { later: 'thumbprint', get: () => undefined }
  const given = { later, text: text`a${later}b`, name: 'x' }

  test('is printed when it exists', () => {
    expect(shownText(content('{{ values.name }}={{ values.later }} {{ values.text }} {{ "y" ~ values.text }}', given))).toBe(
      'x=‹made in this run› a‹made in this run›b ya‹made in this run›b',
    )
    expect(shownText(content('{% set x %}-{{ values.later }}{% endset %}{{ x }}', given))).toBe('-‹made in this run›')
  })

  test('decides nothing', () => {
    expect(problem('{{ values.later | upper }}', given)).toBe('t.j2:1:19 filter `upper` has text that is made in this run')
    expect(problem('{% if values.text %}{% endif %}', given)).toBe(
      't.j2:1:13 value is text that is made in this run, which a condition cannot test',
    )
    expect(problem('{{ values.text == "x" }}', given)).toMatch(/comparison/)
    expect(problem('{{ values.text.parts }}', given)).toMatch(/has no `parts`/)
  })
})

describe('JavaScript', () => {
  test('is out of reach', () => {
    for (const template of [
      "{{ ''.constructor.constructor('return 1')() }}",
      '{{ values.constructor }}',
      '{{ values.__proto__ }}',
      '{{ values.list.length }}',
      '{{ values.list.constructor }}',
      '{{ values["__proto__"] }}',
      '{{ range.constructor }}',
      '{{ loop }}',
      '{{ constructor }}',
      '{{ __proto__ }}',
      '{{ toString() }}',
      '{{ [].map }}',
      '{{ {}.hasOwnProperty }}',
      '{{ (1).toFixed }}',
      '{{ {"__proto__": 1}.x }}',
      '{% macro m() %}{% endmacro %}{{ m.call }}',
      '{{ values.list | groupby("constructor") }}',
      '{{ [{}] | join("", "constructor") }}',
      '{{ [{}] | sum("constructor") }}',
      '{{ 1 | constructor }}',
      '{{ 1 is constructor }}',
      '{{ "a" | replace(old="a", __proto__="b") }}',
    ])
      expect(problem(template, values)).toMatch(/^t\.j2:1:\d+ /)
    expect(
      rendered(
        '{{ [{}] | selectattr("constructor") | length }}{{ {"__proto__": 1}.__proto__ }}{{ ["x"] | rejectattr("length") | length }}',
      ),
    ).toBe('011')
  })

  test('is no value', () => {
    expect(() => rendered('', { f: () => 1 })).not.toThrow()
    expect(() => rendered('{{ values.x }}', { x: () => 1 })).toThrow('values.x of a template is a function')
    expect(() => rendered('{{ values.x }}', { x: [new Date()] })).toThrow('values.x[0] of a template is an object of a class')
    expect(() => rendered('{{ values.x }}', { x: Number.NaN })).toThrow('values.x')
    expect(rendered('{{ values.x is defined }}', { x: undefined })).toBe('false')
  })
})

describe('limits', () => {
  test('end a template', () => {
    const files = { 'self.j2': '{% include "self.j2" %}', 'up.j2': '{% extends "up.j2" %}', 'import.j2': '{% import "import.j2" as x %}' }
    const fails = (template: string): string => problem(template, {}, files)
    expect(fails('{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}')).toBe(
      't.j2:1:30 template takes too many steps',
    )
    expect(fails('{% set s = "xxxxxxxxxx" %}{% for i in range(60) %}{% set s = s ~ s %}{% endfor %}')).toBe(
      't.j2:1:62 template makes too much text',
    )
    expect(fails('{% set s = "xxxxxxxxxx" %}{% for i in range(60) %}{% set s = s + s %}{% endfor %}')).toBe(
      't.j2:1:62 template makes too much text',
    )
    expect(fails('{% set s = [1] %}{% for i in range(60) %}{% set s = s + s %}{% endfor %}')).toBe(
      't.j2:1:53 list has more than 100000 items',
    )
    expect(fails('{% set s %}{% for i in range(1000) %}x{% endfor %}{% endset %}{% for i in range(99999) %}{{ s }}{% endfor %}')).toBe(
      't.j2:1:93 template makes too much text',
    )
    expect(fails('{{ range(100001) }}')).toBe('t.j2:1:4 range has more than 100000 numbers')
    expect(fails('{{ range() }}{{ range("a") }}')).toBe('t.j2:1:4 `range` needs whole numbers')
    expect(fails('{{ range(1, 2, 0) }}')).toBe('t.j2:1:4 `range` needs whole numbers')
    expect(fails('{{ "x" | center(1000000000) }}')).toBe('t.j2:1:10 filter `center` has the size 1000000000')
    expect(fails('{{ "x" | indent(-1) }}')).toBe('t.j2:1:10 filter `indent` has the size -1')
    expect(fails('{% set s %}{% for i in range(9999) %}xxxxxxxxxx{% endfor %}{% endset %}{{ s | replace("x", s) }}')).toMatch(
      /too much text/,
    )
    expect(fails('{% set s %}{% for i in range(9999) %}xxxxxxxxxx{% endfor %}{% endset %}{{ range(9999) | join(s) }}')).toMatch(
      /too much text/,
    )
    expect(fails('{% include "self.j2" %}')).toBe('self.j2:1:4 more than 60 templates or macros are nested')
    expect(fails('{% extends "up.j2" %}')).toBe('up.j2:1:4 more than 60 templates or macros are nested')
    expect(fails('{% import "import.j2" as x %}')).toBe('import.j2:1:4 more than 60 templates or macros are nested')
    expect(fails('{% macro a(x) %}{{ a(x) }}{% endmacro %}{{ a(1) }}')).toBe('t.j2:1:4 more than 60 templates or macros are nested')
    expect(fails(`{{ ${'('.repeat(20_000)}1${')'.repeat(20_000)} }}`)).toMatch(/nested too deep/)
    expect(fails(`{{ ${'not '.repeat(5000)}1 }}`)).toMatch(/nested too deep|rendered/)
  })

  test('permit what a file needs', () => {
    expect(rendered('{% for i in range(5000) %}{{ i }}\n{% endfor %}').split('\n')).toHaveLength(5001)
    expect(rendered('{{ range(5, 0, -2) | join(",") }} {{ range(2, 4) | join(",") }} {{ range(0) | length }}')).toBe('5,3,1 2,3 0')
  })
})
