import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { decoded, encodedName, encodedRecord, nameAt, numberOf, TYPE } from '../../../../src/acme/dns/message.ts'
import { dnsRecords } from '../../../../src/acme/dns/publish.ts'
import { signatureFault, signed, type UpdateKey } from '../../../../src/acme/dns/signature.ts'
import { updatePublisher } from '../../../../src/acme/dns/update.ts'
import { Secret } from '../../../../src/secret/secret.ts'
import { freePort } from '../../roles/haproxy-tls/edge.ts'

const SECRET = Buffer.from('a secret of thirty-two bytes ...').toString('base64')
const KEY: UpdateKey = { name: 'acme.key', algorithm: 'hmac-sha256', secret: new Secret(SECRET) }
const NAME = '_acme-challenge.www.example.test'

const publisher = (port: number, key: UpdateKey = KEY) =>
  updatePublisher({ server: '127.0.0.1', port, key, waitSeconds: 0 }, 'https://ca.test/dir')

/** BIND is not a dependency of the project: without it, these tests are skipped. */
const hasBind = spawnSync('named', ['-v']).status === 0

describe.runIf(hasBind)('updates of a zone of BIND', () => {
  let directory = ''
  let port = 0
  let named: ChildProcess
  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'provision-named-'))
    port = await freePort()
    const keys = (['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const).map(
      (algorithm) => `key "${algorithm}.key" { algorithm ${algorithm}; secret "${SECRET}"; };`,
    )
    writeFileSync(
      join(directory, 'named.conf'),
      `options { directory "${directory}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; recursion no; pid-file none; session-keyfile none; dnssec-validation no; };
controls { };
key "acme.key" { algorithm hmac-sha256; secret "${SECRET}"; };
key "stranger" { algorithm hmac-sha256; secret "${SECRET}"; };
${keys.join('\n')}
zone "example.test" { type primary; file "db"; update-policy { grant acme.key wildcard *.example.test. TXT; ${keys.map((_, i) => `grant hmac-sha${[256, 384, 512][i]}.key wildcard *.example.test. TXT;`).join(' ')} }; };
`,
    )
    writeFileSync(
      join(directory, 'db'),
      '$TTL 60\n@ SOA ns h 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\nwww A 127.0.0.1\n_acme-challenge.alias CNAME moved.here\n',
    )
    named = spawn('named', ['-f', '-g', '-c', join(directory, 'named.conf')], { stdio: 'ignore' })
    for (let i = 0; i < 100; i++) {
      const socket = connect(port, '127.0.0.1')
      const isOpen = await Promise.race([
        once(socket, 'connect').then(
          () => true,
          () => false,
        ),
        sleep(200),
      ])
      socket.destroy()
      if (isOpen === true) return
      await sleep(100)
    }
    throw new Error('named does not listen')
  })
  afterAll(async () => {
    named?.kill()
    await once(named, 'exit')
    rmSync(directory, { recursive: true })
  })
  const texts = async (name: string): Promise<readonly string[]> => {
    const resolver = new Resolver()
    resolver.setServers([`127.0.0.1:${port}`])
    const found = await resolver.resolveTxt(name).catch(() => [])
    return found.map((parts) => parts.join('')).toSorted()
  }

  it('add two values of a name, and remove them', async () => {
    const records = ['one', 'two'].map((value) => ({ name: NAME, value }))
    const steps: string[] = []
    const signal = new AbortController().signal
    await dnsRecords({ publisher: publisher(port), records, doing: (what) => steps.push(what), signal }, async () =>
      expect(await texts(NAME)).toEqual(['one', 'two']),
    )
    expect(await texts(NAME)).toEqual([])
    expect(steps).toEqual(['publishing', 'publishing', 'removing', 'removing'].map((what) => `${what} ${NAME}`))
  })

  it('change the name that an alias leads to', async () => {
    const signal = new AbortController().signal
    await publisher(port).add({ name: '_acme-challenge.alias.example.test', value: 'x' }, signal)
    expect(await texts('moved.here.example.test')).toEqual(['x'])
    expect(await texts('_acme-challenge.alias.example.test')).toEqual(['x'])
  })

  it.each(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'] as const)('are signed with %s', async (algorithm) => {
    const key = { ...KEY, name: `${algorithm}.key`, algorithm }
    const record = { name: NAME, value: algorithm }
    await publisher(port, key).add(record, new AbortController().signal)
    expect(await texts(NAME)).toEqual([algorithm])
    await publisher(port, key).remove(record, new AbortController().signal)
  })

  it.each<[string, UpdateKey, string, RegExp]>([
    ['a wrong secret', { ...KEY, secret: new Secret(Buffer.from('another').toString('base64')) }, NAME, /^the secret of the key is wrong$/],
    ['an unknown key', { ...KEY, name: 'nobody' }, NAME, /does not know the key/],
    ['a key without permission', { ...KEY, name: 'stranger' }, NAME, /^REFUSED: the key may not update this name/],
  ])('are refused with %s', async (_, key, name, why) => {
    const refused = publisher(port, key).add({ name, value: 'x' }, new AbortController().signal)
    await expect(refused).rejects.toMatchObject({
      class: 'task',
      where: { resource: 'acme-account:https://ca.test/dir' },
      what: `name server 127.0.0.1 did not add a TXT record of ${name}`,
      why: expect.stringMatching(why),
    })
    expect(await texts(name)).toEqual([])
  })

  it('need a zone of the name', async () => {
    const refused = publisher(port).add({ name: '_acme-challenge.elsewhere.test', value: 'x' }, new AbortController().signal)
    await expect(refused).rejects.toMatchObject({ what: 'name server 127.0.0.1 has no zone for _acme-challenge.elsewhere.test' })
  })
})

