import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LabSpec, leaderOf } from '../../../../src/lab/index.ts'
import { installed } from '../lab.ts'
import type { Project } from '../project.ts'
import { ROOT, sql } from './database.ts'

/** Writes inventory and playbook of a site with a primary and its replicas only. */
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

/** An arbitrator and the two database servers of a cluster. */
export const CLUSTER_HOSTS = ['host-01', 'host-02', 'host-03']

/** Writes inventory and playbook of a site with a database cluster and one client host only. */
export const writeClusterSite = (project: Project, subnet: string, { web }: { readonly web: string }): void => {
  const lab = `.provision/lab/${project.lab}`
  project.write(
    'inventory/site.yaml',
    `vars: { user: ops, key: ${lab}/id_ed25519, known_hosts: ${lab}/known_hosts }
hosts:
${CLUSTER_HOSTS.map((name, i) => `  ${name}: { address: ${subnet}.${11 + i} }\n`).join('')}groups:
  database_arbitrators: { hosts: [host-01] }
  web: { hosts: [${web}] }
  database:
    hosts: [host-02, host-03]
    vars:
      mysql:
        buffer_pool: 96M
        databases: [{ name: shop }]
        users: [{ name: shop, password: '\${env:SHOP_PASSWORD}', grants: [{ on: 'shop.*' }] }]
`,
  )
  project.write('playbooks/site.yaml', '- { hosts: all, roles: [mysql] }\n')
}

/** A lab of hosts with the packages of the roles. */
export const replicaLab = ({ root, lab }: Project, subnet: string, hosts: readonly string[]): LabSpec =>
  installed({ name: lab, root, hosts: hosts.map((name, i) => ({ name, user: 'ops', addresses: [`${subnet}.${11 + i}`] })) })

/** Whether a server runs and accepts writes. */
export const writable = async (spec: LabSpec, host: string): Promise<boolean> =>
  (await sql(spec, host, 'SELECT @@read_only').catch(() => '1')) === '0'

/** Watches which servers accept writes. `ended` returns the greatest number of servers that did at the same time. */
export const watchWriters = (spec: LabSpec, hosts: readonly string[], everyMs = 20): { ended(): Promise<number> } => {
  const watched = hosts.map((host) => watchWriter(spec, host, everyMs))
  return { ended: async () => mostAtOnce(await Promise.all(watched.map(({ ended }) => ended()))) }
}

/** A time span, by the clock that all lab hosts share, in which a server accepted writes at every query. */
type Spans = readonly (readonly [from: number, until: number])[]

/** Queries one server repeatedly through one client, and starts another client if the connection is lost. */
const watchWriter = (spec: LabSpec, host: string, everyMs: number): { ended(): Promise<Spans> } => {
  const spans: [number, number][] = []
  let on = true
  const watching = (async () => {
    while (on) {
      let span: [number, number] | undefined
      for await (const [isReadOnly, at] of answers(spec, host)) {
        if (isReadOnly !== '0') span = undefined
        else if (span !== undefined) span[1] = Number(at)
        else {
          span = [Number(at), Number(at)]
          spans.push(span)
        }
        if (!on) break
        await sleep(everyMs)
      }
      if (on) await sleep(100)
    }
    return spans
  })()
  return {
    ended: () => {
      on = false
      return watching
    },
  }
}

/** Yields whether the server is read-only, with the time, until the server or its host is gone. */
async function* answers(spec: LabSpec, host: string): AsyncGenerator<readonly string[]> {
  const leader = await leaderOf(spec, host).catch(() => undefined)
  if (leader === undefined) return
  const words = [`--target=${leader}`, '--mount', '--net', '--pid', ...ROOT.split(' '), '--unbuffered', '--skip-reconnect']
  const client = spawn('nsenter', words, { stdio: ['pipe', 'pipe', 'ignore'] })
  client.stdin.on('error', () => {})
  const ask = (): unknown => client.stdin.write('SELECT @@read_only, UNIX_TIMESTAMP(SYSDATE(6));\n')
  try {
    ask()
    for await (const line of createInterface({ input: client.stdout })) {
      yield line.split('\t')
      ask()
    }
  } finally {
    client.stdin.end()
  }
}

/** Returns the greatest number of servers with overlapping spans. */
export const mostAtOnce = (servers: readonly Spans[]): number => {
  const starts = servers.flat().map(([from]) => from)
  const at = (moment: number): number => servers.filter((spans) => spans.some(([from, until]) => from <= moment && moment <= until)).length
  return Math.max(0, ...starts.map(at))
}
