import { HostRefusal } from '../kind/step.ts'

/** Position of a server, and whether it runs. */
export interface Candidate {
  readonly host: string
  readonly uuid: string | undefined
  readonly seqno: number
  readonly runs: boolean
}

/** Another server must bootstrap first. If it failed, the next one does not take its place. */
export const notFirst = (me: string, first: string): HostRefusal =>
  new HostRefusal(`cluster not bootstrapped on ${me}`, `${first} must bootstrap it and has not`, `fix ${first}, then run again`)

export const severalHistories = (known: readonly Candidate[]): HostRefusal =>
  new HostRefusal(
    'servers have data of different clusters',
    known.map(({ host, uuid, seqno }) => `${host}: ${uuid}, transaction ${seqno}`).join('; '),
    'choose the host whose data to discard, and add it to discard_data_of',
  )
