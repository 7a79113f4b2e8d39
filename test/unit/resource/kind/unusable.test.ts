import { expect, it } from 'vitest'
import { command } from '../../../../src/resource/control/command.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { bytesOf, text } from '../../../../src/resource/kind/content.ts'
import { sysctl } from '../../../../src/resource/system/sysctl.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { sh } from '../../../../src/shell/sh.ts'

const secret = new Secret('poison')
const missing = undefined as unknown as string
const map = {} as unknown as string

it.each<[string, () => unknown, string]>([
  ['a secret in a template', () => `password=${secret}`, 'a secret was inserted into an ordinary text'],
  ['a secret that is joined', () => ['a', secret].join(), 'a secret was inserted into an ordinary text'],
  ['a secret that is added', () => `a${secret}`.concat(''), 'a secret was inserted into an ordinary text'],
  [
    'a secret in JSON',
    () => file({ path: '/f', content: JSON.stringify({ secret }) }),
    'file.content has "{\\"secret\\":\\"•••": a secret was masked, as in JSON',
  ],
  ['a secret in the JSON of a text', () => text`${JSON.stringify(secret)}`, 'a secret was masked'],
  ['an undefined value in a text', () => text`port=${missing}`, 'a value of a text, after "port=", is undefined'],
  ['an undefined value in an inner template of a text', () => text`a=${`b=${missing}`}`, 'has "b=undefined": a value was undefined'],
  ['nothing in a text', () => text`a=${null as unknown as string}`, 'a value of a text, after "a=", is null'],
  ['no number in a text', () => text`a=${Number.NaN}`, 'a value of a text, after "a=", is NaN'],
  ['an object in a text', () => text`a=${map}`, 'a value of a text, after "a=", is an object'],
  ['an undefined value in a template', () => file({ path: '/f', content: `a\nport=${missing}\n` }), 'file.content has "port=undefined"'],
  ['an object in a template', () => file({ path: '/f', content: `a ${map}` }), 'file.content has "a [object Object]"'],
  ['an undefined value in a path', () => file({ path: `/srv/${missing}/x` }), 'file.path has "/srv/undefined"'],
  ['an undefined content', () => file({ path: '/f', content: missing }), 'must be text: it is undefined'],
  ['an undefined value in a script', () => command({ name: 'x', run: `touch ${missing}`, unless: 'true' }), 'command.run has'],
  ['an undefined value in the name of a kernel setting', () => sysctl({ key: `net.${missing}.x`, value: 1 }), 'sysctl.key has'],
  [
    'an undefined value in a list',
    () => file({ path: '/f', set: { name: 'a', root: '/', check: ['x', `-c ${missing}`] } }),
    'file.set.check[1] has',
  ],
  ['a secret in a file for everybody', () => file({ path: '/f', content: text`p=${secret}` }), 'must not let every account read the file'],
  [
    'a secret in a file for everybody by mode',
    () => file({ path: '/f', content: secret, mode: '0604' }),
    'must not let every account read the file',
  ],
])('%s is an error', (_, act, message) => {
  expect(act).toThrow(message)
})

it('a word that is meant can be written with text', () => {
  const { spec } = file({ path: '/f', content: text`typeof window === 'undefined' // ${3}` })
  expect(Buffer.from(bytesOf(spec.content)).toString()).toBe("typeof window === 'undefined' // 3")
  expect(command({ name: 'x', run: sh`grep -q undefined /f`, unless: 'true' }).spec.run).toBe('grep -q undefined /f')
})

it.each(['undefined-behaviour.txt', 'is_undefined', 'predefined', 'object', '[object]'])(
  'a text like it is not taken for it: %s',
  (content) => {
    expect(file({ path: '/f', content }).id).toBe('/f')
  },
)

it('a secret is content, for those who may read the file', () => {
  expect(Buffer.from(bytesOf(file({ path: '/f', content: secret, mode: '640' }).spec.content)).toString()).toBe('poison')
  expect(JSON.stringify({ secret })).toBe('{"secret":"•••"}')
})
