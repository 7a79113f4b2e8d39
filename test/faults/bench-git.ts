import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { labReset } from '../../src/lab/index.ts'
import { referenceProject } from '../e2e/support/project.ts'
import type { Bench } from './bench.ts'

/** One host with a checkout of one of two commits (see `git-role.ts`). */
export const checkoutHost = async (lab: string, subnet: string): Promise<Bench> => {
  const project = referenceProject(lab, subnet)
  const spec = { name: lab, root: project.root, hosts: [{ name: 'host-01', user: 'ops', addresses: [`${subnet}.11`] }] }
  const files = `.provision/lab/${lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${files}/id_ed25519, known_hosts: ${files}/known_hosts }\nhosts: { host-01: { address: ${subnet}.11 } }\n`,
  )
  for (const state of ['a', 'b']) project.write(`playbooks/${state}.yaml`, `- hosts: all\n  roles:\n    - checkout: { state: ${state} }\n`)
  mkdirSync(join(project.root, 'roles'))
  copyFileSync(join(import.meta.dirname, 'git-role.ts'), join(project.root, 'roles/checkout.ts'))
  await labReset(spec)
  return { project, spec }
}

/** Additional queries to the host: the commit, and changes since. */
export const CHECKED_OUT = `echo '== commit'; cd /srv/checkout && setpriv --reuid=keeper --regid=keeper --clear-groups git log --format=%H -1
echo '== changes'; setpriv --reuid=keeper --regid=keeper --clear-groups git status --porcelain`
