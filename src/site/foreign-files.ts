import { dirname, join, normalize } from 'node:path'
import type { Problem } from '../problem.ts'
import { inputProblem } from './source/input-problem.ts'

/** Paths below the project: the directory of the inventory, and the playbooks. */
interface Paths {
  readonly inventory: string
  readonly playbooks: readonly string[]
}

/**
 * Warns about files of variables and of hosts that Ansible reads and provision ignores: beside the inventory, beside playbooks and at the
 * top of the project. `namesIn` returns the names in a directory.
 */
export const foreignFileWarnings = (
  { inventory, playbooks }: Paths,
  namesIn: (directory: string) => readonly string[],
): readonly Problem[] => {
  const places = new Set([inventory, ...playbooks.map(dirname), '.'].map((path) => normalize(path)))
  const variables = [...places].flatMap((directory) =>
    namesIn(directory).flatMap((name) => {
      const fix = VARIABLES.get(name)
      return fix === undefined ? [] : [inputProblem({ file: join(directory, name) }, 'variables are not read here', fix)]
    }),
  )
  const hosts = namesIn(inventory).filter((name) => /^hosts$|\.ini$/.test(name))
  return [...variables, ...hosts.map((name) => inputProblem({ file: join(inventory, name) }, 'hosts are not read here', HOSTS))]
}

const SEE = 'see docs/variables.md in the package provision'

const VARIABLES: ReadonlyMap<string, string> = new Map([
  ['group_vars', `move its variables to \`vars\` of the groups in the inventory, and those of all hosts to \`vars\` at its top; ${SEE}`],
  ['host_vars', `move its variables to \`vars\` of the hosts in the inventory; ${SEE}`],
])

const HOSTS = `write its hosts and groups in a YAML file of the same directory; ${SEE}`
