import { Problem, throwProblems } from '../../problem.ts'
import { keyOf, type Resource } from '../../resource/kind/kind.ts'
import type { Flow } from '../role.ts'
import { portText } from '../way.ts'
import { listensOf } from './published.ts'

/**
 * Refuses resources that publish a port which their role does not declare in `listens`: the firewall would keep it closed. Roles in YAML and
 * plays declare theirs themselves.
 */
export const refuseUndeclared = (
  { host, role }: { readonly host: string; readonly role: { readonly name: string } },
  resources: readonly Resource[],
  flows: readonly Flow[],
): void => {
  // Most roles publish nothing, and the flows of the site are many.
  const published = resources.flatMap((resource) => listensOf([resource]).map((listen) => ({ resource, listen })))
  if (published.length === 0) return
  const open = flows.filter((flow) => flow.host === host)
  throwProblems(
    published
      .filter(({ listen }) => !open.some((flow) => flow.forwarded === listen.forwarded && portText(flow) === portText(listen)))
      .map(
        ({ resource, listen }) =>
          new Problem({
            class: 'input',
            where: { host, role: role.name, resource: keyOf(resource) },
            what: `${portText(listen)} is published with \`from\`, but \`listens\` of the role does not declare it`,
            fix: 'return listensOf(…) of the same resources from `listens` of the role',
          }),
      ),
  )
}
