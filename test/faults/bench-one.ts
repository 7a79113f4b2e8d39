import { copyFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { labReset } from '../../src/lab/index.ts'
import { tar } from '../../src/resource/kind/tar.ts'
import { referenceProject } from '../e2e/support/project.ts'
import type { Bench } from './bench.ts'

const packed = (state: string): string =>
  Buffer.from(
    tar(
      [state, 'same'].map((name) => ({
        ...{ name: `sub/${name}`, mode: '644', owner: 'root', group: 'root', bytes: Buffer.from(`${name}\n`), modified: 1e9 },
      })),
    ),
  ).toString('latin1')

/** One host and two playbooks, `a` and `b`, that differ in a resource of every kind (see `role.ts`). */
export const oneHost = async (lab: string, subnet: string): Promise<Bench> => {
  const project = referenceProject(lab, subnet)
  const spec = { name: lab, root: project.root, hosts: [{ name: 'host-01', user: 'ops', addresses: [`${subnet}.11`] }] }
  const files = `.provision/lab/${lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${files}/id_ed25519, known_hosts: ${files}/known_hosts }\nhosts: { host-01: { address: ${subnet}.11 } }\n`,
  )
  for (const state of ['a', 'b']) {
    project.write(`playbooks/${state}.yaml`, `- hosts: all\n  roles:\n    - faults: { state: ${state} }\n`)
    project.write(`content-${state}/index.html`, `${state}\n`)
    project.write(`content-${state}/same.txt`, 'same\n')
    project.write(`packed-${state}/packed.tar`, packed(state))
  }
  mkdirSync(join(project.root, 'roles'))
  copyFileSync(join(import.meta.dirname, 'role.ts'), join(project.root, 'roles/faults.ts'))
  await labReset(spec)
  return { project, spec, words: ['--prune'] }
}

/** Additional queries to the host: the loaded configuration of the service, kernel settings and certificates. */
export const MORE = `echo '== runs with'; cat /run/faults.loaded /run/faults.started; systemctl is-active faults.service; systemctl show -P Description faults.service
echo '== kernel'; sysctl net.ipv4.ip_default_ttl
for c in spare host; do echo "== $c"; openssl x509 -noout -subject -ext extendedKeyUsage -in /etc/faults/$c.pem
[ "$(openssl x509 -noout -pubkey -in /etc/faults/$c.pem)" = "$(openssl pkey -pubout -in /etc/faults/$c.pem.key)" ] || echo 'the key is another'; done
echo '== service has loaded its certificate'; sha256sum /etc/faults/*.pem /etc/faults/*.key | grep -vxFf /run/provision/loaded/faults.service`
