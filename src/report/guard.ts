import { StringDecoder } from 'node:string_decoder'
import { redactor } from '../secret/secret.ts'

/**
 * From here on nothing that is written to the stream holds a secret that this process knows. What may be the beginning of one waits
 * for what follows, or for the end.
 */
export const guard = (stream: NodeJS.WriteStream): void => {
  const write = stream.write.bind(stream)
  const redacting = redactor()
  const decoder = new StringDecoder('utf8')
  const said = (chunk: string | Uint8Array): string => redacting.push(typeof chunk === 'string' ? chunk : decoder.write(Buffer.from(chunk)))
  stream.write = (chunk: string | Uint8Array, ...more: readonly unknown[]): boolean => {
    const done = more.find((one) => typeof one === 'function') as (() => void) | undefined
    return write(said(chunk), done)
  }
  process.on('exit', () => void write(redacting.end()))
}
