import { randomInt } from 'node:crypto'
import { connect } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { authorityProblem } from '../problem.ts'
import { CLASS, decoded, encodedName, encodedRecord, nameAt, numberOf, TYPE, textData } from './message.ts'
import type { Publisher, TxtRecord } from './publish.ts'
import { signatureFault, signed, type UpdateKey } from './signature.ts'

/** A name server that takes signed updates (RFC 2136). */
export interface UpdateServer {
  /** Host name or address. */
  readonly server: string
  readonly port: number
  readonly key: UpdateKey
  /** Time until all name servers of the zone have a new record. */
  readonly waitSeconds: number
}

const ANSWER_MS = 15_000
const TTL_SECONDS = 60
/** Maximum number of aliases (CNAME) to follow. */
const MOST_ALIASES = 5
const UPDATE = 0x2800

/** Publishes TXT records by signed updates of a zone. */
export const updatePublisher = (at: UpdateServer, directory: string): Publisher => {
  const failed = (what: string, why: string, fix: string, cause?: unknown) => authorityProblem(directory, { what, why, fix }, cause)

  const exchange = async (message: Buffer, signal: AbortSignal): Promise<Buffer> => {
    try {
      const response = await overTcp(at, message, signal)
      decoded(response)
      return response
    } catch (error) {
      const what = `name server ${at.server} port ${at.port} does not answer`
      throw failed(
        what,
        error instanceof Error ? error.message : String(error),
        'correct `acme.dns_update.server`, or open its port (TCP) to this machine',
        error,
      )
    }
  }

  /** Returns the zone of a name, and the name that its aliases lead to. */
  const placeOf = async (name: string, signal: AbortSignal): Promise<{ readonly zone: string; readonly name: string }> => {
    let alias = name
    for (let i = 0; i <= MOST_ALIASES; i++) {
      const response = await exchange(question(alias, TYPE.soa), signal)
      const { answers, authorities } = decoded(response)
      const further = answers.find((one) => one.type === TYPE.cname && one.name === alias.toLowerCase())
      const zone = [...answers, ...authorities].find((one) => one.type === TYPE.soa && isIn(alias, one.name))
      if (further === undefined && zone !== undefined) return { zone: zone.name, name: alias }
      if (further === undefined) break
      alias = nameAt(response, further.dataAt).name
    }
    throw failed(
      `name server ${at.server} has no zone for ${alias}`,
      'it returns no SOA record',
      'set `acme.dns_update.server` to the primary name server of the domain',
    )
  }

  const change = async (record: TxtRecord, operation: 'add' | 'remove', signal: AbortSignal): Promise<void> => {
    const { zone, name } = await placeOf(record.name, signal)
    const { message, mac } = signed(update(zone, { name, value: record.value }, operation), at.key, Date.now())
    const response = await exchange(message, signal)
    const { code } = decoded(response)
    const fault = signatureFault(response, at.key, mac)
    if (code === 0 && fault === undefined) return
    throw failed(
      `name server ${at.server} did not ${operation} a TXT record of ${name}`,
      fault ?? `${CODES.get(code) ?? `response code ${code}`} (zone ${zone})`,
      'correct `acme.dns_update.key`, and let the key update TXT records of the zone (BIND: update-policy)',
    )
  }

  return {
    add: (record, signal) => change(record, 'add', signal),
    remove: (record, signal) => change(record, 'remove', signal),
    published: (signal) => sleep(at.waitSeconds * 1000, undefined, { signal }),
  }
}

/** Response codes of updates (RFC 1035, RFC 2136). */
const CODES: ReadonlyMap<number, string> = new Map([
  [1, 'FORMERR: it does not understand the update'],
  [2, 'SERVFAIL: it could not execute the update'],
  [4, 'NOTIMP: it accepts no updates'],
  [5, 'REFUSED: the key may not update this name'],
  [9, 'NOTAUTH: it is not the primary name server of the zone, or does not know the key'],
  [10, 'NOTZONE: the name is not in the zone'],
])

const isIn = (name: string, zone: string): boolean => name.toLowerCase() === zone || name.toLowerCase().endsWith(`.${zone}`)

const header = (flags: number, counts: readonly number[]): Buffer =>
  Buffer.concat([numberOf(randomInt(65_536), 2), numberOf(flags, 2), ...counts.map((count) => numberOf(count, 2))])

const question = (name: string, type: number): Buffer =>
  Buffer.concat([header(0, [1, 0, 0, 0]), encodedName(name), numberOf(type, 2), numberOf(CLASS.internet, 2)])

/** An update that adds one TXT record to a zone, or removes it. */
const update = (zone: string, { name, value }: TxtRecord, operation: 'add' | 'remove'): Buffer => {
  const isNew = operation === 'add'
  const record = { name, type: TYPE.txt, class: isNew ? CLASS.internet : CLASS.none, ttl: isNew ? TTL_SECONDS : 0, data: textData(value) }
  return Buffer.concat([
    ...[header(UPDATE, [1, 0, 1, 0]), encodedName(zone), numberOf(TYPE.soa, 2), numberOf(CLASS.internet, 2)],
    encodedRecord(record),
  ])
}

/** Sends a message over TCP with its length before it, and returns the response. */
const overTcp = ({ server, port }: UpdateServer, message: Buffer, signal: AbortSignal): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const socket = connect({ host: server, port, signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]) })
    const chunks: Buffer[] = []
    socket.on('error', reject)
    socket.on('close', () => reject(new Error('it closed the connection without a response')))
    socket.on('data', (chunk) => {
      chunks.push(chunk)
      const all = Buffer.concat(chunks)
      if (all.length < 2 || all.length < 2 + all.readUInt16BE(0)) return
      const response = all.subarray(2, 2 + all.readUInt16BE(0))
      if (response.length >= 12 && response.readUInt16BE(0) === message.readUInt16BE(0)) resolve(response)
      else reject(new Error('it sent an invalid response'))
      socket.destroy()
    })
    socket.write(Buffer.concat([numberOf(message.length, 2), message]))
  })
