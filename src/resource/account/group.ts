import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { defineKind, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { accountName } from '../kind/path.ts'
import { GSHADOW_SCRIPT, getentScript, NO_ACCOUNT, readDatabase } from './accounts.ts'

const schema = z.strictObject({
  name: accountName.meta({ description: 'the name of the group', examples: ['deploy'] }),
  gid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'the number; default: the next free one' }),
  system: z.boolean().default(false).meta({ description: 'use a number from the range of system groups' }),
  state: z.enum(['present', 'absent']).default('present'),
})

export type GroupSpec = z.output<typeof schema>
/** A group whose deletion was interrupted: only `/etc/gshadow` still lists it, and no user can be a member. */
const HALF_DELETED = 'half deleted'

export type GroupState = { readonly gid: number } | typeof NO_ACCOUNT | typeof HALF_DELETED

const isAbsent = ({ state }: GroupSpec): boolean => state === 'absent'

/** A group. Its members are declared by the users. */
export const group = defineKind({
  name: 'group',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly GroupSpec[]) => ({
    script: specs.length === 0 ? sh`` : sh`${getentScript('group')}${specs.some(isAbsent) ? GSHADOW_SCRIPT : sh``}`,
    parse: (stdout) => {
      if (specs.length === 0) return new Map()
      const answer = stdout.toString()
      const known = new Map(readDatabase(answer, 'group').map(([name = '', , gid]) => [name, { gid: Number(gid) }]))
      const shadowed = new Set(specs.some(isAbsent) ? readDatabase(answer, 'gshadow').map(([name]) => name) : [])
      const without = (name: string): GroupState => (shadowed.has(name) ? HALF_DELETED : NO_ACCOUNT)
      return new Map(specs.map(({ name }): [string, GroupState] => [name, known.get(name) ?? without(name)]))
    },
  }),

  plan: (spec, state) => {
    if (spec.state === 'absent') {
      if (state === NO_ACCOUNT) return undefined
      const reason = state === HALF_DELETED ? 'deletion interrupted' : 'declared absent'
      return { action: 'delete', certainty: 'exact', reason, differences: [] }
    }
    if (state === NO_ACCOUNT || state === HALF_DELETED) return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differing({ gid: spec.gid }, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  orphan: { keep: 'its files would lose their group; declare it with state: absent to delete it' },
  apply: (work: readonly Work<GroupSpec, GroupState>[]) =>
    inTurn(work, scriptOf, { doing: 'changing groups', failed: (id) => `group ${id} not changed` }),
})

// A package of this run may have created the group since the observation, so the script checks again.
const scriptOf = ({ spec: { name, gid, system, state } }: Work<GroupSpec, GroupState>): Script => {
  const number = gid === undefined ? sh`` : sh` -g ${gid}`
  if (state === 'absent') return sh`if getent group ${name} >/dev/null; then groupdel ${name}; else grpconv; fi`
  return sh`if getent group ${name} >/dev/null; then ${gid === undefined ? sh`:` : sh`groupmod${number} ${name}`}
else groupadd${number}${system ? sh` -r` : sh``} ${name}; fi`
}
