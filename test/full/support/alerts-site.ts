import { spawnSync } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { inside } from '../../e2e/support/interrupt.ts'
import { referenceLab } from '../../e2e/support/lab.ts'
import { type Project, referenceProject } from '../../e2e/support/project.ts'
import { type Receiver, receiver } from '../../e2e/support/services/receiver.ts'

/** The reference site with a database cluster and an alert receiver. */
export interface WatchedSite {
  readonly project: Project
  readonly spec: ReturnType<typeof referenceLab>
  /** Address for visitors. */
  readonly address: string
  /** Writes the inventory with the maximum age of a backup in hours, and more receivers than the webhook. */
  configure(backupHours: number, receivers?: readonly string[]): void
  listen(): Promise<Receiver>
  /** Runs as root on a host, without SSH. */
  on(host: string, command: string): Promise<string>
  /** Runs a Prometheus query and returns labels and value of each result. */
  query(expr: string): readonly { readonly labels: Readonly<Record<string, string>>; readonly value: number }[]
  /** Returns the value of the first result, or NaN. */
  value(expr: string): number
  /** Returns the page of the dashboard. */
  page(): string
  /** Waits until no alert is firing. */
  calm(): Promise<void>
}

/** Password of the account `shop`. */
export const PASSWORD = 'a long poison word'
export const SERVERS = ['web-01', 'web-02']

const checkout = fileURLToPath(new URL('../../..', import.meta.url))

export const watchedSite = (lab: string, subnet: string, port: number, recipient: string): WatchedSite => {
  const project = referenceProject(lab, subnet)
  const spec = referenceLab(project, subnet)
  const address = `${subnet}.11`
  cpSync(join(checkout, 'playbooks/site.yaml'), join(project.root, 'playbooks/site.yaml'))
  project.env.SHOP_PASSWORD = PASSWORD
  const written = readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8').replace(/^ {2}monitoring:\n(?: {4}.*\n)+/m, '')
  // All hosts of a lab have the memory of this machine: the limit of a component is set, so that it can be reached.
  const adapted = written
    .replace('        content: playbooks/site\n', '        content: playbooks/site\n        share: { memory_percent: 5 }\n')
    .replace('        certificates:\n', '        rate_limit: false\n        share: { memory_percent: 5 }\n        certificates:\n')
    .replace('        buffer_pool: 128M\n', '        buffer_pool: 96M\n        memory: 1G\n')
    .replace(
      '          - name: shop\n',
      `          - name: shop\n        users: [{ name: shop, password: '\${env:SHOP_PASSWORD}', grants: [{ on: 'shop.*' }] }]\n`,
    )
  const curl = (path: string): string =>
    spawnSync('curl', ['-sk', '-m', '20', '-u', 'ann:sesame', `https://${address}:9443${path}`], { encoding: 'utf8' }).stdout
  const query: WatchedSite['query'] = (expr) => {
    const answer = JSON.parse(curl(`/api/v1/query?query=${encodeURIComponent(expr)}`)) as Answer
    return answer.data.result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }))
  }
  const value = (expr: string): number => query(expr)[0]?.value ?? Number.NaN
  return {
    project,
    spec,
    address,
    configure: (hours, more = []) =>
      project.write(
        'inventory/site.yaml',
        adapted.replace(
          '  firewall:\n',
          `  mysql: { backups: { recipients: [${recipient}] } }
  monitoring:
    receivers:
${[`{ name: test, type: webhook, url: 'http://${subnet}.1:${port}/' }`, ...more].map((one) => `      - ${one}\n`).join('')}    dashboard: { users: { ann: sesame } }
    limits: { backup_hours: ${hours} }
  firewall:\n`,
        ),
      ),
    listen: () => receiver(`${subnet}.1`, port),
    on: (host, command) => inside(spec, host, command),
    query,
    value,
    page: () => curl('/'),
    calm: async () => {
      const end = Date.now() + 240_000
      while (value('count(ALERTS{severity!="none",alertstate="firing",unit!="some process"})') > 0) {
        if (Date.now() > end) throw new Error(`no calm: ${JSON.stringify(query('ALERTS{severity!="none"}'))}`)
        await sleep(2000)
      }
    },
  }
}

interface Answer {
  readonly data: { readonly result: readonly { readonly metric: Readonly<Record<string, string>>; readonly value: [number, string] }[] }
}
