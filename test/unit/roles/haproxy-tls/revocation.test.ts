import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { declaredBy, textOf } from './balancer.ts'
import { freePort } from './edge.ts'

const files = mkdtempSync(join(tmpdir(), 'provision-revocation-'))
const ssl = join(files, 'ssl')
/** The list is signed by the authority, or by another one. */
let isForged = false
const lists = createServer((_, response) => {
  const list = readFileSync(join(files, isForged ? 'forged.crl' : 'ca.crl'))
  response.writeHead(200, { 'Content-Length': list.length, Connection: 'close' }).end(list)
})
let responder: ReturnType<typeof spawn> | undefined

const openssl = (...words: readonly string[]): string =>
  execFileSync('openssl', words, { cwd: files, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

/** An authority with its database, and certificates that name its list or its responder. */
beforeAll(async () => {
  mkdirSync(ssl)
  lists.listen(0, '127.0.0.1')
  await once(lists, 'listening')
  const [list, ocsp] = [(lists.address() as AddressInfo).port, await freePort()]
  for (const ca of ['ca', 'forged']) {
    mkdirSync(join(files, `${ca}.db`))
    for (const [name, text] of Object.entries({ index: '', serial: '01\n', crlnumber: '01\n' }))
      writeFileSync(join(files, `${ca}.db`, name), text)
    writeFileSync(
      join(files, `${ca}.conf`),
      `[ca]\ndefault_ca=a\n[a]\ndatabase=${ca}.db/index\nnew_certs_dir=${ca}.db\nserial=${ca}.db/serial\ncrlnumber=${ca}.db/crlnumber\ncertificate=${ca}.pem\nprivate_key=${ca}.key
default_md=sha256\ndefault_days=9\ndefault_crl_days=9\npolicy=p\n[p]\ncommonName=supplied\n[list]\ncrlDistributionPoints=URI:http://127.0.0.1:${list}/crl\n[responder]\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:${ocsp}\n[none]\nbasicConstraints=CA:FALSE\n`,
    )
    openssl(
      'req',
      '-x509',
      ...NEW_KEY,
      '-keyout',
      `${ca}.key`,
      '-out',
      `${ca}.pem`,
      '-subj',
      '/CN=ca',
      '-addext',
      'keyUsage=critical,keyCertSign,cRLSign,digitalSignature',
    )
  }
  const cases = {
    'list-revoked': 'list',
    'list-good': 'list',
    'responder-revoked': 'responder',
    'responder-good': 'responder',
    none: 'none',
  }
  for (const [name, by] of Object.entries(cases)) {
    openssl('req', '-new', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`)
    openssl('ca', '-batch', '-notext', '-config', 'ca.conf', '-extensions', by, '-in', `${name}.csr`, '-out', `${name}.pem`)
    if (name.endsWith('revoked')) openssl('ca', '-config', 'ca.conf', '-revoke', `${name}.pem`)
    writeFileSync(join(ssl, `${name}.pem`), readFileSync(join(files, `${name}.pem`), 'utf8') + readFileSync(join(files, 'ca.pem'), 'utf8'))
  }
  // The other authority claims that the good certificate is revoked.
  openssl('ca', '-config', 'forged.conf', '-revoke', 'list-good.pem')
  for (const ca of ['ca', 'forged']) {
    openssl('ca', '-config', `${ca}.conf`, '-gencrl', '-out', `${ca}.crl.pem`)
    openssl('crl', '-in', `${ca}.crl.pem`, '-outform', 'DER', '-out', `${ca}.crl`)
  }
  writeFileSync(join(ssl, 'damaged.pem'), 'damaged')
  writeFileSync(join(ssl, 'alone.pem'), readFileSync(join(files, 'list-revoked.pem')))
  const listed = ['alone', 'damaged', ...Object.keys(cases), 'missing'].map((name) => `${ssl}/${name}.pem\n`)
  writeFileSync(join(files, 'certificates.list'), listed.join(''))
  // A certificate that the options no longer contain.
  writeFileSync(join(ssl, 'removed.pem'), readFileSync(join(ssl, 'list-revoked.pem')))
  const words = ['ocsp', '-port', `${ocsp}`, '-index', 'ca.db/index', '-CA', 'ca.pem', '-rsigner', 'ca.pem', '-rkey', 'ca.key']
  responder = spawn('openssl', words, { cwd: files, stdio: ['ignore', 'pipe', 'ignore'] })
  // It says that it accepts connections. A connection without a request would block it.
  if (responder.stdout !== null) await once(responder.stdout, 'data')
}, 60_000)
afterAll(() => {
  responder?.kill()
  lists.close()
  rmSync(files, { recursive: true })
})

const check = async (): Promise<string> => {
  const script = textOf(declaredBy({ certificates: [{ names: ['www.site.test'] }] }), '/usr/local/sbin/provision-revocation')
  const scratch = join(files, 'scratch')
  mkdirSync(scratch, { recursive: true })
  const child = spawn('sh', ['-c', script.replaceAll('/etc/haproxy/certificates.list', join(files, 'certificates.list'))], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: scratch },
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  await once(child, 'close')
  expect(readdirSync(scratch)).toEqual([])
  return output
}
const fingerprint = (name: string): string =>
  openssl('x509', '-in', `${name}.pem`, '-noout', '-fingerprint', '-sha256').trim().replace(/.*=/, '')

it('records the certificates that their authority revoked, by its list or its responder, and no others', { timeout: 60_000 }, async () => {
  const output = await check()
  // Its lines are in the journal, so it prints nothing else.
  expect(output).toBe(
    ['list-revoked', 'responder-revoked']
      .map((name) => `${ssl}/${name}.pem was revoked by its authority: the next run of provision replaces it with a new key\n`)
      .join(''),
  )
  for (const name of ['list-revoked', 'responder-revoked']) {
    expect(readFileSync(join(ssl, `${name}.pem.revoked`), 'utf8')).toBe(`${fingerprint(name)}\n`)
    rmSync(join(ssl, `${name}.pem.revoked`))
  }
  expect(spawnSync('sh', ['-c', `ls ${ssl} | grep revoked$`], { encoding: 'utf8' }).stdout).toBe('')
})

it('ignores an answer that another authority signed', { timeout: 60_000 }, async () => {
  isForged = true
  await check()
  expect(['list-good', 'list-revoked'].map((name) => existsSync(join(ssl, `${name}.pem.revoked`)))).toEqual([false, false])
})
