import { expect, test } from 'vitest'
import { fixOf, problem, rendered } from './rendering.ts'

const values = { port: 80, list: ['a'], users: [{ name: 'ann' }], map: { x: 1 } }
/** Every position of `values.nope` in a template is a mistake at `nope`. */
const POSITIONS = [
  '{{ @ }}',
  'a\nb {{ @ }}',
  '{{ @ | upper }}',
  '{{ values.list | join(@) }}',
  '{{ values.list | join(d=@) }}',
  '{{ "x" ~ @ }}',
  '{{ @ ~ "x" }}',
  '{{ 1 + @ }}',
  '{{ -@ }}',
  '{{ @ == 1 }}',
  '{{ 1 == @ }}',
  '{{ 1 < @ }}',
  '{{ @ in values.list }}',
  '{{ "a" in @ }}',
  '{{ not @ }}',
  '{{ @ and true }}',
  '{{ false or @ }}',
  '{{ "a" if @ else "b" }}',
  '{{ @ if true }}',
  '{{ 1 if false else @ }}',
  '{{ [1, @] | dump }}',
  '{{ {a: @} | dump }}',
  '{{ (@) }}',
  '{{ values[@] }}',
  '{{ range(@) }}',
  '{{ @ is odd }}',
  '{{ 4 is divisibleby(@) }}',
  '{{ (@).x }}',
  '{{ "x" | default(@) }}',
  '{% if @ %}{% endif %}',
  '{% if false %}{% elif @ %}{% endif %}',
  '{% for x in @ %}{% endfor %}',
  '{% for x in values.list %}\n\n{{ x }}{{ @ }}\n{% endfor %}',
  '{% for x in values.list if @ %}{% endfor %}',
  '{% for x in [] %}{% else %}{{ @ }}{% endfor %}',
  '{% set x = @ %}',
  '{% set x %}{{ @ }}{% endset %}',
  '{% switch @ %}{% case 1 %}{% endswitch %}',
  '{% switch 1 %}{% case @ %}{% endswitch %}',
  '{% switch 1 %}{% case 1 %}{{ @ }}{% endswitch %}',
  '{% filter upper %}\n{{ @ }}{% endfilter %}',
  '{% include @ %}',
  '{% import @ as x %}',
  '{% from @ import x %}',
  '{% extends @ %}',
  '{% block one %}{{ @ }}{% endblock %}',
  '{% macro m(x) %}{{ @ }}{% endmacro %}{{ m(1) }}',
  '{% macro m(x=@) %}{% endmacro %}{{ m() }}',
  '{% macro m(x) %}{% endmacro %}{{ m(@) }}',
  '{% macro m() %}{{ caller() }}{% endmacro %}{% call m() %}{{ @ }}{% endcall %}',
  '{# c\n\n#} {{ @ }}',
  '{% raw %}\n{{ x }}\n{% endraw %} {{ @ }}',
  "{{ 'a\n\nb' }}{{ @ }}",
  '{%- if true -%}\n\n   {{ @ }}{% endif %}',
  'a\r\nb {{ @ }}',
  '\n\n{{ 1 }}{{ 2 -}} {{ @ }}',
  '{{ values.list\n  | join(\n    @) }}',
]

test('a name without a value is an error at its line and column, everywhere', () => {
  for (const position of POSITIONS) {
    const before = position.split('@', 1)[0] ?? ''
    const line = before.split('\n').length
    const column = (before.split('\n').at(-1) ?? '').length + 'values.'.length + 1
    expect(problem(position.replace('@', 'values.nope'), values)).toBe(`t.j2:${line}:${column} \`values\` has no \`nope\``)
    const name = position.replace('@', 'nope')
    expect(problem(name, values)).toBe(`t.j2:${line}:${column - 7} \`nope\` does not exist`)
  }
})

test('it names the file of an include, an import and a template above', () => {
  const files = {
    'inc.j2': 'port {{ values.port }}\n {{ values.nope }}\n',
    'm.j2': '\n{% macro m() %}{{ values.nope }}{% endmacro %}',
    'base.j2': '\n\n{% block one %}{% endblock %}{{ values.nope }}',
  }
  expect(problem('{% include "inc.j2" %}', values, files)).toBe('inc.j2:2:12 `values` has no `nope`')
  expect(problem('{% import "m.j2" as m %}{{ m.m() }}', values, files)).toBe('m.j2:2:26 `values` has no `nope`')
  expect(problem('{% from "m.j2" import m %}{{ m() }}', values, files)).toBe('m.j2:2:26 `values` has no `nope`')
  expect(problem('{% extends "base.j2" %}', values, files)).toBe('base.j2:3:40 `values` has no `nope`')
  expect(problem('{% extends "base.j2" %}\n{% block one %}{{ values.x }}{% endblock %}', values, files)).toBe(
    't.j2:2:26 `values` has no `x`',
  )
})

test('it names the path, and suggests a name', () => {
  expect(problem('{{ values.users[0].nme }}', values)).toBe('t.j2:1:20 `values.users.0` has no `nme`')
  expect(fixOf('{{ values.users[0].nme }}', values)).toBe('did you mean `name`?')
  expect(problem('{{ values.users.name }}', values)).toBe('t.j2:1:17 `values.users` is a list, and has no `name`')
  expect(problem('{{ values.users[5] }}', values)).toBe('t.j2:1:17 `values.users` is a list, and has no `5`')
  expect(problem('{{ values.map.y.z }}', values)).toBe('t.j2:1:15 `values.map` has no `y`')
  expect(fixOf('{{ port }}', values)).toBe('write `values.port`')
  expect(fixOf('{{ valus.port }}', values)).toBe('did you mean `values`?')
  expect(fixOf('{{ x }}', values)).toBe('use a name that exists: values')
  expect(problem('{{ values.users | join(",", "nme") }}', values)).toBe('t.j2:1:19 an item has no `nme`')
  expect(problem('{{ [{}, {}] | sort(attribute="nme") }}', values)).toBe('t.j2:1:15 an item has no `nme`')
  expect(problem('{{ values.users | groupby("nme") }}', values)).toBe('t.j2:1:19 an item has no `nme`')
})

test('default and `is defined` accept it, also below a missing name', () => {
  expect(
    rendered('{{ values.nope | default("d") }}{{ values.a.b.c | default("e") }}{{ nope | d("f") }}{{ values.nope | default }}', values),
  ).toBe('def')
  expect(
    rendered(
      '{{ values.nope is defined }} {{ values.nope is not defined }} {{ values.a.b is undefined }} {{ values.port is defined }}',
      values,
    ),
  ).toBe('false true true true')
  expect(rendered('{% if values.nope is defined and values.nope %}x{% endif %}ok', values)).toBe('ok')
})

test('a template with a mistake of syntax is an error at its place', () => {
  expect(problem('a\n{{ x')).toMatch(/^t\.j2:2:5 template is invalid: expected variable end/)
  expect(problem('{% if true %}\n')).toMatch(/^t\.j2:2:1 template is invalid/)
  expect(problem('\n {% foo %}')).toBe('t.j2:2:5 unknown tag `foo`')
  expect(problem('{{ 1 + }}')).toMatch(/^t\.j2:1:8 template is invalid/)
  expect(problem('{% for x y %}')).toMatch(/^t\.j2:1:4 template is invalid/)
  expect(problem('a\n{# open')).toMatch(/^t\.j2:2:9 template is invalid: expected end of comment/)
  expect(problem('{{ super() }}')).toBe('t.j2:1:4 `super` is not a function')
  expect(problem('{% block a %}{{ super() }}{% endblock %}')).toBe('t.j2:1:4 no template above has this block')
})
