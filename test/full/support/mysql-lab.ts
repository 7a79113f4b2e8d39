import { it, type TestContext } from 'vitest'
import { type LabSpec, labDown, labReset } from '../../../src/lab/index.ts'
import { inside } from '../../e2e/support/interrupt.ts'
import { changes, referenceProject } from '../../e2e/support/project.ts'

const ARCHIVE = 'http://archive.ubuntu.com/ubuntu/dists/resolute/Release'

/** Hosts for MySQL 8.4 of Oracle, from the archive of Ubuntu 26.04. Tests are skipped where the archive cannot be reached. */
export const mysqlLab = (name: string, subnet: string, hosts: readonly string[]) => {
  const project = referenceProject(name, subnet)
  const spec: LabSpec = {
    name: project.lab,
    root: project.root,
    release: '26.04',
    hosts: hosts.map((host, i) => ({ name: host, user: 'ops', addresses: [`${subnet}.${11 + i}`] })),
  }
  let unreachable: string | undefined

  return {
    project,
    spec,

    /** Writes a playbook with the role mysql, and an inventory: its options as a map in YAML, then groups. */
    write: (mysql: string, groups: string): void => {
      const files = `.provision/lab/${project.lab}`
      const addresses = hosts.map((host, i) => `  ${host}: { address: ${subnet}.${11 + i} }\n`).join('')
      project.write('playbooks/site.yaml', '- { hosts: all, roles: [mysql] }\n')
      project.write(
        'inventory/site.yaml',
        `vars:\n  user: ops\n  key: ${files}/id_ed25519\n  known_hosts: ${files}/known_hosts\n  mysql: ${mysql}\nhosts:\n${addresses}groups:\n${groups}`,
      )
    },

    run: (...words: readonly string[]) => {
      const { status, lines, stderr } = project.json('run', ...words)
      return { status, stderr, applied: changes(lines, 'applied'), planned: changes(lines, 'planned') }
    },

    /** The answer of a server to a query of root. */
    sql: async (host: string, query: string): Promise<string> =>
      (await inside(spec, host, `mysql --no-defaults --default-character-set=utf8mb4 -NB <<'SQL'\n${query};\nSQL`)).trim(),

    begin: async (): Promise<void> => {
      unreachable = await fetch(ARCHIVE, { method: 'HEAD', signal: AbortSignal.timeout(10_000) }).then(
        ({ ok, status }) => (ok ? undefined : `${ARCHIVE} answers ${status}`),
        (error) => `${ARCHIVE} cannot be reached: ${error.cause?.message ?? error.message}`,
      )
      if (unreachable === undefined) await labReset(spec)
    },
    end: async (): Promise<void> => {
      if (unreachable === undefined) await labDown(spec)
      project.remove()
    },

    test: (title: string, body: () => Promise<void>): void =>
      it(title, async ({ skip }: TestContext) => {
        if (unreachable !== undefined) skip(unreachable)
        await body()
      }),
  }
}
