/** Types of records (RFC 1035, RFC 8945). */
export const TYPE = { cname: 5, soa: 6, txt: 16, tsig: 250 } as const
/** Classes: Internet, none (deletes a record, RFC 2136), any. */
export const CLASS = { internet: 1, none: 254, any: 255 } as const

export interface DnsRecord {
  readonly name: string
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly data: Buffer
  /** Offsets of the record and of its data in the message. */
  readonly at: number
  readonly dataAt: number
}

export interface DnsMessage {
  readonly id: number
  /** Response code: 0 for success. */
  readonly code: number
  readonly answers: readonly DnsRecord[]
  readonly authorities: readonly DnsRecord[]
  readonly additional: readonly DnsRecord[]
}

export const numberOf = (value: number, bytes: 1 | 2 | 4 | 6): Buffer => {
  const buffer = Buffer.alloc(bytes)
  buffer.writeUIntBE(value, 0, bytes)
  return buffer
}

/** A name on the wire, in lower case and without compression. */
export const encodedName = (name: string): Buffer =>
  Buffer.concat([
    ...name
      .toLowerCase()
      .split('.')
      .filter((label) => label !== '')
      .map((label) => Buffer.concat([numberOf(Buffer.byteLength(label), 1), Buffer.from(label)])),
    numberOf(0, 1),
  ])

/** Data of a TXT record with one text of at most 255 bytes. */
export const textData = (text: string): Buffer => Buffer.concat([numberOf(Buffer.byteLength(text), 1), Buffer.from(text)])

export const encodedRecord = (record: Pick<DnsRecord, 'name' | 'type' | 'class' | 'ttl' | 'data'>): Buffer =>
  Buffer.concat([
    ...[encodedName(record.name), numberOf(record.type, 2), numberOf(record.class, 2), numberOf(record.ttl, 4)],
    ...[numberOf(record.data.length, 2), record.data],
  ])

/** Reads a name, which may refer to an earlier one. Throws RangeError for a message that ends too early, or a loop. */
export const nameAt = (message: Buffer, at: number): { readonly name: string; readonly end: number } => {
  const labels: string[] = []
  let [position, end] = [at, -1]
  for (let steps = 0; steps < 128; steps++) {
    const length = message.readUInt8(position)
    if (length >= 0xc0) {
      end = end === -1 ? position + 2 : end
      position = message.readUInt16BE(position) & 0x3fff
      continue
    }
    if (length === 0) return { name: labels.join('.').toLowerCase(), end: end === -1 ? position + 1 : end }
    labels.push(message.toString('latin1', position + 1, position + 1 + length))
    position += 1 + length
  }
  throw new RangeError('a name in the DNS message has no end')
}

/** Reads a message. Throws RangeError if it is damaged. */
export const decoded = (message: Buffer): DnsMessage => {
  let position = 12
  const count = (i: number): number => message.readUInt16BE(4 + 2 * i)
  for (let i = 0; i < count(0); i++) position = nameAt(message, position).end + 4
  const records = (length: number): readonly DnsRecord[] =>
    Array.from({ length }, () => {
      const at = position
      const { name, end } = nameAt(message, position)
      const dataAt = end + 10
      position = dataAt + message.readUInt16BE(end + 8)
      if (position > message.length) throw new RangeError('the DNS message ends within a record')
      const [type, group, ttl] = [message.readUInt16BE(end), message.readUInt16BE(end + 2), message.readUInt32BE(end + 4)]
      return { name, type, class: group, ttl, data: message.subarray(dataAt, position), at, dataAt }
    })
  const [answers, authorities, additional] = [records(count(1)), records(count(2)), records(count(3))]
  return { id: message.readUInt16BE(0), code: message.readUInt16BE(2) & 0xf, answers, authorities, additional }
}
