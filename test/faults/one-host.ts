import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { labReset } from '../../src/lab/index.ts'
import { type Project, referenceProject } from '../e2e/support/project.ts'
import type { Bench } from './bench.ts'

interface OneHost {
  readonly lab: string
  readonly subnet: string
  /** The role, and its file in this directory. */
  readonly role: string
  readonly file: string
}

/** One host, and two playbooks, `a` and `b`, with a role whose option `state` differs. `write` adds files to the project. */
export const hostWithRole = async ({ lab, subnet, role, file }: OneHost, write?: (project: Project) => void): Promise<Bench> => {
  const project = referenceProject(lab, subnet)
  const spec = { name: lab, root: project.root, hosts: [{ name: 'host-01', user: 'ops', addresses: [`${subnet}.11`] }] }
  const files = `.provision/lab/${lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${files}/id_ed25519, known_hosts: ${files}/known_hosts }\nhosts: { host-01: { address: ${subnet}.11 } }\n`,
  )
  for (const state of ['a', 'b']) project.write(`playbooks/${state}.yaml`, `- hosts: all\n  roles:\n    - ${role}: { state: ${state} }\n`)
  write?.(project)
  mkdirSync(join(project.root, 'roles'))
  copyFileSync(join(import.meta.dirname, file), join(project.root, `roles/${role}.ts`))
  await labReset(spec)
  return { project, spec }
}
