import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { labReset } from '../../src/lab/index.ts'
import { bareLab } from '../e2e/support/lab.ts'
import { referenceProject } from '../e2e/support/project.ts'
import type { Bench } from './bench.ts'
import type { Serving } from './trials.ts'

/** A bench whose site is requested from outside during each step. */
export interface ServingBench extends Bench {
  /** Requests the page repeatedly. */
  readonly serving: Serving
}

/**
 * The whole reference site, and two playbooks that change each role of it: rules, the journal, a setting of the databases (which are
 * restarted one after the other for it), the page, a header of the balancer, and the intervals of alerts.
 */
export const threeHosts = async (lab: string, subnet: string): Promise<ServingBench> => {
  const project = referenceProject(lab, subnet)
  for (const [state, isA] of [
    ['a', true],
    ['b', false],
  ] as const) {
    const page = `content-${state}`
    cpSync(join(project.root, 'playbooks/site'), join(project.root, page), { recursive: true })
    writeFileSync(join(project.root, page, 'which.txt'), `${state}\n`)
    project.write(
      `playbooks/${state}.yaml`,
      `- hosts: all
  roles:
    - firewall: { extra: ['tcp dport ${isA ? 7001 : 7002} drop'] }
    - base: { journal: { max_use: ${isA ? '300M' : '400M'} } }
- hosts: [database, database_arbitrators, web]
  roles:
    - mysql: { settings: { wait_timeout: ${isA ? 1001 : 1002} } }
- hosts: web
  roles:
    - nginx: { content: ${page} }
- hosts: load_balancers
  roles:
    - haproxy-tls: { hsts_seconds: ${isA ? 3600 : 7200}, balance: ${isA ? 'roundrobin' : 'leastconn'} }
- hosts: all
  roles:
    - monitoring: { limits: { slow_seconds: ${isA ? 2 : 3} } }
`,
    )
  }
  const spec = bareLab(project, subnet)
  await labReset(spec)
  const get = (): Promise<string | undefined> =>
    new Promise((resolve) => {
      const ca = readFileSync(join(project.root, '.provision/lab', lab, 'roots.pem'))
      const host = 'www.example.test'
      const asked = request(
        { host: `${subnet}.11`, ca, servername: host, headers: { host }, agent: false, timeout: 10_000 },
        (response) => {
          response.resume()
          response.on('end', () => resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`))
          response.on('error', ({ message }) => resolve(message))
        },
      )
      asked.on('timeout', () => asked.destroy(new Error('no answer within ten seconds')))
      asked.on('error', ({ message }) => resolve(message))
      asked.end()
    })
  const serving: Serving = async (work, way) => {
    const wrong = new Set<string>()
    // A host without power serves no requests.
    let isOver = way === 'power'
    const asking = (async () => {
      while (!isOver) {
        const fault = await get()
        if (fault !== undefined) wrong.add(`the site did not serve: ${fault}`)
        await sleep(50)
      }
    })()
    await work().finally(() => {
      isOver = true
    })
    await asking
    return [...wrong]
  }
  return { project, spec, serving }
}
