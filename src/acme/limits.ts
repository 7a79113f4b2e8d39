/** A recent request to an authority: a certificate that it issued, or names that it could not validate. */
export interface AcmeRequest {
  readonly directory: string
  readonly names: readonly string[]
  readonly outcome: 'issued' | 'failed'
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A limit that an order would exceed, as the parts of a problem. */
export interface ExceededLimit {
  readonly what: string
  readonly why: string
  readonly fix: string
}

const HOUR = 3_600_000
/** The longest period of a limit. */
export const HISTORY_MS = 7 * 24 * HOUR

// https://letsencrypt.org/docs/rate-limits/ (read in November 2026)
const SAME_NAMES_A_WEEK = 5
const FAILURES_AN_HOUR = 5
const NAMES_A_CERTIFICATE = 100

/** RFC 6761, RFC 6762, RFC 7686, RFC 8375 and the domains that ICANN reserved for private use: no public authority may issue for them. */
const PRIVATE = ['test', 'example', 'invalid', 'localhost', 'local', 'onion', 'alt', 'internal', 'home.arpa', 'lan', 'home', 'corp']

/**
 * The limit of Let's Encrypt that an order would exceed, or undefined. Such an order is not sent, because refused orders count as well, some
 * for a week. The limits of other authorities are not known.
 */
export const exceededLimit = (
  directory: string,
  names: readonly string[],
  history: readonly AcmeRequest[],
  now: number = Date.now(),
): ExceededLimit | undefined => {
  if (!directory.startsWith('letsencrypt')) return undefined
  const privateNames = names.filter((name) => PRIVATE.some((domain) => name.endsWith(`.${domain}`)))
  if (privateNames.length > 0) {
    return {
      what: `Let's Encrypt does not issue certificates for ${privateNames.join(', ')}`,
      why: 'it issues only for public domains',
      fix: 'remove these names from certificates[].names, or set acme.directory to an authority of your own',
    }
  }
  if (names.length > NAMES_A_CERTIFICATE) {
    return {
      what: `certificate has ${names.length} names, more than Let's Encrypt permits`,
      why: `the limit is ${NAMES_A_CERTIFICATE} names`,
      fix: 'divide the names among several entries of certificates',
    }
  }
  return directory === 'letsencrypt' ? limitReached(names, history, now) : undefined
}

const limitReached = (names: readonly string[], history: readonly AcmeRequest[], now: number): ExceededLimit | undefined => {
  const here = history.filter((one) => one.directory === 'letsencrypt')
  const same = here.filter((one) => one.outcome === 'issued' && keyOf(one.names) === keyOf(names) && one.at > now - HISTORY_MS)
  if (same.length >= SAME_NAMES_A_WEEK) {
    return {
      what: `Let's Encrypt has issued ${same.length} certificates for the same names within a week, which is its limit`,
      why: `names: ${names.join(', ')}`,
      fix: `find out why the certificates were lost; wait until ${nextPossible(same, HISTORY_MS)}, or use letsencrypt-staging for tests`,
    }
  }
  for (const name of names) {
    const failures = here.filter((one) => one.outcome === 'failed' && one.names.includes(name) && one.at > now - HOUR)
    if (failures.length >= FAILURES_AN_HOUR) {
      return {
        what: `Let's Encrypt could not validate ${name} ${failures.length} times within an hour, which is its limit`,
        why: 'another attempt would be refused, so no order was sent',
        fix: `correct the cause, then run again after ${nextPossible(failures, HOUR)}`,
      }
    }
  }
  return undefined
}

const keyOf = (names: readonly string[]): string => [...new Set(names)].sort().join(' ')

const nextPossible = (requests: readonly AcmeRequest[], within: number): string =>
  new Date(Math.min(...requests.map(({ at }) => at)) + within)
    .toISOString()
    .replace(/:\d\d\.\d+Z$/, ' UTC')
    .replace('T', ' ')
