import { z } from 'zod'
import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { clientOf, executeScript, queryScript, readRows, refuseChanged } from '../database/client.ts'
import { readAsMysql } from '../database/files.ts'
import { DIALECTS, type Flavour, flavour, flavourOf, MYSQL_DATA } from '../database/flavour.ts'
import { DEFINE_DATA, sqlText } from '../database/mariadb.ts'
import { defineKind, type PlanContext, type Work } from '../kind/kind.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { HostRefusal, outputExcerpt, requireSuccess, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { FOLLOWER, REPLICATION_SQL } from './dialect.ts'

const schema = z.strictObject({
  /** Name of the group of servers. */
  name: z.string(),
  flavour: flavour.default('mariadb'),
  me: z.string(),
  servers: z.array(z.strictObject({ host: z.string(), address: z.string() })).min(1),
  /** Servers whose data will be replaced; they just stop replicating. */
  yielding: z.array(z.string()).default([]),
})

export type UnreplicatedSpec = z.output<typeof schema>

export interface UnreplicatedState {
  /** Address of the source that this server replicates from by an account of ours, running or not. Other sources are ignored. */
  readonly follows: string | undefined
  /** Our accounts of replicas; empty if it does not run. */
  readonly accounts: readonly string[]
  /** Why its source is unknown. */
  readonly unknown?: string
}

/** The replication settings of a server: the fourth line is the address, the fifth the account. The password is not read. */
const MASTER = sh`"$data"/master.info`
const ADDRESS_AND_ACCOUNT = String.raw`my @l = split /\n/, $b; print "address\t$l[3]\naccount\t$l[4]\n" if @l > 4`

/** Settings of a running MySQL server. It keeps them in a table. */
const SOURCE_OF_MYSQL = sh`${clientOf('mysql')} --raw -e ${`SELECT CONCAT('address', CHAR(9), HOST, CHAR(10), 'account', CHAR(9), USER) FROM performance_schema.replication_connection_configuration WHERE CHANNEL_NAME = ''`} </dev/null`

/** Prints address and account of the source. A server that never replicated has no index of relay logs, and is not asked. */
const sourceScript = (flavour: Flavour): Script =>
  flavour === 'mysql'
    ? sh`if [ -e ${`${MYSQL_DATA}/relay-bin.index`} ]; then
answer=$(${SOURCE_OF_MYSQL} 2>&1) && printf '%s\\n' "$answer" || printf 'refused\\t%s\\n' "the server does not answer: $answer"
fi`
    : sh`${DEFINE_DATA}
if [ -e ${MASTER} ] || [ -L ${MASTER} ]; then
answer=$(${readAsMysql(MASTER, ADDRESS_AND_ACCOUNT)} 2>&1) && printf '%s\\n' "$answer" || printf 'refused\\t%s\\n' "$answer"
fi`

/**
 * Ends replication between servers. Nothing changes on any of them while one still replicates and its data is to be kept: both it and its
 * source would accept writes. Declare it before resources that give the servers another role.
 */
