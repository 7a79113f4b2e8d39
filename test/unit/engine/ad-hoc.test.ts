// biome-ignore-all lint/suspicious/noTemplateCurlyInString: references of YAML
import { expect, test } from 'vitest'
import { wordsOf } from '../../../src/cli/holder.ts'
import { prepareAdHoc, reportedAt } from '../../../src/engine/ad-hoc.ts'
import { lineOf, problemsIn } from '../../../src/problem.ts'
import { keyOf } from '../../../src/resource/kind/kind.ts'
import type { HostContext } from '../../../src/role/role.ts'
import { project } from '../site/project.ts'

const where = { command: 'provision apply here KIND' }
const root = () => project({ 'inventory/hosts.yaml': 'vars: { size: 5 }\nhosts: { here: { address: local } }\n' })

/** The resource of a command line, as its key and its spec. */
const applied = async (kind: string, ...options: readonly string[]) => {
  const prepared = await prepareAdHoc({ pattern: 'here', kind, options, where }, { root: root(), env: { HOME: '/nowhere', USER: 'ops' } })
  const [bound] = prepared.bindings.bound
  const [resource] = bound?.role.resources({ ...bound.context, facts: { release: '13' } } as unknown as HostContext<unknown>) ?? []
  return { key: resource && keyOf(resource), spec: resource?.spec, isAdHoc: prepared.isAdHoc, targets: prepared.targets }
}
const problems = (kind: string, ...options: readonly string[]): Promise<unknown> =>
  reportedAt(where, applied(kind, ...options)).catch((error: unknown) =>
    problemsIn(error)?.map((one) => (one.class === 'input' ? lineOf(one) : one.class)),
  )

test('a value is text where the option takes text, else what YAML reads', async () => {
  expect(await applied('package', 'name=htop', 'cacheHours=2')).toMatchObject({
    key: 'package:htop',
    spec: { name: 'htop', cacheHours: 2, state: 'present' },
    isAdHoc: true,
    targets: ['here'],
  })
  expect(await applied('file', 'path=/f', 'mode=640', 'content=a=b: [1] ${vars.size}')).toMatchObject({
    spec: { mode: '640', content: { parts: ['a=b: [1] 5'] } },
  })
  expect(await applied('user', 'name=ann', 'groups=[games, users]', 'system=true', 'uid=${vars.size}')).toMatchObject({
    spec: { groups: ['games', 'users'], system: true, uid: 5 },
  })
})

test.each([
  ['pakage', ['name=htop'], 'unknown kind pakage: did you mean `package`?'],
  ['apt', ['name=htop'], 'unknown kind apt: use the kind `package`, with one name; in a playbook, `each` repeats it for a list'],
  ['package', ['htop'], 'argument "htop" is not OPTION=VALUE: write, for example, name=…'],
  ['package', ['=x'], 'argument "=x" is not OPTION=VALUE: write, for example, name=…'],
  ['package', ['name=htop', 'name=jq'], 'option name is given twice: remove one of the two'],
  ['package', ['name=htop', 'stat=absent'], 'unknown option `stat` in resource package: did you mean `state`?'],
  ['package', ['name=${vars.nme}'], '`vars` has no `nme`: set it under `vars` in the inventory (available: size)'],
])('a mistake is one of the command line: %s %s', async (kind, options, expected) => {
  expect(await problems(kind, ...options)).toEqual([`${where.command}: ${expected}`])
})

test('the values of a command line are in no file of a host', () => {
  expect(wordsOf(['apply', 'web', 'user', 'name=ann', 'password=a\nb', '--dry-run']).join(' ')).toBe(
    'apply web user name=… password=… --dry-run',
  )
  expect(wordsOf(['run', 'a=b'])).toEqual(['run', 'a=b'])
})
