import { X509Certificate } from 'node:crypto'

/** One generation of an authority, as everybody may know it. */
export interface Generation {
  readonly number: number
  /** Its self-signed certificate, PEM: what is trusted. */
  readonly certificate: string
  /** Its certificate by the generation before, PEM: who trusts only that one, trusts this one too. */
  readonly vouched: string | undefined
  /** Its key is gone for good: it signs nothing any more, and what it signed is trusted until it expires. */
  readonly lost: boolean
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

/** Which part of its life a generation has behind it when the next is made: a third is left for all hosts to learn of it. */
const SUCCEEDED_AT = 2 / 3

/** Generations that are not expired, oldest first. */
export const living = (generations: readonly Generation[], now: Date): readonly Generation[] =>
  generations.filter(({ to }) => now.getTime() < to)

/** Why the next generation is due; undefined while it is not. */
export const dueOf = (generations: readonly Generation[], now: Date): string | undefined => {
  const newest = generations.at(-1)
  if (newest === undefined) return 'the site has none yet'
  const { from, to, lost } = newest
  if (lost && now.getTime() < to) return 'its key is lost; its next generation is trusted beside it'
  if (now.getTime() < from + (to - from) * SUCCEEDED_AT) return undefined
  const day = new Date(to).toISOString().slice(0, 10)
  return now.getTime() < to ? `expires on ${day}; until then its next generation is trusted beside it` : `expired on ${day}`
}

/** What goes with every certificate of a generation, for hosts that trust only the one before; nothing once that one has expired. */
export const vouchedFor = ({ vouched }: Generation, now: Date): string =>
  vouched !== undefined && now < new X509Certificate(vouched).validToDate ? vouched : ''

/** Whether the newest generation is one that hosts have to be told of: the one before, which they trust, was lost and could not vouch for it. */
export const isStranger = (alive: readonly Generation[]): boolean =>
  alive.at(-1)?.vouched === undefined && alive.slice(0, -1).some(({ lost }) => lost)

/** The common name of a generation. */
export const generationName = (domain: string, number: number): string => `CN=provision ${domain} ${number}`

/** Which generation of a domain a common name is of; undefined where it is none of ours. */
export const generationNamed = (domain: string, name: string): number | undefined => {
  const digits = / ([1-9][0-9]{0,5})$/.exec(name)?.[1]
  return digits !== undefined && name === generationName(domain, Number(digits)) ? Number(digits) : undefined
}

/**
 * Reads what the public file of a generation holds; undefined where it is something else. That of a lost one may come from a host, where
 * it stands among others.
 */
export const readGeneration = (domain: string, number: number, text: string, lost = false): Generation | undefined => {
  const all = (text.match(BLOCKS) ?? []).map((block) => ({ block: `${block}\n`, certificate: read(block) }))
  const [first, second, ...more] = lost ? all.filter(({ certificate }) => certificate?.subject === generationName(domain, number)) : all
  const own = first?.certificate
  if (first === undefined || own === undefined || more.length > 0) return undefined
  if (!own.ca || own.subject !== generationName(domain, number) || !own.checkIssued(own) || !own.verify(own.publicKey)) return undefined
  if (second !== undefined && second.certificate?.publicKey.equals(own.publicKey) !== true) return undefined
  return {
    number,
    certificate: first.block,
    vouched: second?.block,
    lost,
    from: own.validFromDate.getTime(),
    to: own.validToDate.getTime(),
  }
}

const BLOCKS = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g

const read = (pem: string): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}
