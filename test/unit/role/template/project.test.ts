import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, test } from 'vitest'
import { placeOf, problemsIn } from '../../../../src/problem.ts'
import { shownText } from '../../../../src/resource/kind/content.ts'
import { projectFiles } from '../../../../src/role/files.ts'
import { packageFiles } from '../../../../src/role/package/packaged-role.ts'
import { template } from '../../../../src/role/template/template.ts'
import { project } from '../../site/project.ts'
import { rendered } from './rendering.ts'

const at = (root: string) => ({ files: (directory: string, name?: string) => projectFiles(root, directory, name) })
const problem = (act: () => unknown): string => {
  try {
    act()
    return 'none'
  } catch (error) {
    const [found] = problemsIn(error) ?? []
    if (found === undefined) throw error
    return `${placeOf(found.where)} ${found.what}`
  }
}

const FILES = {
  'templates/shop.conf.j2': '{% include "templates/head.j2" %}{% include "./tail.j2" %}{{ values.port }}\n',
  'templates/head.j2': '# head\n',
  'templates/tail.j2': '{% include "../other/end.j2" %}',
  'other/end.j2': '# end\n',
}

describe('a template of the project', () => {
  test('includes others by their path in the project, or beside it', () => {
    expect(shownText(template(at(project(FILES)), 'templates/shop.conf.j2', { port: 80 }))).toBe('# head\n# end\n80\n')
  })

  test('of the folder of a role includes others below that folder only', () => {
    const root = project({ ...FILES, 'templates/out.j2': '{% include "../other/end.j2" %}', 'templates/in.j2': '{% include "head.j2" %}' })
    const folder = pathToFileURL(`${join(root, 'templates')}/`)
    expect(shownText(template(folder, 'in.j2'))).toBe('# head\n')
    expect(problem(() => template(folder, 'out.j2'))).toMatch(/templates\/out\.j2:1:12 .*end\.j2: path leads out of the project$/)
  })

  test('includes no file outside of the project, neither by its path nor by a link', () => {
    const root = project({
      ...FILES,
      'a.j2': '\n{% include "/etc/hostname" %}',
      'b.j2': '{% include "../../etc/hostname" %}',
      'c.j2': '{% include "link.j2" %}',
    })
    symlinkSync('/etc/hostname', join(root, 'link.j2'))
    expect(problem(() => template(at(root), 'a.j2'))).toMatch(/^a\.j2:2:12 .*hostname: path leads out of the project$/)
    expect(problem(() => template(at(root), 'b.j2'))).toMatch(/^b\.j2:1:12 .*(leads out of the project|does not exist)$/)
    expect(problem(() => template(at(root), 'c.j2'))).toBe('c.j2:1:12 link.j2: path leads out of the project')
    expect(problem(() => template(at(root), '../x'))).toMatch(/does not exist|leads out/)
  })

  test('is an error if it is missing, too large, or no text', () => {
    const root = project({
      'big.j2': 'x'.repeat(2 ** 20 + 1),
      'd.j2': '\n{% include "nope.j2" %}{% include "nope.j2" ignore missing %}',
      'e.j2': '{% include ["a"] %}',
      'f.j2': '{% include "bin.j2" %}',
    })
    writeFileSync(join(root, 'bin.j2'), Buffer.from([0xff, 0x00]))
    expect(problem(() => template(at(root), 'nope.j2'))).toBe('nope.j2 file does not exist in the project')
    expect(problem(() => template(at(root), 'big.j2'))).toBe('big.j2 template is larger than 1 MiB')
    expect(problem(() => template(at(root), 'bin.j2'))).toBe('bin.j2 template is not text')
    expect(problem(() => template(at(root), 'd.j2'))).toBe('d.j2:2:12 template nope.j2 does not exist')
    expect(problem(() => template(at(root), 'e.j2'))).toBe('e.j2:1:12 name of a template is not a text')
    expect(problem(() => template(at(root), 'f.j2'))).toBe('f.j2:1:12 bin.j2: template is not text')
  })

  test('is read again after a change', () => {
    const root = project({ 'a.j2': 'one' })
    expect(shownText(template(at(root), 'a.j2'))).toBe('one')
    mkdirSync(dirname(join(root, 'a.j2')), { recursive: true })
    writeFileSync(join(root, 'a.j2'), 'two')
    expect(shownText(template(at(root), 'a.j2'))).toBe('two')
  })
})

describe('templates of templates', () => {
  const files = {
    'base.j2': '{% set title = "base" %}A{% block one %}base {{ values.port }}{% endblock %}B{% block two %}two{% endblock %}\n',
    'middle.j2': '{% extends "base.j2" %}{% block one %}middle({{ super() }}){% endblock %}ignored',
    'macros.j2': '{% set size = 3 %}{% macro m(x) %}{{ x }}{{ size }}{{ values.port }}{% endmacro %}',
    'inner.j2': '{{ x }}{% set x = 2 %}',
  }
  const is = (text: string, expected: string): void => expect(rendered(text, { port: 80 }, files)).toBe(expected)

  test('replace blocks', () => {
    is('{% extends "base.j2" %}{% block two %}[{{ super() }}]{% endblock %}', 'Abase 80B[two]')
    is('{% extends "middle.j2" %}{% set n = 5 %}{% block one %}<{{ super() }}{{ n }}>{% endblock %}', 'A<middle(base 80)5>Btwo')
    is('{% include "middle.j2" %}', 'Amiddle(base 80)Btwo')
  })

  test('declare macros and names for others', () => {
    is('{% import "macros.j2" as m %}{{ m.m(1) }} {{ m.size }}', '1380 3')
    is('{% from "macros.j2" import m, size as s %}{{ m(1) }} {{ s }}', '1380 3')
    expect(() => rendered('{% from "macros.j2" import x %}', {}, files)).toThrow('t.j2:1:28: template declares no `x`')
  })

  test('include sees the names of its place, and keeps its own', () => {
    is('{% for x in [1] %}{% include "inner.j2" %}{% endfor %}', '1')
    is('{% set x = 7 %}{% import "inner.j2" as i with context %}', '')
    expect(() => rendered('{% set x = 7 %}{% import "inner.j2" as i %}', {}, files)).toThrow('inner.j2:1:4: `x` does not exist')
  })
})

test('a template of a package includes others of the package by ./, and those of the project by their path', () => {
  const [project1, package1] = [
    project({ 'a.j2': 'project' }),
    project({ 'templates/t.j2': '{% include "./b.j2" %}{% include "a.j2" %}', 'templates/b.j2': 'package ' }),
  ]
  const files = packageFiles({ name: 'acme', version: '1.0.0', home: package1 }, at(project1).files)
  expect(shownText(template({ files }, './templates/t.j2'))).toBe('package project')
})
