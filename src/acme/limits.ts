/** What an authority was asked for lately: a certificate it issued, or a name that it could not verify. */
export interface Asked {
  readonly directory: string
  readonly names: readonly string[]
  readonly outcome: 'issued' | 'failed'
  /** Milliseconds since 1970. */
  readonly at: number
}

/** Why an authority would refuse, in words for a problem. */
export interface Foreseen {
  readonly what: string
  readonly why: string
  readonly fix: string
}

const HOUR = 3_600_000
/** Nothing older than this counts against anybody. */
export const REMEMBERED_MS = 7 * 24 * HOUR

// https://letsencrypt.org/docs/rate-limits/ (read in November 2026)
const SAME_NAMES_A_WEEK = 5
const FAILURES_AN_HOUR = 5
const NAMES_A_CERTIFICATE = 100

/** RFC 6761, RFC 6762, RFC 7686, RFC 8375 and the domain that ICANN reserved for private use: no public authority may issue for them. */
const PRIVATE = ['test', 'example', 'invalid', 'localhost', 'local', 'onion', 'alt', 'internal', 'home.arpa', 'lan', 'home', 'corp']

/**
 * What Let's Encrypt would refuse is not asked: a refusal counts, and some last for a week. Undefined where nothing speaks
 * against asking; of other authorities' limits nothing is known.
 */
export const refusedAhead = (
  directory: string,
  names: readonly string[],
  asked: readonly Asked[],
  now: number = Date.now(),
): Foreseen | undefined => {
  if (!directory.startsWith('letsencrypt')) return undefined
  const privately = names.filter((name) => PRIVATE.some((domain) => name.endsWith(`.${domain}`)))
  if (privately.length > 0) {
    return {
      what: "Let's Encrypt does not issue for a name",
      why: `only public domains: not ${privately.join(', ')}`,
      fix: 'ask only for public names that you own, or set acme.directory to an authority of your own',
    }
  }
  if (names.length > NAMES_A_CERTIFICATE) {
    return {
      what: `Let's Encrypt puts at most ${NAMES_A_CERTIFICATE} names into a certificate`,
      why: `${names.length} were asked for`,
      fix: 'divide them over several entries of certificates',
    }
  }
  return directory === 'letsencrypt' ? limitReached(names, asked, now) : undefined
}

const limitReached = (names: readonly string[], asked: readonly Asked[], now: number): Foreseen | undefined => {
  const here = asked.filter((one) => one.directory === 'letsencrypt')
  const same = here.filter((one) => one.outcome === 'issued' && keyOf(one.names) === keyOf(names) && one.at > now - REMEMBERED_MS)
  if (same.length >= SAME_NAMES_A_WEEK) {
    return {
      what: `Let's Encrypt has issued ${same.length} certificates for these names within a week, and issues no more`,
      why: names.join(', '),
      fix: `find out why they are lost again; wait until ${soonest(same, REMEMBERED_MS)}, or use letsencrypt-staging for trials`,
    }
  }
  for (const name of names) {
    const failures = here.filter((one) => one.outcome === 'failed' && one.names.includes(name) && one.at > now - HOUR)
    if (failures.length >= FAILURES_AN_HOUR) {
      return {
        what: `Let's Encrypt could not verify ${name} ${failures.length} times within an hour, and does not try again before that is over`,
        why: 'nothing was asked of it this time',
        fix: `mend the cause, then run again after ${soonest(failures, HOUR)}`,
      }
    }
  }
  return undefined
}

const keyOf = (names: readonly string[]): string => [...new Set(names)].sort().join(' ')

const soonest = (asked: readonly Asked[], within: number): string =>
  new Date(Math.min(...asked.map(({ at }) => at)) + within)
    .toISOString()
    .replace(/:\d\d\.\d+Z$/, ' UTC')
    .replace('T', ' ')
