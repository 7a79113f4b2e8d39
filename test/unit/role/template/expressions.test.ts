import { describe, expect, test } from 'vitest'
import { fixOf, problem, rendered } from './rendering.ts'

const values = {
  port: 80,
  half: 1.5,
  name: 'web',
  on: true,
  list: ['b', 'a'],
  users: [
    { name: 'ann', admin: true },
    { name: 'bob', admin: false },
  ],
  map: { x: 1, y: 2 },
  empty: null,
  nothing: [],
}

const is = (text: string, expected: string): void => expect(`${text} → ${rendered(text, values)}`).toBe(`${text} → ${expected}`)
const fails = (text: string, expected: string): void => expect(`${text} → ${problem(text, values)}`).toBe(`${text} → t.j2:${expected}`)

describe('values', () => {
  test('are printed', () => {
    is('{{ values.name }}:{{ values.port }} {{ values.half }} {{ values.on }}\n', 'web:80 1.5 true\n')
    is('{{ values["port"] }}{{ values.users[0].name }}{{ values.users[-1].name }}', '80annbob')
    is('{{ True }} {{ true }} {{ False }} {{ {a: 1}.a }} {{ [1, 2][1] }} {{ ["a"][0] }}{{ "abc"[1] }}', 'true true false 1 2 ab')
    is('{{ "a\\tb" }} {{ \'<&>"\' }}', 'a\tb <&>"')
  })

  test('that are no text are errors', () => {
    fails('x\n {{ values.list }}', '2:11 value is a list, which cannot be printed')
    fails('{{ values.map }}', '1:10 value is a map, which cannot be printed')
    fails('{{ values.empty }}', '1:10 value is empty, which cannot be printed')
    fails('{% macro m() %}{% endmacro %}{{ m }}', '1:33 value is a macro, which cannot be printed')
    fails('{{ values.list ~ "x" }}', '1:10 value is a list, which cannot be printed')
    expect(fixOf('{{ values.list }}', values)).toContain('join')
    expect(fixOf('{{ values.map }}', values)).toContain('dump')
  })
})

describe('operators', () => {
  test('calculate with numbers', () => {
    is('{{ 1 + 2 * 3 }} {{ 7 // 2 }} {{ 7 % 4 }} {{ 2 ** 3 }} {{ 3 / 2 }} {{ -values.port }} {{ +1 }} {{ 5 - 7 }}', '7 3 3 8 1.5 -80 1 -2')
    is('{{ "a" + "b" }} {{ ([1] + [2]) | join("-") }} {{ 1 ~ 2 }}', 'ab 1-2 12')
    fails('{{ "a" + 1 }}', '1:4 calculation has text and a number')
    fails('{{ 1 / 0 }}', '1:4 calculation has no finite result')
    fails('{{ values.list * 2 }}', '1:10 calculation has a list and a number')
    fails('{{ -values.name }}', '1:4 calculation has a number and text')
  })

  test('compare values of one type', () => {
    is(
      '{{ 1 == 1.0 }} {{ "1" == 1 }} {{ 1 != 2 }} {{ [1] == [1] }} {{ {a: 1} == {a: 1} }} {{ none == none }}',
      'true false true true true true',
    )
    is('{{ 1 < 2 }} {{ 2 <= 2 }} {{ "a" > "b" }} {{ "b" >= "a" }} {{ 1 < 2 < 2 }}', 'true true false true false')
    fails('{{ "1" < 2 }}', '1:8 `<` compares text with a number')
  })

  test('look into lists, texts and maps', () => {
    is(
      '{{ "a" in values.list }} {{ "c" not in values.list }} {{ "e" in "web" }} {{ "x" in values.map }} {{ "z" in values.map }}',
      'true true true true false',
    )
    fails('{{ 1 in values.name }}', '1:4 `in` looks for a number in text')
  })

  test('count empty values as false, as Python does', () => {
    is(
      '{{ "y" if values.nothing else "n" }}{{ "y" if "" else "n" }}{{ "y" if 0 else "n" }}{{ "y" if {} else "n" }}{{ "y" if none else "n" }}',
      'nnnnn',
    )
    is('{{ "y" if values.list else "n" }}{{ "y" if values.map else "n" }}{{ "y" if "a" else "n" }}', 'yyy')
    is('{{ "" or "b" }} {{ "a" or "b" }} {{ "a" and "b" }} {{ not values.nothing }} {{ "x" if false }}', 'b a b true ')
  })
})

