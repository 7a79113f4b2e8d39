import { tar } from '../../src/resource/kind/tar.ts'
import type { Bench } from './bench.ts'
import { hostWithRole } from './one-host.ts'

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
  const bench = await hostWithRole({ lab, subnet, role: 'faults', file: 'role.ts' }, (project) => {
    for (const state of ['a', 'b']) {
      project.write(`content-${state}/index.html`, `${state}\n`)
      project.write(`content-${state}/same.txt`, 'same\n')
      project.write(`packed-${state}/packed.tar`, packed(state))
    }
  })
  return { ...bench, words: ['--prune'] }
}

/** Additional queries to the host: the loaded configuration of the service, kernel settings and certificates. */
export const MORE = `echo '== runs with'; cat /run/faults.loaded /run/faults.started; systemctl is-active faults.service; systemctl show -P Description faults.service
echo '== kernel'; sysctl net.ipv4.ip_default_ttl
for c in spare host; do echo "== $c"; openssl x509 -noout -subject -ext extendedKeyUsage -in /etc/faults/$c.pem
[ "$(openssl x509 -noout -pubkey -in /etc/faults/$c.pem)" = "$(openssl pkey -pubout -in /etc/faults/$c.pem.key)" ] || echo 'the key is another'; done
echo '== service has loaded its certificate'; sha256sum /etc/faults/*.pem /etc/faults/*.key | grep -vxFf /run/provision/loaded/faults.service`
