import { X509Certificate } from 'node:crypto'

/** The public part of one generation of an authority. */
export interface Generation {
  readonly number: number
  /** Its self-signed certificate, PEM, which hosts trust. */
  readonly certificate: string
  /** Its certificate signed by the previous generation, PEM, for hosts that trust only that one. */
  readonly crossSigned: string | undefined
  /** Its key is lost for good. It signs nothing any more; what it signed is trusted until it expires. */
  readonly lost: boolean
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
}

/** Part of its lifetime after which a generation is succeeded. In the remaining third, all hosts learn to trust the next one. */
const SUCCESSION_AT = 2 / 3

/** The unexpired generations, oldest first. */
export const unexpired = (generations: readonly Generation[], now: Date): readonly Generation[] =>
  generations.filter(({ to }) => now.getTime() < to)

/** The reason why the next generation is due; undefined if it is not. */
export const dueOf = (generations: readonly Generation[], now: Date): string | undefined => {
  const newest = generations.at(-1)
  if (newest === undefined) return 'not created yet'
  const { from, to, lost } = newest
  if (lost && now.getTime() < to) return 'its key is lost; hosts will trust it and its next generation'
  if (now.getTime() < from + (to - from) * SUCCESSION_AT) return undefined
  const day = new Date(to).toISOString().slice(0, 10)
  return now.getTime() < to ? `expires on ${day}; until then hosts will trust it and its next generation` : `expired on ${day}`
}

/** The cross-signed certificate that goes with every certificate of a generation; empty if there is none or it has expired. */
export const crossSigned = ({ crossSigned: pem }: Generation, now: Date): string =>
  pem !== undefined && now < new X509Certificate(pem).validToDate ? pem : ''

/** Whether all hosts must trust the newest generation before it signs: the key of a previous one is lost, so it could not cross-sign. */
export const lacksCrossSignature = (valid: readonly Generation[]): boolean =>
  valid.at(-1)?.crossSigned === undefined && valid.slice(0, -1).some(({ lost }) => lost)

/** The subject of a generation's certificate. */
export const generationName = (domain: string, number: number): string => `CN=provision ${domain} ${number}`

/** The number of the generation with this subject; undefined if it is not of this domain. */
export const generationNamed = (domain: string, name: string): number | undefined => {
  const digits = / ([1-9][0-9]{0,5})$/.exec(name)?.[1]
  return digits !== undefined && name === generationName(domain, Number(digits)) ? Number(digits) : undefined
}

/**
 * Reads the public file of a generation; undefined if it is not valid. The file of a lost generation may be a host's file of trusted
 * certificates, which contains others as well.
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
    crossSigned: second?.block,
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
