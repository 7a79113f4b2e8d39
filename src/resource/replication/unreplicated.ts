import { z } from 'zod'
import { sh } from '../../shell/sh.ts'
import { executeScript, queryScript, readRows } from '../database/client.ts'
import { readAsMysql } from '../database/files.ts'
import { DATA, sqlText } from '../database/mariadb.ts'
import { defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { HostRefusal, requireSuccess, type Steps } from '../kind/step.ts'
import { FOLLOWER } from './observe.ts'

const schema = z.strictObject({
  /** Names the servers among one another. */
  name: z.string(),
  me: z.string(),
  servers: z.array(z.strictObject({ host: z.string(), address: z.string() })).min(1),
  /** Servers whose data are going to be replaced: they simply stop following. */
  yielding: z.array(z.string()).default([]),
})

export type UnreplicatedSpec = z.output<typeof schema>

export interface UnreplicatedState {
  /** The address of the server that this one follows by an account of ours, whether or not it runs. Whom it follows otherwise is not ours. */
  readonly follows: string | undefined
  /** Accounts of ours by which others may follow it; none where it does not run. */
  readonly accounts: readonly string[]
  /** Why it cannot be told whom it follows. */
  readonly unknown?: string
}

/** Where a server remembers whom it follows: the fourth line is the address, the fifth the account, and the password is not read. */
const MASTER = `${DATA}/master.info`
const ADDRESS_AND_ACCOUNT = String.raw`my @l = split /\n/, $b; print "address\t$l[3]\naccount\t$l[4]\n" if @l > 4`

/**
 * That the servers are no primary and replicas any more. One that goes on following would be written to beside the one that it follows,
 * so that nothing is changed on any of them as long as one does. Put it before all that makes them something else.
 */
export const unreplicated = defineKind({
  name: 'unreplicated',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly UnreplicatedSpec[]) => ({
    script: sh`if [ -e ${MASTER} ] || [ -L ${MASTER} ]; then
answer=$(${readAsMysql(MASTER, ADDRESS_AND_ACCOUNT)} 2>&1) && printf '%s\\n' "$answer" || printf 'refused\\t%s\\n' "$answer"
fi
echo 'provision-accounts'
${queryScript(`SELECT User FROM mysql.global_priv WHERE User LIKE '${FOLLOWER}%';`)}`,
    parse: (stdout) => {
      const [disk = '', accounts = ''] = stdout.toString().split('provision-accounts\n')
      const refused = /^refused\t(.*)$/m.exec(disk)?.[1]
      const of = (word: string) => new RegExp(`^${word}\t(.*)$`, 'm').exec(disk)?.[1] ?? ''
      const state: UnreplicatedState = {
        follows: of('account').startsWith(FOLLOWER) ? of('address') : undefined,
        accounts: (readRows(Buffer.from(accounts)) ?? []).flatMap(([user = '']) => (user.startsWith(FOLLOWER) ? [user] : [])),
        ...(refused === undefined ? {} : { unknown: refused }),
      }
      return new Map(specs.map(({ name }) => [name, state]))
    },
  }),

  plan: (spec, state, context) => {
    const reasons = [
      ...(state.unknown === undefined ? [] : [state.unknown]),
      ...following(spec, context).map(({ host, of }) => `${host} follows ${of}`),
      ...(state.follows !== undefined && spec.yielding.includes(spec.me) ? [`follows ${nameOf(spec, state.follows)} no more`] : []),
      ...(state.accounts.length > 0
        ? [`lets ${state.accounts.map((user) => user.slice(FOLLOWER.length)).join(', ')} follow it no more`]
        : []),
    ]
    return reasons.length === 0 ? undefined : { action: 'update', certainty: 'exact', reason: reasons.join(', '), differences: [] }
  },

  forbids: (spec, state, context) => refusal(spec, state, context),

  orphan: { forget: true },

  apply: function* (work: readonly Work<UnreplicatedSpec, UnreplicatedState>[]): Steps {
    for (const { spec, state, members = () => new Map() } of work) {
      const refused = refusal(spec, state, { members })
      if (refused !== undefined) throw refused
      const accounts = state.accounts.map((user) => `${sqlText(user)}@'%'`)
      const sql = [
        ...(state.follows === undefined ? [] : ['STOP SLAVE; RESET SLAVE ALL;']),
        ...accounts.map((account) => `DROP USER IF EXISTS ${account}; KILL CONNECTION USER ${account};`),
      ]
      requireSuccess(
        yield { do: 'shell', doing: 'leaving the replication', script: executeScript(sql.join('\n')) },
        'the server does not leave the replication',
        'it must run: start it, and run again',
      )
    }
  },
})

const nameOf = ({ servers }: UnreplicatedSpec, address: string): string => servers.find((one) => one.address === address)?.host ?? address

/** Servers that follow another, and whose data shall stay. */
const following = (
  spec: UnreplicatedSpec,
  { members }: Pick<PlanContext, 'members'>,
): readonly { readonly host: string; readonly of: string }[] =>
  [...(members() as ReadonlyMap<string, UnreplicatedState>)].flatMap(([host, { follows }]) =>
    follows === undefined || spec.yielding.includes(host) ? [] : [{ host, of: nameOf(spec, follows) }],
  )

const refusal = (spec: UnreplicatedSpec, state: UnreplicatedState, context: Pick<PlanContext, 'members'>): HostRefusal | undefined => {
  const members = context.members() as ReadonlyMap<string, UnreplicatedState>
  for (const [host, { unknown }] of [[spec.me, state] as const, ...members])
    if (unknown !== undefined) return new HostRefusal(`it cannot be told whom ${host} follows`, unknown, `see what is at ${MASTER}`)
  const [first] = following(spec, context)
  if (first === undefined) return undefined
  const { host, of } = first
  const isAlone = spec.servers.length === 1
  return new HostRefusal(
    `${spec.me} does not leave the topology replica as long as ${host} follows ${of}`,
    `${host} would be written to beside ${of}, whose rows it goes on getting`,
    isAlone
      ? `go back to the topology replica with both servers, say \`primary: ${host}\`, and run; then it follows nobody, and can be alone`
      : `where the data of ${host} may be replaced by those of ${of}, name ${host} in discard_data_of; else go back to the topology replica`,
  )
}