describe('tags', () => {
  test('if, elif, else and switch choose', () => {
    const text = (port: number) => rendered('{% if values.p == 1 %}a{% elif values.p == 2 %}b{% else %}c{% endif %}', { p: port })
    expect([1, 2, 3].map(text)).toEqual(['a', 'b', 'c'])
    is('{% switch values.port %}{% case 81 %}x{% case 80 %}http{% default %}other{% endswitch %}', 'http')
    is('{% switch values.port %}{% case 81 %}x{% default %}other{% endswitch %}{% switch 1 %}{% case 2 %}{% endswitch %}', 'other')
  })

  test('for repeats over lists and maps', () => {
    is('{% for u in values.users %}\n- {{ u.name }}\n{% endfor %}', '- ann\n- bob\n')
    is('{% for k, v in values.map %}{{ k }}={{ v }};{% endfor %}{% for k in values.map %}{{ k }}{% endfor %}', 'x=1;y=2;xy')
    is('{% for a, b in [[1, 2], [3, 4]] %}{{ a }}{{ b }} {% endfor %}', '12 34 ')
    is('{% for x in values.nothing %}x{% else %}none{% endfor %}', 'none')
    is(
      '{% for x in ["a", "b", "c"] %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.length }}{{ "F" if loop.first }}{{ "L" if loop.last }},{% endfor %}',
      '10323F,21213,32103L,',
    )
    fails('{% for x in values.name %}{% endfor %}', '1:19 loop is over text')
    fails('{% for a, b in values.users %}{% endfor %}', '1:22 loop has 2 names for an item that is a map')
    fails('{% for a, b, c in values.map %}{% endfor %}', '1:25 loop over a map has more than two names')
  })

  test('for with a condition chooses items, as in Jinja', () => {
    is('{% for u in values.users if not u.admin %}{{ loop.index }}{{ u.name }}{% endfor %}', '1bob')
    is('{% for u in values.users if u.name == "eve" %}x{% else %}none{% endfor %}', 'none')
  })

  test('set defines names, and changes them in loops', () => {
    is('{% set x = 1 %}{% for i in range(3) %}{% set x = x + i %}{% endfor %}{{ x }}', '4')
    is('{% set a, b = 2 %}{{ a }}{{ b }}{% set c %}<{{ a }}>{% endset %}{{ c }}', '22<2>')
    is('{% for i in [1] %}{% set inner = 1 %}{% endfor %}{{ inner is defined }}', 'false')
    fails('{% set values.x = 1 %}', '1:14 `set` changes a part of a value')
  })

  test('macros have parameters, defaults and callers', () => {
    const macro = '{% macro field(name, size=3) %}[{{ name }}:{{ size }}{{ caller() if caller is defined }}]{% endmacro %}'
    is(
      `${macro}{{ field("a") }}{{ field("b", 4) }}{{ field(size=5, name="c") }}{% call field("d") %}{{ values.port }}{% endcall %}`,
      '[a:3][b:4][c:5][d:380]',
    )
    fails(`${macro}{{ field() }}`, `1:${macro.length + 9} macro \`field\` is called without \`name\``)
    fails(`${macro}{{ field(1, 2, 3) }}`, `1:${macro.length + 9} macro \`field\` has 2 parameters, and is called with 3`)
    fails(`${macro}{{ field(1, x=3) }}`, `1:${macro.length + 9} macro \`field\` is called with an unknown \`x\``)
    fails(`${macro}{{ field(1, name=3) }}`, `1:${macro.length + 9} macro \`field\` is called with an unknown \`name\``)
    is('{% for i in [1] %}{% macro m() %}{{ values.port }}{% endmacro %}{{ m() }}{% endfor %}', '80')
  })

  test('filter and raw', () => {
    is('{% filter upper %}abc {{ values.name }}{% endfilter %}{% raw %}{{ x }}{% endraw %}', 'ABC WEB{{ x }}')
  })

  test('remove the newline behind them, and no other space', () => {
    is('{% if true %}\n  a\n{% endif %}\nb\n', '  a\nb\n')
    is('  {% if true %}\na\n  {% endif %}\n\nb', '  a\n  \nb')
    is('a {%- if true -%} b {% endif %} c', 'ab  c')
    is('{# c #}\nx\n{# d #}\r\ny {# e #} z\n', 'x\ny  z\n')
  })
})

