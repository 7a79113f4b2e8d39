import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

/** Asks a question at the terminal and reads a line without showing it. Ctrl-C calls `stop`, and the answer is undefined. */
export const askSecret = (
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  question: string,
  stop: () => void,
): Promise<string | undefined> => {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const terminal = createInterface({ input, output: silent, terminal: true, historySize: 0 })
  output.write(question)
  return new Promise<string | undefined>((resolve) => {
    terminal.once('line', resolve)
    terminal.once('close', () => resolve(undefined))
    terminal.once('SIGINT', () => {
      stop()
      resolve(undefined)
    })
  }).finally(() => {
    terminal.close()
    output.write('\n')
  })
}
