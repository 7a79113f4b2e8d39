import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Resource } from 'provision'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { assembled } from '../../roles/base/part.ts'
import { syslog, syslogChecks, syslogOption } from '../../roles/base/syslog.ts'
import { projectFiles } from '../../src/role/files.ts'
import { type TestHost, testHost } from '../e2e/support/test-host.ts'
import { type SyslogServer, syslogServer } from './support/syslog-server.ts'

const SUBNET = '10.79.127'
const AT = { host: `${SUBNET}.1`, port: 6514 }
const OPTIONS = syslogOption.parse({ server: `${AT.host}:${AT.port}`, name: 'logs.test', ca_file: 'ca.pem', buffer_mb: 16 })

const root = mkdtempSync(join(tmpdir(), 'provision-t-syslog-'))
let host: TestHost
let server: SyslogServer | undefined

/** An authority, and certificates of two names. */
const certificates = () => {
  const openssl = (...words: readonly string[]): void => {
    const { status, stderr } = spawnSync('openssl', words, { cwd: root, encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
  }
  const key = ['-newkey', 'rsa:2048', '-nodes', '-days', '2']
  openssl('req', '-x509', ...key, '-subj', '/CN=test authority', '-keyout', 'ca.key', '-out', 'ca.pem')
  for (const name of ['logs.test', 'other.test'])
    openssl(
      ...['req', '-x509', '-CA', 'ca.pem', '-CAkey', 'ca.key', ...key, '-subj', `/CN=${name}`],
      ...[
        '-addext',
        `subjectAltName=DNS:${name}`,
        '-addext',
        'basicConstraints=critical,CA:false',
        '-keyout',
        `${name}.key`,
        '-out',
        `${name}.pem`,
      ],
    )
}
const certificateOf = (name: string) => ({
  key: readFileSync(join(root, `${name}.key`), 'utf8'),
  cert: readFileSync(join(root, `${name}.pem`), 'utf8'),
})

beforeAll(async () => {
  certificates()
  host = await testHost('t-syslog', SUBNET)
}, 300_000)
afterAll(async () => {
  await server?.close()
  await host?.down()
  rmSync(root, { recursive: true })
})

const wanted = async (options: typeof OPTIONS): Promise<readonly Resource[]> => {
  return assembled([
    syslog(options, {
      facts: host.session.facts,
      files: (directory, name) => projectFiles(root, directory, name),
      wasDeclared: () => true,
    }),
  ])
}
const write = (text: string): Promise<string> => host.run(`echo '${text}' | systemd-cat -t shop`)
const textsOfShop = (): readonly string[] => (server?.messages ?? []).flatMap(({ app, text }) => (app === 'shop' ? [text] : []))
const verify = (): Promise<string> =>
  host.run(
    `T=$(mktemp -d)\n${syslogChecks(OPTIONS)
      .map(({ script }) => String(script))
      .join('\n')}`,
  )
const SLOW = { timeout: 90_000, interval: 300 }

it('sends the journal as frames of RFC 5425, with the rights of a temporary account, beside no other rsyslog', async () => {
  await host.apply(await wanted(OPTIONS))
  expect(await host.plan(await wanted(OPTIONS))).toEqual([])
  server = await syslogServer(AT, certificateOf('logs.test'))
  await write('order 1 ü "quoted" <b>')
  await expect.poll(textsOfShop, SLOW).toEqual(['order 1 ü "quoted" <b>'])
  expect(server.messages.find(({ app }) => app === 'shop')?.host).toBe('host-01')
  await verify()
  await expect.poll(() => server?.messages.map(({ text }) => text), SLOW).toContain('test line of provision verify')
  expect(await host.run('systemctl is-active rsyslog.service || ls /var/log/syslog 2>/dev/null || true')).toBe('inactive\n')
  const exposure = await host.run('systemd-analyze security --no-pager provision-syslog.service | tail -n 1')
  process.stdout.write(exposure)
  expect(Number(/(\d[.]\d) /.exec(exposure)?.[1]), exposure).toBeLessThan(1.6)
})

it('keeps messages on disk while the server is away, also over a restart, and then sends all of them', async () => {
  const since = (await host.run('date +%s')).trim()
  await server?.close()
  // TCP loses what is sent before the end of a connection is noticed.
  await write('the last one')
  await expect
    .poll(() => host.run(`journalctl -q -u provision-syslog --since @${since} -o cat --no-pager | grep -c "cannot connect" || true`), SLOW)
    .not.toBe('0\n')
  await host.run(
    'for i in $(seq 1 3000); do echo "line $i of many that fill the memory of the queue and then files on the disk"; done | systemd-cat -t shop',
  )
  await expect.poll(() => host.run('ls /var/log/provision-syslog/ | grep -c "^buffer[.]0" || true'), SLOW).not.toBe('0\n')
  await host.run('systemctl restart provision-syslog')
  await expect(verify()).rejects.toThrow('the server does not accept it')
  server = await syslogServer(AT, certificateOf('logs.test'))
  const lines = () => new Set(textsOfShop().flatMap((text) => /^line (\d+) /.exec(text)?.[1] ?? [])).size
  await expect.poll(lines, SLOW).toBe(3000)
  await verify()
})

it('sends nothing to a server with the certificate of another name', async () => {
  await server?.close()
  server = await syslogServer(AT, certificateOf('other.test'))
  await write('for the right server only')
  await expect(verify()).rejects.toThrow('the server does not accept it')
  expect(server.messages).toEqual([])
})

it('is gone with its option, and its buffer too', async () => {
  await host.apply(await wanted(undefined))
  expect(await host.plan(await wanted(undefined))).toEqual([])
  const rest =
    'ls -d /etc/rsyslog.d/provision-syslog* /etc/systemd/system/provision-syslog* /var/log/provision-syslog /var/log/private/provision-syslog 2>/dev/null; true'
  expect(await host.run(rest)).toBe('')
  expect(await host.run('systemctl is-active provision-syslog.service || true')).toBe('inactive\n')
})
