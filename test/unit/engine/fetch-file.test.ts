import tls from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { fetchFile } from '../../../src/engine/apply/fetch-file.ts'
import { sha256Hex } from '../../../src/resource/kind/content.ts'
import { Secret } from '../../../src/secret/secret.ts'
import { type FileServer, fileServer } from '../resource/fetched/server.ts'

let server: FileServer
const system = tls.getCACertificates()
beforeAll(async () => {
  server = await fileServer()
  tls.setDefaultCACertificates([...system, server.ca])
})
afterAll(async () => {
  tls.setDefaultCACertificates(system)
  await server.close()
})

const fetched = (url: string, more: object = {}, environment = {}) =>
  fetchFile(
    { do: 'fetch', url, sha256: sha256Hex('hello'), maxBytes: 100_000, headers: {}, withinMs: 20_000, doing: '', ...more },
    environment,
  )
const to = (url: string): string => `/to/${encodeURIComponent(url)}`

it('a verified file is the answer, also after redirections', async () => {
  const url = `${server.http}${to(`${server.https}${to('/file/hello')}`)}`
  expect(await fetched(url)).toEqual({ code: 0, stdout: Buffer.from('hello'), stderr: '' })
})

it.each([
  ['/file/other', {}, `the file has another sum: SHA-256 ${sha256Hex('other')}, and ${sha256Hex('hello')} is declared`],
  ['/large', {}, 'the server sends more than 100000 bytes'],
  ['/status/404', {}, 'the server answered 404 Not Found'],
  ['/cut', {}, 'aborted'],
  ['/to/%2Fto%2F', {}, 'more than 10 redirections'],
  [to('http://example.test/x'), {}, 'the redirection to http://example.test is forbidden'],
  [to('https://me:secret@example.test/x'), {}, 'the redirection to https://example.test is forbidden'],
  [to('file:///etc/passwd'), {}, 'the redirection to file:// is forbidden'],
  ['/hang', { withinMs: 200 }, 'the transfer took longer than'],
  ['/file/hello', { proxy: 'http://127.0.0.1:1' }, 'ECONNREFUSED 127.0.0.1:1'],
])('%s %j is a failure with its reason', async (path, more, why) => {
  const url = `${server.https}${path}`
  const answer = await fetched(url, more)
  expect({ code: answer.code, length: answer.stdout.length, stderr: answer.stderr }).toEqual({
    ...{ code: 72, length: 0 },
    stderr: expect.stringContaining(`${url}: `),
  })
  expect(answer.stderr).toContain(why)
})

it('the certificate is verified', async () => {
  tls.setDefaultCACertificates(system)
  const { stderr } = await fetched(`${server.https}/file/hello`)
  tls.setDefaultCACertificates([...system, server.ca])
  expect(stderr).toMatch(/certificate/)
})

it('headers go to the origin of the URL only', async () => {
  const headers = { Authorization: new Secret('Bearer of-this-test') }
  await fetched(`${server.https}${to(`${server.https.replace('localhost', '127.0.0.1')}/file/a`)}`, { headers })
  await fetched(`${server.https}${to('/file/b')}`, { headers })
  await fetched(`${server.http}${to(`${server.https}/file/c`)}`, { headers })
  const requests = await server.requests()
  expect(requests).toContain('https GET /file/b Bearer of-this-test')
  expect(requests).toContain('https GET /file/c')
  expect(requests.filter((line) => line.includes('/file/a Bearer'))).toEqual([])
})

it('the proxy of the environment is used, unless another one or none is declared', async () => {
  const environment = { HTTP_PROXY: 'http://127.0.0.1:1' }
  const url = `${server.http}/file/hello`
  expect((await fetched(url, {}, environment)).stderr).toContain('ECONNREFUSED')
  expect((await fetched(url, { proxy: 'none' }, environment)).code).toBe(0)
  // A proxy gets the whole URL.
  await fetched(url, { proxy: server.http }, environment)
  expect((await server.requests()).some((line) => line.startsWith('http GET http://localhost:'))).toBe(true)
})
