import { setTimeout as sleep } from 'node:timers/promises'
import type { LabSpec } from '../../src/lab/index.ts'
import { sql } from './database.ts'
import type { Project } from './project.ts'

/** The databases of a site of these hosts alone, one of them the primary: inventory and playbook. */
export const writeReplicaSite = (
  project: Project,
  subnet: string,
  { hosts, primary, more = '' }: { readonly hosts: readonly string[]; readonly primary: string; readonly more?: string },
): void => {
  const lab = `.provision/lab/${project.lab}`
  project.write('playbooks/site.yaml', '- hosts: all\n  roles: [firewall]\n- hosts: [database, web]\n  roles: [mysql]\n')
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts, firewall: { administrators: [${subnet}.1] } }
hosts:
${hosts.map((name, i) => `  ${name}: { address: ${subnet}.${11 + i} }\n`).join('')}groups:
  web: { hosts: [${hosts.slice(0, 2).join(', ')}] }
  database:
    hosts: [${hosts.join(', ')}]
    vars:
      mysql:
        topology: replica
        primary: ${primary}
        buffer_pool: 96M
        databases: [{ name: shop }]
        users: [{ name: shop, password: '\${env:SHOP_PASSWORD}', grants: [{ on: 'shop.*' }] }]
${more}`,
  )
}

export const replicaLab = ({ root, lab }: Project, subnet: string, hosts: readonly string[]): LabSpec => ({
  name: lab,
  root,
  hosts: hosts.map((name, i) => ({ name, user: 'ops', addresses: [`${subnet}.${11 + i}`] })),
})

/** Whether a server takes writes; one that does not run takes none. */
export const writable = async (spec: LabSpec, host: string): Promise<boolean> =>
  (await sql(spec, host, 'SELECT @@read_only').catch(() => '1')) === '0'

/** Looks all the while which servers take writes; `ended` gives the greatest number of them that did at once. */
export const watchWriters = (spec: LabSpec, hosts: readonly string[], everyMs = 20): { ended(): Promise<number> } => {
  let on = true
  const watching = (async () => {
    let most = 0
    while (on) {
      // A server is asked a second time before it counts: the two answers of one look are not of the same moment.
      const look = async (): Promise<readonly string[]> => {
        const found = await Promise.all(hosts.map(async (host) => ((await writable(spec, host)) ? [host] : [])))
        return found.flat()
      }
      const [first, second] = [await look(), await look()]
      most = Math.max(most, first.filter((host) => second.includes(host)).length)
      await sleep(everyMs)
    }
    return most
  })()
  return {
    ended: () => {
      on = false
      return watching
    },
  }
}
