import { HostRefusal } from '../kind/step.ts'

/** How far the data of a server goes, and whether it runs. */
export interface Candidate {
  readonly host: string
  readonly uuid: string | undefined
  readonly seqno: number
  readonly runs: boolean
}

/** A first server that failed before it came to this is not replaced by the next. */
export const notFirst = (me: string, first: string): HostRefusal =>
  new HostRefusal(`${me} does not begin the cluster`, `${first} comes first and has not begun it`, `see what is wrong with ${first}`)

export const severalHistories = (known: readonly Candidate[]): HostRefusal =>
  new HostRefusal(
    'the servers hold data of different clusters',
    known.map(({ host, uuid, seqno }) => `${host}: ${uuid}, transaction ${seqno}`).join('; '),
    'decide whose data shall be lost, and name that host in discard_data_of',
  )
