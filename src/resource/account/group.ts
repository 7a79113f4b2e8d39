import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { describeDifferences, differing } from '../kind/differences.ts'
import { defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { inTurn } from '../kind/one-by-one.ts'
import { accountName } from '../kind/path.ts'
import { HostRefusal } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { type Appeared, refuseAppeared } from './appeared.ts'
import { type AccountQuestion, type AccountRecords, accountsScript, readAccountRecords } from './observe-accounts.ts'

const schema = z.strictObject({
  name: accountName.meta({ description: 'the name of the group', examples: ['deploy'] }),
  gid: z.int().min(0).max(4_294_967_293).optional().meta({ description: 'the number; default: the next free one' }),
  system: z.boolean().default(false).meta({ description: 'use a number from the range of system groups' }),
  state: z.enum(['present', 'absent']).default('present'),
})

export type GroupSpec = z.output<typeof schema>

/** State of a group that does not exist on the host. */
const NO_GROUP = 'absent'

/** A group whose deletion was interrupted: only `/etc/gshadow` still lists it, and no user can be a member. */
const HALF_DELETED = 'half deleted'

export interface GroupState {
  readonly group: { readonly gid: number; readonly isLocal: boolean } | typeof NO_GROUP | typeof HALF_DELETED
  /** Name of the group that has the declared number. */
  readonly gidOwner: string | undefined
  /** Users whose primary group it is. Observed only if it is to be deleted. */
  readonly primaryOf: readonly string[]
  /** The account of this run, if it is a member, and sudo or sshd admits this group by its name. */
  readonly admits: string | undefined
}

/** A group. Its members are declared by the users. */
export const group = defineKind({
  name: 'group',
  summary: 'group of accounts',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly GroupSpec[]) => {
    const questions: readonly AccountQuestion[] = [
      ...specs.map(({ name, state }) => ({ group: name, isDeleted: state === 'absent' })),
      ...specs.flatMap(({ gid }) => (gid === undefined ? [] : [{ gidOwner: gid }])),
    ]
    return {
      script: specs.length === 0 ? sh`` : accountsScript(questions, false),
      parse: (stdout): ReadonlyMap<string, GroupState> => {
        if (specs.length === 0) return new Map()
        const records = readAccountRecords(stdout)
        return new Map(specs.map((spec) => [spec.name, stateOf(spec, records)]))
      },
    }
  },

  plan: (spec, { group }: GroupState) => {
    if (spec.state === 'absent') {
      if (group === NO_GROUP) return undefined
      const reason = group === HALF_DELETED ? 'deletion interrupted' : 'declared absent'
      return { action: 'delete', certainty: 'exact', reason, differences: [] }
    }
    if (group === NO_GROUP || group === HALF_DELETED) return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differing({ gid: spec.gid }, group)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  forbids: (spec, state: GroupState, context) => refusalOf(spec, state, context),
  orphan: {
    keep: 'its files would lose their group; declare it with state: absent to delete it, in the options of its role or as a resource',
  },
  apply: (work: readonly Work<GroupSpec, GroupState>[]) =>
    inTurn(work, scriptOf, {
      doing: 'changing groups',
      failed: (id) => `group ${id} not changed`,
      fix: (code) => FIXES[code],
      before: refuseAppeared('group', work.filter(isNew).map(appearedGroup)),
    }),
})

const isNew = ({ spec, state: { group } }: Work<GroupSpec, GroupState>): boolean => spec.state === 'present' && typeof group !== 'object'

// A group without a declared number is used as it is.
const appearedGroup = ({ spec: { name, gid } }: Work<GroupSpec, GroupState>): Appeared => ({
  name,
  asDeclared: gid === undefined ? undefined : sh`[ "$(getent group ${name} | cut -d: -f 3)" = ${gid} ]`,
})

/** Exit statuses of groupadd, groupmod and groupdel (their manual pages). */
const FIXES: Readonly<Record<number, string>> = {
  4: 'declare another number, or none: another group has it',
  8: 'give its users another primary group first',
  10: 'check that /etc is writable and that no other program holds the lock of the account databases (/etc/.pwd.lock)',
}

const stateOf = ({ name, gid }: GroupSpec, records: AccountRecords): GroupState => {
  const all = (word: string): readonly (readonly string[])[] => records.get(word) ?? []
  const entry = all('group').find(([group]) => group === name)
  const none = all('no-group').find(([group]) => group === name)
  if (entry === undefined && none === undefined) throw new Error(`the host did not report group ${name}`)
  if (entry !== undefined && !/^\d+$/.test(entry[1] ?? '')) throw new Error(`the host reported no number of group ${name}`)
  const owner = all('gid').find(([number]) => number === `${gid}`)?.[1] ?? ''
  const login = all('login')[0]?.[0] ?? ''
  const isMember = all('member').some(([user, group]) => user === login && group === name)
  return {
    group:
      entry === undefined ? (none?.[1] === 'shadow' ? HALF_DELETED : NO_GROUP) : { gid: Number(entry[1]), isLocal: entry[2] === 'local' },
    gidOwner: owner === '' || owner === name ? undefined : owner,
    primaryOf: all('primary').flatMap(([group, user = '']) => (group === name ? [user] : [])),
    admits: isMember && all('grants').some(([group]) => group === name) ? login : undefined,
  }
}

const refusalOf = (spec: GroupSpec, state: GroupState, { changes }: PlanContext): HostRefusal | undefined => {
  const { name, gid } = spec
  const { group, gidOwner, primaryOf, admits } = state
  if (typeof group === 'object' && !group.isLocal && (spec.state === 'absent' || (gid !== undefined && gid !== group.gid)))
    return new HostRefusal(
      `${name} is not a group of this host`,
      'a directory service has it, and provision changes local groups only',
      'change it in the directory service, and declare only its name',
    )
  if (spec.state === 'present')
    return gidOwner === undefined || changes(`group:${gidOwner}`)
      ? undefined
      : new HostRefusal(`${name} cannot have the number ${gid}`, `group ${gidOwner} has it on this host`, 'declare another number, or none')
  if (admits !== undefined)
    return new HostRefusal(
      `group ${name} would be deleted`,
      `sudo or sshd admits ${admits}, the account that this run uses, by this group`,
      'set `user` in the inventory to another account of the hosts first',
    )
  const users = primaryOf.filter((user) => !changes(`user:${user}`))
  return users.length === 0
    ? undefined
    : new HostRefusal(
        `group ${name} cannot be deleted`,
        `it is the primary group of ${users.join(', ')}`,
        'declare these users absent, or with another group, before this resource',
      )
}

// A package of this run may have created the group since the observation, so the script checks again.
const scriptOf = ({ spec: { name, gid, system, state }, state: { group } }: Work<GroupSpec, GroupState>): Script => {
  const number = gid === undefined ? sh`` : sh` -g ${gid}`
  const same =
    typeof group === 'object'
      ? sh`[ "$(getent group ${name} | cut -d: -f 3)" = ${group.gid} ] || { echo ${`group ${name} is not as it was observed`} >&2; exit ${CHANGED}; }\n`
      : sh``
  if (state === 'absent') return sh`if getent group ${name} >/dev/null; then\n${same}groupdel ${name}; else grpconv; fi`
  return sh`if getent group ${name} >/dev/null; then\n${same}${gid === undefined ? sh`:` : sh`groupmod${number} ${name}`}
else groupadd${number}${system ? sh` -r` : sh``} ${name}; fi`
}
