import { afterAll, describe, expect, it } from 'vitest'
import { labChecks } from '../../src/testing.ts'
import { referenceProject } from './support/project.ts'

const project = referenceProject('lab', '10.79.58')
project.write(
  'inventory/lab.yaml',
  `vars: { user: ops, key: .provision/lab/lab/id_ed25519, known_hosts: .provision/lab/lab/known_hosts, host_keys: accept-new }
hosts: { one: { address: 10.79.58.11 }, two: { address: 10.79.58.12 } }
`,
)
const playbook = (name: string, resources: string, hosts = 'all'): string =>
  project.write(`playbooks/${name}.yaml`, `- name: ${name}\n  hosts: ${hosts}\n  resources:\n${resources}`) ?? `playbooks/${name}.yaml`
afterAll(() => project.remove())

describe('a sound playbook', () => {
  const checked = labChecks({
    project: project.root,
    playbook: playbook(
      'sound',
      `    - directory: { path: /srv/a }
    - file: { path: /srv/a/one, content: "1\\n" }
    - command: { name: makes, run: "echo 2 >/srv/a/two", creates: /srv/a/two }
    - permissions: { path: /srv/a/two, mode: '600' }
`,
    ),
  })

  it.each(checked.map(({ title, check }) => [title, check] as const))('passes: %s', (_, check) => check())
})

describe('a playbook with a mistake', () => {
  const of = (name: string, resources: string, hosts?: string) => {
    const [predicted, , , , cut] = labChecks({ project: project.root, playbook: playbook(name, resources, hosts) })
    return { predicted: predicted?.check() ?? Promise.resolve(), cut: () => cut?.check() ?? Promise.resolve() }
  }

  it('fails if a resource does not become as it is declared, with the words of the run', async () => {
    await expect(of('never', '    - command: { name: never, run: ":", unless: "false" }\n').predicted).rejects.toThrow('has not converged')
  })

  it('fails if it has too few changes to interrupt', async () => {
    const { predicted, cut } = of('small', '    - file: { path: /srv/small, content: "1\\n" }\n', 'one')
    await predicted
    await expect(cut()).rejects.toThrow('has too few changes to be interrupted')
    await labChecks({ project: project.root }).at(-1)?.check()
  })
})