describe('a name server', () => {
  let server: Server | undefined
  afterEach(() => void server?.close())
  const answering = async (answer: (message: Buffer) => Buffer | undefined): Promise<number> => {
    server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (chunk) => {
        const response = answer(Buffer.from(chunk.subarray(2)))
        if (response === undefined) socket.destroy()
        // In two parts, as networks deliver them.
        else {
          const all = Buffer.concat([numberOf(response.length, 2), response])
          socket.write(all.subarray(0, 1))
          setTimeout(() => socket.end(all.subarray(1)), 20)
        }
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const add = (port: number, signal = new AbortController().signal) => publisher(port).add({ name: NAME, value: 'x' }, signal)

  /** A response with the zone, or one without a signature. */
  const unsigned = (message: Buffer): Buffer => {
    const soa = encodedRecord({ name: 'example.test', type: TYPE.soa, class: 1, ttl: 1, data: Buffer.alloc(22) })
    const isQuestion = message.readUInt16BE(2) === 0
    const counts = isQuestion ? [0, 0, 1, 0] : [0, 0, 0, 0]
    const head = [message.subarray(0, 2), numberOf(0x8000, 2), ...counts.map((count) => numberOf(count, 2))]
    return Buffer.concat([...head, ...(isQuestion ? [soa] : [])])
  }

  it('is rejected without a signature', async () => {
    await expect(add(await answering(unsigned))).rejects.toMatchObject({ why: 'the response is not signed' })
  })

  it('is rejected with a damaged signature', async () => {
    const port = await answering((message) => {
      const response = unsigned(message)
      const record = encodedRecord({ name: KEY.name, type: TYPE.tsig, class: 255, ttl: 0, data: Buffer.from('abc') })
      return message.readUInt16BE(2) === 0 ? response : Buffer.concat([response.subarray(0, 10), numberOf(1, 2), record])
    })
    await expect(add(port)).rejects.toMatchObject({ why: 'the signature of the response is damaged' })
  })

  it('is rejected if another key signed', async () => {
    const other = { ...KEY, secret: new Secret(Buffer.from('other').toString('base64')) }
    const port = await answering((message) => {
      const response = unsigned(message)
      return message.readUInt16BE(2) === 0 ? response : signed(response, other, Date.now()).message
    })
    await expect(add(port)).rejects.toMatchObject({ why: 'the signature of the response is wrong' })
  })

  it.each<[string, (message: Buffer) => Buffer | undefined, RegExp]>([
    ['nothing', () => undefined, /closed the connection|ECONNRESET/],
    [
      'another question’s answer',
      (message) => Buffer.concat([numberOf((message.readUInt16BE(0) + 1) % 65_536, 2), message.subarray(2)]),
      /invalid response/,
    ],
    ['too little', () => Buffer.from('abc'), /invalid response/],
    [
      'a damaged message',
      (message) => Buffer.concat([message.subarray(0, 2), Buffer.alloc(4), numberOf(1, 2), Buffer.alloc(4)]),
      /out of range/,
    ],
  ])('that answers with %s is a problem', async (_, answer, why) => {
    await expect(add(await answering(answer))).rejects.toMatchObject({
      what: expect.stringContaining('does not answer'),
      why: expect.stringMatching(why),
    })
  })

  it('that does not exist is a problem, and so is the end of the order', async () => {
    await expect(add(await freePort())).rejects.toMatchObject({ why: expect.stringContaining('ECONNREFUSED') })
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 100)
    server = createServer(() => undefined).listen(0, '127.0.0.1')
    await once(server, 'listening')
    await expect(add((server.address() as AddressInfo).port, controller.signal)).rejects.toMatchObject({
      why: expect.stringContaining('aborted'),
    })
  })
})

describe('messages', () => {
  it('that are damaged, or whose names refer to themselves, are refused', () => {
    const loop = Buffer.concat([numberOf(1, 2), numberOf(0, 2), numberOf(1, 2), Buffer.alloc(6), Buffer.from([0xc0, 12])])
    expect(() => decoded(loop)).toThrow(RangeError)
    expect(() => nameAt(Buffer.from([3, 97]), 0)).toThrow(RangeError)
    const short = Buffer.concat([numberOf(1, 2), numberOf(0, 2), numberOf(0, 2), numberOf(1, 2), Buffer.alloc(4), encodedName('a.test')])
    expect(() => decoded(short)).toThrow(RangeError)
  })

  it('are verified by their signature and that of the request', () => {
    const message = Buffer.concat([numberOf(7, 2), Buffer.alloc(10)])
    const { message: whole } = signed(message, KEY, Date.now())
    expect(decoded(whole).additional).toMatchObject([{ name: 'acme.key', type: TYPE.tsig }])
    expect(signatureFault(whole, KEY, Buffer.from('other'))).toBe('the signature of the response is wrong')
  })
})
