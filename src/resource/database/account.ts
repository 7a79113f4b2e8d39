import { randomBytes } from 'node:crypto'
import { Secret } from '../../secret/secret.ts'
import { sha256Hex } from '../kind/content.ts'
import { describeDifferences } from '../kind/differences.ts'
import { type Difference, defineKind, type Work } from '../kind/kind.ts'
import { FIX_CHANGED } from '../kind/one-by-one.ts'
import { type Answer, HostRefusal, outputExcerpt, type Step, type Steps } from '../kind/step.ts'
import { CHANGED } from '../kind/walk.ts'
import { limitsInWords, limitsState, requirementInWords, requirementState } from './account-limits.ts'
import { type Account, type AccountQuestion, type AccountState, accountsSql, isAccountSql, readAccounts } from './account-observe.ts'
import { type AccountSpec, schema } from './account-spec.ts'
import { accountSql, grantName, needsTable } from './account-sql.ts'
import { executeScript, fixOf, queryScript, refuseChanged } from './client.ts'
import { planUnknown } from './database.ts'
import { DIALECTS, flavourOf } from './flavour.ts'
import { isLead, sqlText, UNKNOWN } from './mariadb.ts'

const idOf = ({ user, host }: AccountSpec): string => `${user}@${host}`

const accountsQuery = (specs: readonly AccountSpec[]) => {
  const nonce = randomBytes(16).toString('hex')
  const flavour = flavourOf(specs)
  const questions = specs.map((spec): AccountQuestion => ({ id: idOf(spec), tables: spec.state === 'absent' ? [] : neededTables(spec) }))
  return {
    script: queryScript(accountsSql(nonce, questions, flavour), { flavour }),
    parse: (stdout: Buffer) => readAccounts(stdout, nonce, { questions, flavour }),
  }
}

const neededTables = ({ grants }: AccountSpec): readonly string[] => grants.filter(needsTable).map(({ on }) => on)

/** Tables without which the account does not get all its grants in this run. */
const missingTables = (spec: AccountSpec, state: AccountState, installPending: boolean): readonly string[] => {
  if (spec.state === 'absent' || (state === UNKNOWN && !installPending)) return []
  return (state === UNKNOWN ? neededTables(spec) : state.missingTables).filter((table) => !spec.arriving.includes(table))
}

/** Observes an account again if its server did not run at the observation: it may have excess grants. */
function* currentState(spec: AccountSpec): Generator<Step, AccountState, Answer> {
  const { script, parse } = accountsQuery([spec])
  return parse((yield { do: 'shell', script }).stdout).get(idOf(spec)) ?? UNKNOWN
}

/**
 * An account of a server, or of all servers of a cluster, with exactly these grants. Connections over the network require TLS. Passwords
 * are compared by digest and never read back. A table that does not exist yet delays only the grants on it.
 */
export const databaseAccount = defineKind({
  name: 'database-account',
  summary: 'account of MariaDB or MySQL, with exactly the declared grants',
  schema,
  id: idOf,

  observe: accountsQuery,

  plan: (spec: AccountSpec, state: AccountState, context) => {
    if (!isLead(spec.me, spec.servers, context.members())) return undefined
    if (state === UNKNOWN) return planUnknown(spec.state, context.packagesPending)
    const { account } = state
    if (spec.state === 'absent')
      return account === 'absent' ? undefined : { action: 'delete', certainty: 'exact', reason: 'declared absent', differences: [] }
    if (account === 'absent') return { action: 'create', certainty: 'exact', reason: 'missing', differences: [] }
    const differences = differencesOf(spec, account, missingTables(spec, state, false))
    return differences.length === 0
      ? undefined
      : { action: 'update', certainty: 'exact', reason: describeDifferences(differences), differences }
  },

  notices: (spec: AccountSpec, state: AccountState, context) =>
    isLead(spec.me, spec.servers, context.members())
      ? missingTables(spec, state, context.packagesPending).map(
          (table) => `table ${table} does not exist, so ${idOf(spec)} gets no privileges on it; create the table, then run again`,
        )
      : [],

  orphan: {
    keep: 'an application may still use it; declare it with state: absent to delete it, in the options of its role or as a resource',
  },

  *apply(work: readonly Work<AccountSpec, AccountState>[]): Steps {
    const done: string[] = []
    for (const { id, spec, state, afterScripts } of work) {
      const now = state === UNKNOWN ? yield* currentState(spec) : state
      const sql = accountSql(spec, now === UNKNOWN || now.account === 'absent' ? [] : now.account.grants)
      const input = new Secret(`${compareSql(spec, now, afterScripts === true)}${sql}`)
      const answer = yield { do: 'shell', script: executeScript(undefined, spec.flavour), input, doing: 'changing database accounts' }
      const what = `database account ${id} not changed`
      if (answer.code === CHANGED) throw new HostRefusal(what, outputExcerpt(answer.stderr), FIX_CHANGED, { done, culprit: id })
      if (answer.code !== 0)
        throw new HostRefusal(what, outputExcerpt(answer.stderr), fixOf(answer.stderr, `correct the options of the account ${id}`), {
          done,
        })
      done.push(id)
    }
  },
})

