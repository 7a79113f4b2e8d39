import { randomBytes } from 'node:crypto'
import { Secret } from '../../secret/secret.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences } from '../kind/differences.ts'
import { type Difference, defineKind, type Work } from '../kind/kind.ts'
import { type Answer, HostRefusal, outputExcerpt, type Step, type Steps } from '../kind/step.ts'
import { type AccountState, accountsSql, readAccounts } from './account-observe.ts'
import { type AccountSpec, schema } from './account-spec.ts'
import { accountSql, grantName } from './account-sql.ts'
import { executeScript, queryScript } from './client.ts'
import { planUnknown } from './database.ts'
import { isLead, UNKNOWN } from './mariadb.ts'

const idOf = ({ user, host }: AccountSpec): string => `${user}@${host}`

const accountsQuery = (specs: readonly AccountSpec[]) => {
  const nonce = randomBytes(16).toString('hex')
  return { script: queryScript(accountsSql(nonce)), parse: (stdout: Buffer) => readAccounts(stdout, nonce, specs.map(idOf)) }
}

/** Observes an account again if its server did not run at the observation: it may have excess grants. */
function* currentState(spec: AccountSpec): Generator<Step, AccountState, Answer> {
  const { script, parse } = accountsQuery([spec])
  return parse((yield { do: 'shell', script }).stdout).get(idOf(spec)) ?? UNKNOWN
}

/**
 * An account of a server, or of all servers of a cluster, with exactly these grants. Connections over the network require TLS. Passwords
 * are compared by digest and never read back.
 */
export const databaseAccount = defineKind({
  name: 'database-account',
  schema,
  id: idOf,

  observe: accountsQuery,

  plan: (spec: AccountSpec, state: AccountState, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    if (state === UNKNOWN) return planUnknown(spec.state, context.packagesPending)
    if (spec.state === 'absent')
      return state === 'absent' ? undefined : { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
    if (state === 'absent') return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differencesOf(spec, state)
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  orphan: { keep: 'an application may still use it; declare it with state: absent to delete it' },

  *apply(work: readonly Work<AccountSpec, AccountState>[]): Steps {
    const done: string[] = []
    for (const { id, spec, state } of work) {
      const now = state === UNKNOWN ? yield* currentState(spec) : state
      const input = new Secret(accountSql(spec, typeof now === 'string' ? [] : now.grants))
      const answer = yield { do: 'shell', script: executeScript(), input, doing: 'changing database accounts' }
      if (answer.code !== 0)
        throw new HostRefusal(
          `database account ${id} not changed`,
          outputExcerpt(answer.stderr),
          'start the server, and make sure that it belongs to the majority of its cluster',
          { done },
        )
      done.push(id)
    }
  },
})

const differencesOf = (spec: AccountSpec, state: Exclude<AccountState, string>): readonly Difference[] => {
  const isLocal = spec.host === 'localhost'
  const plugin = spec.password === undefined ? 'unix_socket' : 'mysql_native_password'
  const tls = isLocal ? 'no' : 'yes'
  const passwordDiffers = spec.password !== undefined && state.digest !== sha256Hex(`${state.nonce}${spec.password.reveal()}`)
  const [has, desired] = [state.grants, spec.grants.flatMap(({ on, privileges }) => privileges.map((one) => grantName(one, on)))]
  const [more, less] = [desired.filter((one) => !has.includes(one)), has.filter((one) => !desired.includes(one))]
  return [
    ...(state.plugin === plugin ? [] : [{ key: 'authentication', from: state.plugin, to: plugin }]),
    ...(state.plugin === plugin && passwordDiffers ? [{ key: 'password' }] : []),
    ...(!isLocal && !state.tls ? [{ key: 'tls required', from: 'no', to: tls }] : []),
    ...(state.locked ? [{ key: 'locked', from: 'yes', to: 'no' }] : []),
    ...(more.length + less.length === 0 ? [] : [{ key: 'grants', from: less.join(', ') || '-', to: more.join(', ') || '-' }]),
  ]
}
