import { StringDecoder } from 'node:string_decoder'
import { redactor } from '../secret/secret.ts'

/**
 * Masks all known secrets in what is written to the stream from now on. Text that may be the beginning of a secret is held back until
 * more text or the end of the process decides.
 */
export const redactStream = (stream: NodeJS.WriteStream): void => {
  const write = stream.write.bind(stream)
  const redacting = redactor()
  const decoder = new StringDecoder('utf8')
  const redactChunk = (chunk: string | Uint8Array): string =>
    redacting.push(typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk)))
  stream.write = (chunk: string | Uint8Array, ...more: readonly unknown[]): boolean => {
    const done = more.find((argument) => typeof argument === 'function') as (() => void) | undefined
    return write(redactChunk(chunk), done)
  }
  process.on('exit', () => void write(redacting.end()))
}
