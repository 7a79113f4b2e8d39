import { z } from 'zod'
import { sqlText } from './mariadb.ts'

const number = (description: string) => z.int().min(1).max(1_000_000_000).optional().meta({ description })

/** Limits of an account. A limit that is not set does not exist. */
export const limits = z.strictObject({
  queriesPerHour: number('statements in an hour'),
  updatesPerHour: number('statements that change rows or tables, in an hour'),
  connectionsPerHour: number('new connections in an hour'),
  connections: number('connections at one time'),
})

type Limits = z.output<typeof limits>

/** The limits with their words in SQL and in a plan, in the order of an observation. */
const LIMITS: readonly (readonly [name: keyof Limits, sql: string, words: string])[] = [
  ['queriesPerHour', 'MAX_QUERIES_PER_HOUR', 'queries per hour'],
  ['updatesPerHour', 'MAX_UPDATES_PER_HOUR', 'updates per hour'],
  ['connectionsPerHour', 'MAX_CONNECTIONS_PER_HOUR', 'connections per hour'],
  ['connections', 'MAX_USER_CONNECTIONS', 'connections'],
]

/** The limits as an observation has them: a number for each, 0 without a limit. */
export const limitsState = (given: Limits = {}): string => LIMITS.map(([name]) => given[name] ?? 0).join(' ')

/** All limits in SQL; 0 removes one that is not declared. */
export const limitsSql = (given: Limits = {}): string => `WITH ${LIMITS.map(([name, sql]) => `${sql} ${given[name] ?? 0}`).join(' ')}`

/** The limits of an observation, in words. */
export const limitsInWords = (state: string): string => {
  const numbers = state.split(' ')
  return LIMITS.flatMap(([, , words], i) => (numbers[i] === '0' ? [] : [`${numbers[i]} ${words}`])).join(', ') || 'none'
}

/** Requirements for a client: nothing through the socket, a certificate with a subject, or TLS. */
interface Client {
  readonly host: string
  readonly subject?: string | undefined
}

/** The requirement as an observation has it. */
export const requirementState = ({ host, subject }: Client): string =>
  host === 'localhost' ? 'NONE' : subject === undefined ? 'SSL' : `subject ${subject}`

export const requirementSql = ({ host, subject }: Client): string =>
  host === 'localhost' ? 'NONE' : subject === undefined ? 'SSL' : `SUBJECT ${sqlText(subject)}`

const REQUIREMENTS: Readonly<Record<string, string>> = { NONE: 'nothing', SSL: 'TLS', X509: 'any certificate' }

/** The requirement of an observation, in words. */
export const requirementInWords = (state: string): string => REQUIREMENTS[state] ?? `a certificate with ${state}`
