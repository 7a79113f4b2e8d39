/** A TXT record. One name can have several values at the same time: `example.org` and `*.example.org` share theirs. */
export interface TxtRecord {
  readonly name: string
  readonly value: string
}

/** A way to publish TXT records. */
export interface Publisher {
  add(record: TxtRecord, signal: AbortSignal): Promise<void>
  remove(record: TxtRecord, signal: AbortSignal): Promise<void>
  /** Waits until records that were added are published everywhere. */
  published(signal: AbortSignal): Promise<void>
}

export interface Publication {
  readonly publisher: Publisher
  readonly records: readonly TxtRecord[]
  readonly doing: (what: string) => void
  readonly signal: AbortSignal
}

/** Publishes TXT records one after the other, runs `act`, and removes the records, also after a failure. */
export const dnsRecords = async ({ publisher, records, doing, signal }: Publication, act: () => Promise<void>): Promise<void> => {
  const added: TxtRecord[] = []
  try {
    for (const record of records) {
      added.push(record)
      doing(`publishing ${record.name}`)
      await publisher.add(record, signal)
    }
    await publisher.published(signal)
    await act()
  } finally {
    // A record that stays is harmless, and its error must not replace the cause of the failure.
    for (const record of added) {
      doing(`removing ${record.name}`)
      await publisher.remove(record, signal).catch(() => undefined)
    }
  }
}