describe('filters', () => {
  test('are those of nunjucks', () => {
    is('{{ values.name | upper }} {{ "a b" | title }} {{ " a " | trim }} {{ values.port | string }} {{ "A" | lower }}', 'WEB A B a 80 a')
    is(
      '{{ values.list | join(", ") }} {{ values.users | join(", ", "name") }} {{ values.users | join(d="-", attribute="name") }}',
      'b, a ann, bob ann-bob',
    )
    is(
      '{{ values.list | sort | join }} {{ values.list | sort(reverse=true) | join }} {{ values.users | sort(attribute="name", reverse=true) | join("", "name") }}',
      'ab ba bobann',
    )
    is(
      '{{ values.list | length }} {{ values.map | length }} {{ values.list | first }} {{ values.list | last }} {{ [1, 2] | sum }}',
      '2 2 b a 3',
    )
    is('{{ [{n: 2}, {n: 3}] | sum("n") }} {{ [1] | sum(start=5) }}', '5 6')
    is('{{ values.map | dump }} {{ values.map | dump(1) }}', '{"x":1,"y":2} {\n "x": 1,\n "y": 2\n}')
    is('{{ values.users | selectattr("admin") | join("", "name") }} {{ values.users | rejectattr("admin") | join("", "name") }}', 'ann bob')
    is('{{ [1, 2, 3] | select("odd") | join }} {{ [1, 2, 3] | reject("odd") | join }}', '13 2')
    is('{{ values.users | groupby("name") | dump }}', '{"ann":[{"name":"ann","admin":true}],"bob":[{"name":"bob","admin":false}]}')
    is(
      '{{ values.map | dictsort | dump }} {{ values.map | list | dump }}',
      '[["x",1],["y",2]] [{"key":"x","value":1},{"key":"y","value":2}]',
    )
    is(
      '{{ "10" | int + 1 }} {{ "x" | int(7) }} {{ "x" | int(default=8) }} {{ "1.5" | float }} {{ 1.55 | round(1) }} {{ -1 | abs }}',
      '11 7 8 1.5 1.6 1',
    )
    is(
      '{{ "a\nb" | indent(2) }}|{{ "a.b" | replace(".", "-") }}|{{ "<" | escape }}|{{ "a b" | urlencode }}|{{ "abc" | truncate(2, true, "") }}',
      'a\n  b|a-b|&lt;|a%20b|ab',
    )
    is(
      '{{ (values.users | first).name }} {{ [1, 2, 3] | batch(2) | dump }} {{ [1, 2, 3] | slice(2) | dump }}',
      'ann [[1,2],[3]] [[1,2],[3]]',
    )
    is('{{ "x" | default("y") }} {{ "" | default("y") }}|{{ "" | default("y", true) }} {{ "" | d("z", boolean=true) }}', 'x |y z')
  })

  test('fail at their name', () => {
    fails('{{ values.name | foo }}', '1:18 unknown filter `foo`')
    fails('{{ values.name | constructor }}', '1:18 unknown filter `constructor`')
    fails('{{ values.name | random }}', '1:18 unknown filter `random`')
    fails('{{ values.port | lower }}', '1:18 filter `lower` cannot be used on a number')
    fails('{{ values.empty | upper }}', '1:19 filter `upper` cannot be used on an empty value')
    fails('{{ values.nothing | first }}', '1:21 filter `first` cannot be used on a list')
    fails('{{ values.list | sum }}', '1:18 filter `sum` cannot be used on a list')
    fails('{{ "a" | int }}', '1:10 filter `int` cannot be used on text')
    fails('{{ values.name | join }}', '1:18 filter `join` cannot be used on text')
    fails('{{ [[1]] | join }}', '1:12 filter `join` cannot be used on a list')
    fails('{{ "x" | default(value="b") }}', '1:10 filter `default` has no argument `value`')
    fails('{{ values.users | selectattr("name", "eq", "x") }}', '1:19 filter `selectattr` cannot be used on a list')
    expect(fixOf('{{ values.users | map("x") }}', values)).toContain('join')
  })

  test('is tests values', () => {
    is(
      '{{ 1 is odd }} {{ 2 is even }} {{ "a" is string }} {{ 1 is number }} {{ none is none }} {{ none is null }} {{ 1 is not none }}',
      'true true true true true true true',
    )
    is(
      '{{ values.map is mapping }} {{ values.list is iterable }} {{ 4 is divisibleby(2) }} {{ [] is falsy }} {{ "a" is truthy }} {{ true is boolean }}',
      'true true true true true true',
    )
    is('{{ values.list is sequence }} {{ "a" is mapping }} {{ 1 is iterable }} {{ values.port is eq(80) }}', 'true false false true')
    fails('{{ 1 is foo }}', '1:9 unknown test `foo`')
    fails('{{ 1 is lower }}', '1:9 test `lower` cannot be used on a number')
  })
})

test('names what Jinja has and nunjucks has not', () => {
  fails('{{ values.map.items() }}', '1:15 template calls the method `items`')
  fails('{{ lookup("env", "X") }}', '1:4 `lookup` is not a function')
  fails('{{ values.name() }}', '1:11 template calls the method `name`')
  fails('{% set x = 1 %}{{ x() }}', '1:19 `x` is a number, and cannot be called')
  fails('{{ r/a/g }}', '1:4 regular expressions are not supported')
  expect(fixOf('{% for k, v in values.map.items() %}{% endfor %}', values)).toBe('write `for key, value in MAP`')
})
