import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { get } from 'node:https'
import { join } from 'node:path'
import { makeDirectory, PRIVATE } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { execute } from './machine/execute.ts'
import { servicesOf, startService, stopService } from './service.ts'
import { type LabSpec, type Layout, layoutOf, ofFamily } from './spec.ts'
import { userSide } from './user-side.ts'

/** The test certificate authority: its ACME directory, and the PEM files that verify the directory and the issued certificates. */
export interface Authority {
  readonly directory: string
  /** PEM of the CA of the directory's own HTTPS certificate, for ACME clients. */
  readonly directoryCaFile: string
  /** PEM of all its roots, for clients of the site. It creates a new root at every start. */
  readonly caFile: string
}

const DIRECTORY_CA = 'authority.pem'
const ROOTS = 'roots.pem'

/** The lab's certificate authority, whether or not it runs. */
export const authorityOf = (layout: Layout): Authority => ({
  directory: `https://${bridge(layout)}:14000/dir`,
  directoryCaFile: join(layout.directory, DIRECTORY_CA),
  caFile: join(layout.directory, ROOTS),
})

/** Starts pebble and its name server, which resolves every name to the first host's addresses unless `spec.names` differs. */
export const startAuthority = async (spec: LabSpec, toolsDirectory: string): Promise<void> => {
  const layout = layoutOf(spec)
  const address = layout.gateways[0]?.address ?? ''
  const all = spec.hosts[0]?.addresses ?? []
  await createCertificate(spec)
  const names = [
    join(toolsDirectory, 'usr/bin/pebble-challtestsrv'),
    ...['-defaultIPv4', ofFamily(4, all)[0] ?? '', '-defaultIPv6', ofFamily(6, all)[0] ?? ''],
    ...['-dns01', `${bridge(layout)}:53`, '-management', `${bridge(layout)}:8055`],
    ...['-http01', '', '-https01', '', '-tlsalpn01', ''],
  ]
  if (await startService(layout, { name: 'names', argv: names, address, ports: [53, 8055] })) await registerNames(spec)
  const configuration = join(servicesOf(layout), 'authority', 'pebble.json')
  writeWhole(configuration, JSON.stringify(pebbleConfiguration(layout, spec), null, 2), { mode: 0o644 })
  const argv = [join(toolsDirectory, 'usr/bin/pebble'), '-config', configuration, '-dnsserver', `${bridge(layout)}:53`]
  // By default, pebble waits before each validation and rejects 5 % of all nonces to test clients. (At 20 %, a client with six attempts
  // failed once in some thousand requests.)
  const env: Record<string, string> = spec.faults
    ? { PEBBLE_VA_SLEEPTIME: '3', PEBBLE_WFE_NONCEREJECT: '5' }
    : { PEBBLE_VA_NOSLEEP: '1', PEBBLE_WFE_NONCEREJECT: '0' }
  await startService(layout, { name: 'authority', argv, env, address, ports: [14000, 15000] })
  await keepRoot(spec)
}

const bridge = (layout: Layout) => {
  const address = layout.gateways[0]?.address ?? ''
  return address.includes(':') ? `[${address}]` : address
}

const pebbleConfiguration = (layout: Layout, { certificateSeconds = 90 * 86_400 }: LabSpec) => ({
  pebble: {
    listenAddress: `${bridge(layout)}:14000`,
    managementListenAddress: `${bridge(layout)}:15000`,
    certificate: join(servicesOf(layout), 'authority', 'server.pem'),
    privateKey: join(servicesOf(layout), 'authority', 'server.key'),
    httpPort: 80,
    tlsPort: 443,
    certificateValidityPeriod: certificateSeconds,
    ocspResponderURL: '',
    externalAccountBindingRequired: false,
  },
})

// pebble ships without a certificate. The CA's key is deleted at once, so that nothing else can be signed with it.
const createCertificate = async (spec: LabSpec) => {
  const layout = layoutOf(spec)
  const directory = join(servicesOf(layout), 'authority')
  const side = userSide(spec)
  makeDirectory(directory, PRIVATE)
  const ca = await verifiedBy(join(directory, 'ca.pem'), join(directory, 'server.pem'))
  if (ca !== undefined) {
    if (side.read(DIRECTORY_CA) !== ca) side.write(DIRECTORY_CA, ca)
    return
  }
  const names = layout.gateways.map(({ address }) => `IP:${address}`).join(',')
  const script = `set -e; cd "$1"; umask 077
    key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
    key ca.key; key server.key
    openssl req -new -x509 -key ca.key -days 3650 -subj "/CN=provision lab $2: directory" -out ca.pem
    openssl req -new -key server.key -subj /CN=pebble -out server.csr
    printf 'subjectAltName=%s\\nextendedKeyUsage=serverAuth\\n' "$3" > server.ext
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile server.ext -out server.pem
    rm -f ca.key ca.srl server.csr server.ext`
  await execute(['sh', '-c', script, 'sh', directory, spec.name, names])
  side.write(DIRECTORY_CA, await readFile(join(directory, 'ca.pem'), 'utf8'))
  // A running pebble still has the old certificate.
  await stopService(layout, 'authority')
}

/** The CA that signed the certificate, if the certificate is valid for at least another month. */
const verifiedBy = async (caFile: string, certificateFile: string): Promise<string | undefined> => {
  const [ca, certificate] = await Promise.all([caFile, certificateFile].map((file) => readFile(file, 'utf8').catch(() => undefined)))
  if (!ca || !certificate) return undefined
  const server = new X509Certificate(certificate)
  const isValid = server.verify(new X509Certificate(ca).publicKey) && new Date(server.validTo).getTime() > Date.now() + 30 * 86_400_000
  return isValid ? ca : undefined
}

const keepRoot = async (spec: LabSpec) => {
  const layout = layoutOf(spec)
  const ca = await readFile(join(servicesOf(layout), 'authority', 'ca.pem'))
  const root = await fetchText(`https://${bridge(layout)}:15000/roots/0`, ca)
  const side = userSide(spec)
  const kept = side.read(ROOTS) ?? ''
  if (!kept.includes(root.trim())) side.write(ROOTS, `${kept}${root.trim()}\n`)
}

const fetchText = (url: string, ca: Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const request = get(url, { ca, agent: false, timeout: 10_000 }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => (response.statusCode === 200 ? resolve(text) : reject(new Error(`${url} answered ${response.statusCode}`))))
    })
    request.on('timeout', () => request.destroy(new Error(`${url} did not answer`)))
    request.on('error', reject)
  })

const registerNames = async (spec: LabSpec) => {
  for (const [name, address] of Object.entries(spec.names ?? {})) {
    const path = address.includes(':') ? 'add-aaaa' : 'add-a'
    const body = JSON.stringify({ host: `${name}.`, addresses: [address] })
    await fetch(`http://${bridge(layoutOf(spec))}:8055/${path}`, { method: 'POST', body })
  }
}
