import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Secret } from '../../secret/secret.ts'
import { CLASS, type DnsRecord, decoded, encodedName, encodedRecord, nameAt, numberOf, TYPE } from './message.ts'

/** Key of a name server for signed updates (RFC 8945). */
export interface UpdateKey {
  readonly name: string
  readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512'
  /** In base64, as in a key file of BIND. */
  readonly secret: Secret
}

/** Permitted difference between the clocks, in seconds. */
const FUDGE = 300

const hmac = ({ algorithm, secret }: UpdateKey, ...parts: readonly Uint8Array[]): Buffer => {
  const made = createHmac(algorithm.slice('hmac-'.length), Buffer.from(secret.reveal(), 'base64'))
  for (const part of parts) made.update(part)
  return made.digest()
}

/** Variables that are signed with the message (RFC 8945, 4.3.3). */
const variables = (key: UpdateKey, time: number, fudge: number, tail: Uint8Array): readonly Uint8Array[] => [
  ...[encodedName(key.name), numberOf(CLASS.any, 2), numberOf(0, 4), encodedName(key.algorithm)],
  ...[numberOf(time, 6), numberOf(fudge, 2), tail],
]

/** Returns a message with its signature, and the signature itself, which the signature of the response includes. */
export const signed = (message: Buffer, key: UpdateKey, now: number): { readonly message: Buffer; readonly mac: Buffer } => {
  const time = Math.floor(now / 1000)
  const noError = numberOf(0, 4)
  const mac = hmac(key, message, ...variables(key, time, FUDGE, noError))
  const data = Buffer.concat([
    ...[encodedName(key.algorithm), numberOf(time, 6), numberOf(FUDGE, 2), numberOf(mac.length, 2), mac],
    ...[message.subarray(0, 2), noError],
  ])
  const whole = Buffer.concat([message, encodedRecord({ name: key.name, type: TYPE.tsig, class: CLASS.any, ttl: 0, data })])
  whole.writeUInt16BE(message.readUInt16BE(10) + 1, 10)
  return { message: whole, mac }
}

/** Errors of a signature (RFC 8945, 3). */
const ERRORS: ReadonlyMap<number, string> = new Map([
  [16, 'the secret of the key is wrong'],
  [17, 'the name server does not know the key, or knows it with another algorithm'],
  [18, 'the clocks of this machine and of the name server differ'],
])

/** Fault of the signature of a response; undefined if the response is signed with the key of the request. */
export const signatureFault = (response: Buffer, key: UpdateKey, requestMac: Buffer): string | undefined => {
  const record = decoded(response).additional.at(-1)
  if (record?.type !== TYPE.tsig) return 'the response is not signed'
  try {
    return faultIn(response, record, key, requestMac)
  } catch (error) {
    if (error instanceof RangeError) return 'the signature of the response is damaged'
    throw error
  }
}

const faultIn = (response: Buffer, record: DnsRecord, key: UpdateKey, requestMac: Buffer): string | undefined => {
  const { end } = nameAt(record.data, 0)
  const size = record.data.readUInt16BE(end + 8)
  const tail = record.data.subarray(end + 10 + size + 2)
  const error = ERRORS.get(tail.readUInt16BE(0))
  if (error !== undefined) return error
  const mac = record.data.subarray(end + 10, end + 10 + size)
  const unsigned = Buffer.from(response.subarray(0, record.at))
  unsigned.writeUInt16BE(response.readUInt16BE(10) - 1, 10)
  const [time, fudge] = [record.data.readUIntBE(end, 6), record.data.readUInt16BE(end + 6)]
  const expected = hmac(key, numberOf(requestMac.length, 2), requestMac, unsigned, ...variables(key, time, fudge, tail))
  return mac.length === expected.length && timingSafeEqual(mac, expected) ? undefined : 'the signature of the response is wrong'
}
