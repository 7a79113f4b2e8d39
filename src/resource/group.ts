import { z } from 'zod'
import { databaseScript, NO_ACCOUNT, readDatabase } from './accounts.ts'
import { differing, inWords } from './differences.ts'
import { inTurn } from './in-turn.ts'
import { defineKind, type Work } from './kind.ts'
import { accountName } from './path.ts'

const schema = z.strictObject({
  name: accountName.meta({ description: 'the name of the group', examples: ['deploy'] }),
  gid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'its number; the next free one where it is not given' }),
  system: z.boolean().default(false).meta({ description: 'takes a number from the range of system groups' }),
  state: z.enum(['present', 'absent']).default('present'),
})

export type GroupSpec = z.output<typeof schema>
export type SeenGroup = { readonly gid: number } | typeof NO_ACCOUNT

/** A group of users. Who belongs to it is said by its users. */
export const group = defineKind({
  name: 'group',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly GroupSpec[]) => ({
    script: specs.length === 0 ? '' : databaseScript('group'),
    parse: (stdout) => {
      if (specs.length === 0) return new Map()
      const known = new Map(readDatabase(stdout.toString(), 'group').map(([name = '', , gid]) => [name, { gid: Number(gid) }]))
      return new Map(specs.map(({ name }): [string, SeenGroup] => [name, known.get(name) ?? NO_ACCOUNT]))
    },
  }),

  plan: ({ gid, state }, seen) => {
    if (state === 'absent') {
      return seen === NO_ACCOUNT ? undefined : { action: 'delete', sure: 'exact', reason: 'shall not be there', differences: [] }
    }
    if (seen === NO_ACCOUNT) return { action: 'create', sure: 'exact', reason: 'not there', differences: [] }
    const differences = differing({ gid }, seen)
    return differences.length === 0 ? undefined : { action: 'update', sure: 'exact', reason: inWords(differences), differences }
  },

  apply: (work: readonly Work<GroupSpec, SeenGroup>[]) =>
    inTurn(work, scriptOf, { doing: 'setting up groups', failed: (id) => `group ${id} could not be set up` }),
})

// A package of this run may have brought the group since it was looked at: the script looks again.
const scriptOf = ({ spec: { name, gid, system, state } }: Work<GroupSpec, SeenGroup>): string => {
  const number = gid === undefined ? '' : ` -g ${gid}`
  if (state === 'absent') return `if getent group ${name} >/dev/null; then groupdel ${name}; fi`
  return `if getent group ${name} >/dev/null; then ${gid === undefined ? ':' : `groupmod${number} ${name}`}
else groupadd${number}${system ? ' -r' : ''} ${name}; fi`
}