/**
 * Compares the account first. Where the server did not run at the observation, the apply has observed the account in this step. An account
 * that was absent may be the work of a script of this run.
 */
const compareSql = (spec: AccountSpec, state: AccountState, afterScripts: boolean): string => {
  if (state === UNKNOWN || (state.account === 'absent' && afterScripts)) return ''
  const { user, host, flavour, limits } = spec
  const { table } = DIALECTS[flavour].accounts
  const isAbsent = `NOT EXISTS (SELECT 1 FROM ${table} WHERE User = ${sqlText(user)} AND Host = ${sqlText(host)})`
  const isObserved = state.account === 'absent' ? isAbsent : isAccountSql(spec, state.account)
  const nonce = state.account === 'absent' ? '' : state.account.nonce
  const secret = storedSecret(spec)
  const declared = {
    ...{
      plugin: pluginOf(spec),
      nonce,
      requires: requirementState(spec),
      locked: false,
      limits: limitsState(limits),
      grants: namesOf(spec.grants),
    },
    ...(secret !== undefined && { digest: sha256Hex(`${nonce}${secret}`) }),
  }
  return refuseChanged(
    `database account ${idOf(spec)}`,
    `${isObserved} OR ${spec.state === 'absent' ? isAbsent : isAccountSql(spec, declared)}`,
    flavour,
  )
}

const pluginOf = ({ password, flavour }: AccountSpec): string => {
  const { passwordPlugin, socketPlugin } = DIALECTS[flavour].accounts
  return password === undefined ? socketPlugin : passwordPlugin
}

/** What the server has to store beside the plugin; undefined if it is not compared. */
const storedSecret = ({ password, flavour }: AccountSpec): string | undefined =>
  password?.reveal() ?? (DIALECTS[flavour].accounts.comparesSocket ? '' : undefined)

const namesOf = (grants: AccountSpec['grants']): readonly string[] =>
  grants.flatMap(({ on, privileges }) => privileges.map((one) => grantName(one, on)))

const differencesOf = (spec: AccountSpec, state: Account, missing: readonly string[]): readonly Difference[] => {
  const plugin = pluginOf(spec)
  const secret = storedSecret(spec)
  const secretDiffers = secret !== undefined && state.digest !== sha256Hex(`${state.nonce}${secret}`)
  const has = state.grants
  const less = has.filter((one) => !namesOf(spec.grants).includes(one))
  const more = namesOf(spec.grants.filter((grant) => !needsTable(grant) || !missing.includes(grant.on))).filter((one) => !has.includes(one))
  return [
    ...(state.plugin === plugin ? [] : [{ key: 'authentication', from: state.plugin, to: plugin }]),
    ...(state.plugin === plugin && secretDiffers ? [{ key: spec.password === undefined ? 'system account' : 'password' }] : []),
    ...changed('required of clients', requirementInWords, state.requires, requirementState(spec)),
    ...(state.locked ? [{ key: 'locked', from: 'yes', to: 'no' }] : []),
    ...changed('limits', limitsInWords, state.limits, limitsState(spec.limits)),
    ...(more.length + less.length === 0 ? [] : [{ key: 'grants', from: less.join(', ') || '-', to: more.join(', ') || '-' }]),
  ]
}

const changed = (key: string, words: (state: string) => string, ...[from, to]: [from: string, to: string]): readonly Difference[] =>
  from === to ? [] : [{ key, from: words(from), to: words(to) }]
