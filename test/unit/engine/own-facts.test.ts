import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { z } from 'zod'
import { askOwn, ownQuestions } from '../../../src/engine/observe/own-facts.ts'
import type { Bindings } from '../../../src/role/bind.ts'
import { defineRole, type OwnFacts, type Role } from '../../../src/role/role.ts'
import { sh } from '../../../src/shell/sh.ts'

const ANY = z.unknown()
const asked = (...facts: readonly OwnFacts[]) => {
  const T = mkdtempSync(join(tmpdir(), 'own-'))
  onTestFinished(() => rmSync(T, { recursive: true }))
  const { script, read } = askOwn(
    'a',
    facts.map((one, i) => ({ role: `r${i}`, facts: one })),
  )
  const { stdout } = spawnSync('sh', ['-c', `echo before; set +e${script}`], { env: { ...process.env, T } })
  expect(readdirSync(T)).toEqual([])
  const { before, own } = read(stdout.toString())
  expect(before.trim()).toBe('before')
  return [...own.values()]
}
const answer = (script: string, schema: z.ZodType = ANY): unknown => asked({ script, schema })[0]

it('an answer is JSON, or lines of names and values, checked by the schema of the role', () => {
  const version = z.strictObject({ major: z.coerce.number(), name: z.string() })
  expect(
    asked(
      { script: `echo '{"a": [1, null]}'`, schema: ANY },
      { script: sh`printf 'major=%s\n\nname=%s\n' 12 'a=b c'`, schema: version },
      { script: 'echo two words; echo more', schema: ANY },
      { script: `echo '{not json'`, schema: ANY },
      { script: ':', schema: ANY },
      { script: 'cat', schema: ANY },
      { script: `echo '["x"]'`, schema: z.array(z.string()).transform(([one]) => one) },
    ),
  ).toEqual([{ a: [1, null] }, { major: 12, name: 'a=b c' }, 'two words\nmore', '{not json', {}, {}, 'x'])
})

it.each([
  ['exit 3', 'the facts of this role are missing', 'their script ended with exit 3: the host printed nothing'],
  ['echo no such thing >&2; exit 1', 'the facts of this role are missing', 'their script ended with exit 1: no such thing'],
  ['if', 'the facts of this role are missing', 'their script ended with exit 2: '],
  ['kill -9 $$', 'the facts of this role are missing', 'their script did not end within 20 s'],
  ['head -c 70000 /dev/zero | tr "\\0" a', 'the facts of this role are too long', 'their script printed more than 64 KB'],
])('a script that fails fails this host, in words: %s', (script, what, why) => {
  expect(() => answer(script)).toThrow(
    expect.objectContaining({ class: 'task', where: { host: 'a', role: 'role r0' }, what, why: expect.stringContaining(why) }),
  )
})

it('an answer that does not fit the schema names what differs', () => {
  expect(() => answer('echo major=x', z.object({ major: z.coerce.number() }))).toThrow(
    expect.objectContaining({
      what: 'the facts of this role are not what it expects',
      why: 'major Invalid input: expected number, received NaN: the host printed "major=x"',
    }),
  )
  expect(() => answer('echo x', z.object({}))).toThrow(expect.objectContaining({ why: expect.stringMatching(/^the answer Invalid input/) }))
})

it('an incomplete answer is an error', () => {
  const { read } = askOwn('a', [{ role: 'r', facts: { script: ':', schema: ANY } }])
  expect(() => read('before\n')).toThrow('0 of 2 answers')
  expect(askOwn('a', []).read('before\n')).toEqual({ before: 'before\n', own: new Map() })
})

it('a host is asked once for each of its roles', () => {
  const asking = defineRole({
    name: 'asking',
    summary: '',
    options: z.strictObject({}),
    facts: { script: 'echo n=1', schema: z.object({ n: z.coerce.number() }) },
    // The type of the answer follows from the schema.
    resources: ({ facts }) => (facts.own.n.toFixed(0) === '1' ? [] : []),
  })
  const silent = { name: 'silent' } as Role
  const bound = [
    { host: 'a', role: asking },
    { host: 'a', role: silent },
    { host: 'b', role: asking },
    { host: 'a', role: asking },
  ]
  expect(ownQuestions({ bound } as unknown as Bindings, 'a')).toEqual([{ role: 'asking', facts: asking.facts }])
})
