import { connect } from 'node:net'
import { typeOf } from '../known-hosts/known-hosts.ts'

const ASK_MS = 2_000
/** Agents limit their messages to this size. */
const MAX_BYTES = 256 * 1024

/**
 * The types of all keys of an agent, certificates and keys of security tokens included (ssh2 leaves these out). An agent that does not
 * answer has none. See draft-ietf-sshm-ssh-agent, "Requesting a List of Keys".
 */
export const agentKeyTypes = (socket: string | undefined): Promise<readonly string[]> =>
  new Promise((resolve) => {
    if (socket === undefined || socket === '' || socket === 'none') return resolve([])
    const connection = connect(socket)
    let answer: Buffer = Buffer.alloc(0)
    const end = (types: readonly string[]): void => {
      clearTimeout(timer)
      connection.destroy()
      resolve(types)
    }
    const timer = setTimeout(() => end([]), ASK_MS)
    connection
      .on('error', () => end([]))
      .on('close', () => end([]))
      .on('connect', () => connection.write(Buffer.from([0, 0, 0, 1, 11])))
      .on('data', (chunk: Buffer) => {
        answer = Buffer.concat([answer, chunk])
        if (answer.length > MAX_BYTES) return end([])
        if (answer.length >= 4 && answer.length >= 4 + answer.readUInt32BE(0)) end(typesIn(answer.subarray(4)))
      })
  })

/** The types in a list of keys: each is a key and a comment. */
const typesIn = (message: Buffer): readonly string[] => {
  if (message[0] !== 12 || message.length < 5) return []
  const types: string[] = []
  let at = 5
  const next = (): Buffer => {
    const length = at + 4 <= message.length ? message.readUInt32BE(at) : 0
    const field = message.subarray(at + 4, at + 4 + length)
    at += 4 + length
    return field
  }
  for (let left = message.readUInt32BE(1); left > 0 && at < message.length; left -= 1) {
    types.push(typeOf(next()) ?? '')
    next()
  }
  return types
}
