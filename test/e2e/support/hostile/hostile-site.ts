import { spawn } from 'node:child_process'
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateIdentity, recipientOf } from '../../../../src/keystore/age.ts'
import { referenceLab } from '../lab.ts'
import { bin, type Line, type Project, referenceProject } from '../project.ts'
import { type Root, rootOf } from './root.ts'

/** The reference site with all its roles, an administrator without sudo, and backups. */
export interface HostileSite {
  readonly project: Project
  readonly spec: ReturnType<typeof referenceLab>
  readonly hosts: readonly string[]
  on(host: string): Root
  /** A run that is ended if it takes too long: its status is undefined then. */
  run(withinMs: number, ...words: readonly string[]): Promise<HostileRun>
}

export interface HostileRun {
  readonly status: number | undefined
  readonly lines: readonly (Line & { readonly place?: string; readonly why?: string })[]
  readonly stderr: string
}

const checkout = fileURLToPath(new URL('../../../..', import.meta.url))
const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICbDuxFw5gNwGn5DP8JCcnYXf4P2Y4o7rHRlz3V0gvJS ann'

export const hostileSite = async (lab: string, subnet: string, withDatabases: boolean): Promise<HostileSite> => {
  const project = referenceProject(lab, subnet)
  const spec = referenceLab(project, subnet)
  if (withDatabases) cpSync(join(checkout, 'playbooks/site.yaml'), join(project.root, 'playbooks/site.yaml'))
  const recipient = await recipientOf(await generateIdentity())
  const written = readFileSync(join(project.root, 'inventory/site.yaml'), 'utf8')
  const more = `  base: { administrators: [{ name: ann, keys: ['${KEY}'], exclusive: true, sudo: none }] }
  mysql: { backups: { recipients: [${recipient}] } }
  firewall:\n`
  project.write('inventory/site.yaml', written.replace('  firewall:\n', more).replace('buffer_pool: 128M', 'buffer_pool: 96M'))
  return {
    project,
    spec,
    hosts: spec.hosts.map(({ name }) => name),
    on: (host) => rootOf(spec, host),
    run: async (withinMs, ...words) => {
      const child = spawn(process.execPath, [bin, 'run', '--json', ...words], {
        cwd: project.root,
        env: project.env,
        timeout: withinMs,
        killSignal: 'SIGKILL',
      })
      let [stdout, stderr] = ['', '']
      child.stdout.on('data', (bytes) => (stdout += bytes))
      child.stderr.on('data', (bytes) => (stderr += bytes))
      const status = await new Promise<number | null>((resolve) => child.once('close', resolve))
      const whole = stdout.split('\n').filter((line) => line.endsWith('}'))
      return { status: status ?? undefined, lines: whole.map((line) => JSON.parse(line) as HostileRun['lines'][number]), stderr }
    },
  }
}