export const unreplicated = defineKind({
  name: 'unreplicated',
  summary: 'end of the replication between servers of MariaDB or MySQL',
  schema,
  id: ({ name }) => name,

  observe: (specs: readonly UnreplicatedSpec[]) => ({
    script: sh`${sourceScript(flavourOf(specs))}
echo 'provision-accounts'
${queryScript(REPLICATION_SQL[flavourOf(specs)].accounts, { flavour: flavourOf(specs) })}`,
    parse: (stdout) => {
      const [disk = '', accounts = ''] = stdout.toString().split('provision-accounts\n')
      const refused = /^refused\t(.*)$/m.exec(disk)?.[1]
      const of = (word: string) => new RegExp(`^${word}\t(.*)$`, 'm').exec(disk)?.[1] ?? ''
      const state: UnreplicatedState = {
        follows: of('account').startsWith(FOLLOWER) ? of('address') : undefined,
        accounts: (readRows(Buffer.from(accounts), flavourOf(specs)) ?? []).flatMap(([user = '']) =>
          user.startsWith(FOLLOWER) ? [user] : [],
        ),
        ...(refused === undefined ? {} : { unknown: refused }),
      }
      return new Map(specs.map(({ name }) => [name, state]))
    },
  }),

  plan: (spec, state, context) => {
    const reasons = [
      ...(state.unknown === undefined ? [] : [state.unknown]),
      ...following(spec, context).map(({ host, of }) => `${host} replicates from ${of}`),
      ...(state.follows !== undefined && spec.yielding.includes(spec.me) ? [`stops replicating from ${nameOf(spec, state.follows)}`] : []),
      ...(state.accounts.length > 0
        ? [`revokes replication by ${state.accounts.map((user) => user.slice(FOLLOWER.length)).join(', ')}`]
        : []),
    ]
    return reasons.length === 0 ? undefined : { action: 'update', certainty: 'exact', reason: reasons.join(', '), differences: [] }
  },

  forbids: (spec, state, context) => refusal(spec, state, context),
  shared: true,

  orphan: { forget: true },

  apply: function* (work: readonly Work<UnreplicatedSpec, UnreplicatedState>[]): Steps {
    for (const { spec, state, members = () => new Map() } of work) {
      const refused = refusal(spec, state, { members })
      if (refused !== undefined) throw refused
      const accounts = state.accounts.map((user) => `${sqlText(user)}@'%'`)
      const sql = [
        ...compareSql(spec, state),
        ...(state.follows === undefined ? [] : [REPLICATION_SQL[spec.flavour].end]),
        ...accounts.map(REPLICATION_SQL[spec.flavour].drop),
      ]
      const script = sh`${compareSourceScript(spec, state)}\n${executeScript(sql.join('\n'), spec.flavour)}`
      const answer = yield { do: 'shell', doing: 'ending replication', script }
      if (answer.code === CHANGED) throw new HostRefusal('replication not ended', outputExcerpt(answer.stderr), FIX_CHANGED)
      requireSuccess(answer, 'replication not ended', 'start the server, then run again')
    }
  },
})

/** Reads source and account again, as the observation did. A source that somebody ended meanwhile is as it is to become. */
const compareSourceScript = ({ flavour }: UnreplicatedSpec, { follows }: UnreplicatedState): Script => sh`${
  flavour === 'mysql'
    ? sh`now=$(${SOURCE_OF_MYSQL}) || exit`
    : sh`${DEFINE_DATA}
now=; if [ -e ${MASTER} ] || [ -L ${MASTER} ]; then now=$(${readAsMysql(MASTER, ADDRESS_AND_ACCOUNT)}) || exit; fi`
}
case $now in *'account	'${FOLLOWER}*) now=\${now%%'
'*}; now=\${now#address?} ;; *) now= ;; esac
[ -z "$now" ] || [ "$now" = ${follows ?? ''} ] || { echo ${flavour === 'mysql' ? 'the source of replication is not as it was observed' : 'the source in master.info is not as it was observed'} >&2; exit ${CHANGED}; }`

/**
 * An account of a replica that somebody created since the observation would stay, and one that is gone is as it is to become. Without
 * accounts there is nothing to compare: a server that did not run reported none.
 */
const compareSql = ({ name, flavour }: UnreplicatedSpec, { accounts }: UnreplicatedState): readonly string[] =>
  accounts.length === 0
    ? []
    : [
        refuseChanged(
          `replication of ${name}`,
          `NOT EXISTS (SELECT 1 FROM ${DIALECTS[flavour].accounts.table} WHERE User LIKE '${FOLLOWER}%' AND User NOT IN (${accounts.map(sqlText).join(', ')}))`,
          flavour,
        ).trimEnd(),
      ]

const nameOf = ({ servers }: UnreplicatedSpec, address: string): string => servers.find((one) => one.address === address)?.host ?? address

/** Servers that replicate and whose data is to be kept. */
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
    if (unknown !== undefined)
      return new HostRefusal(
        `replication source of ${host} is unknown`,
        unknown,
        spec.flavour === 'mysql' ? `start the server of ${host}, then run again` : `check master.info in the data directory of ${host}`,
      )
  const [first] = following(spec, context)
  if (first === undefined) return undefined
  const { host, of } = first
  const isAlone = spec.servers.length === 1
  return new HostRefusal(
    `${spec.me} not removed from the topology replica while ${host} replicates from ${of}`,
    `${host} would accept writes while it still receives rows of ${of}`,
    isAlone
      ? `restore the topology replica with both servers and \`primary: ${host}\`, run, then remove the other server`
      : `add ${host} to discard_data_of if its data may be replaced by that of ${of}; otherwise restore the topology replica`,
  )
}
