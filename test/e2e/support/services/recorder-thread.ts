import { createServer, type RequestListener } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { parentPort, workerData } from 'node:worker_threads'
import type { Answer, Arrived, RecorderOptions } from './recorder.ts'

const { module, address, port, pair, context } = workerData as RecorderOptions
const { answer } = (await import(module)) as { readonly answer: (request: Arrived, context: unknown) => Answer<unknown> }

const listener: RequestListener = (request, response) => {
  const { method, url: path = '', headers } = request
  let body = ''
  request.on('data', (bytes: Buffer) => (body += bytes.toString()))
  request.on('end', () => {
    const { status, text, records } = answer({ method, path, headers, body, at: Date.now() }, context)
    parentPort?.postMessage(records)
    response.writeHead(status, { 'content-type': 'text/html' }).end(text)
  })
}

const server = pair === undefined ? createServer(listener) : createSecureServer(pair, listener)
server.listen(port, address, () => parentPort?.postMessage('listens'))
