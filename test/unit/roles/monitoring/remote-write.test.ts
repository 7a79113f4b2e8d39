import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import monitoring from '../../../../roles/monitoring/role.ts'
import { bytesOf } from '../../../../src/resource/kind/content.ts'
import { contentOf, declared, LB, textOf } from './context.ts'

const PROMETHEUS = 'file:/etc/prometheus/prometheus.yml'
const writesOf = (...remote_write: readonly object[]) =>
  parse(Buffer.from(bytesOf(contentOf(declared(LB, { remote_write }), PROMETHEUS) as never)).toString()).remote_write

describe('remote write', () => {
  it('sends the named metrics with the name of the monitoring server', () => {
    const label = { target_label: 'monitoring_server', replacement: 'lb-01' }
    const ca_file = '/etc/prometheus/provision/remote-write-2.pem'
    const second = { url: 'https://b.test/', auth: { user: 'ann', password: 'p' }, ca_file: 'authorities/own.pem', metrics: 'up|node_.*' }
    expect(writesOf({ url: 'https://a.test/push' }, second)).toEqual([
      { url: 'https://a.test/push', write_relabel_configs: [label] },
      {
        ...{ url: 'https://b.test/', basic_auth: { username: 'ann', password: 'p' }, tls_config: { ca_file } },
        write_relabel_configs: [{ source_labels: ['__name__'], regex: 'up|node_.*', action: 'keep' }, label],
      },
    ])
    expect(writesOf()).toBeUndefined()
    expect(textOf(declared(LB, { remote_write: [{ url: 'https://a.test/' }, second] }), `file:${ca_file}`)).toBe('PEM of own')
  })

  it.each([
    ['by another protocol', { url: 'ftp://a.test/' }],
    ['with a password in its address', { url: 'https://a:b@a.test/' }],
    ['with an invalid expression', { url: 'https://a.test/', metrics: '(' }],
  ])('is refused %s', (_, one) => expect(monitoring.options.safeParse({ remote_write: [one] }).success).toBe(false))

  const hasPrometheus = spawnSync('prometheus', ['--version']).status === 0

  it.skipIf(!hasPrometheus)('arrives, with its token', { timeout: 60_000 }, async () => {
    const arrived: IncomingHttpHeaders[] = []
    const store = createServer((request, response) => {
      arrived.push(request.headers)
      request.resume().on('end', () => response.writeHead(204).end())
    }).listen(0, '127.0.0.1')
    await once(store, 'listening')
    const url = `http://127.0.0.1:${(store.address() as AddressInfo).port}/push`
    const directory = mkdtempSync(join(tmpdir(), 'provision-remote-write-'))
    const address = `127.0.0.1:${40_000 + (process.pid % 10_000)}`
    const scrape_configs = [{ job_name: 'self', scrape_interval: '1s', static_configs: [{ targets: [address] }] }]
    const config = { remote_write: writesOf({ url, auth: { token: 'tk' }, metrics: 'up' }), scrape_configs }
    writeFileSync(join(directory, 'prometheus.yml'), JSON.stringify(config))
    const daemon = spawn('prometheus', [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/data`,
      `--web.listen-address=${address}`,
    ])
    try {
      const type = { 'content-type': 'application/x-protobuf', authorization: 'Bearer tk' }
      await expect.poll(() => arrived, { timeout: 40_000 }).toContainEqual(expect.objectContaining(type))
    } finally {
      store.close()
      // SIGTERM lets it wait for the store.
      if (daemon.kill('SIGKILL')) await once(daemon, 'exit')
      rmSync(directory, { recursive: true })
    }
  })
})
