import { createPublicKey, X509Certificate } from 'node:crypto'
import { quote } from '../quote.ts'
import { ABSENT, inodeScript, readInodes, type SeenInode } from './inode.ts'
import type { Probe } from './kind.ts'

/** What a certificate says of itself. */
export interface Leaf {
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
  readonly placeholder: boolean
  /** Through which account we obtained it; undefined when somebody else put it there. */
  readonly account: string | undefined
  /** The public key (SPKI, base64) and its sort. */
  readonly publicKey: string
  readonly keyType: string | undefined
}

/** A certificate and its private key as they lie on a host. Of the private key only the public half is ever read. */
export interface SeenCertificate {
  readonly chain: SeenInode
  readonly key: SeenInode
  /** Undefined where there is no certificate, or nothing that can be read as one. */
  readonly leaf: Leaf | undefined
  /** The public half of the private key; undefined where there is none, or no openssl to read it. */
  readonly publicKey: string | undefined
}

/** Marks a certificate that only keeps a service running until the first real one is there. */
export const PLACEHOLDER = 'provision placeholder'

/** First line of a chain that we installed: PEM lets text stand outside of its blocks. */
export const headerOf = (account: string): string => `# issued through ${account}`

/** One `find` for all, then one `base64` and one `openssl` for each pair that is there. */
export const observeCertificates = (paths: readonly string[]): Probe<SeenCertificate> => ({
  script: `${inodeScript(paths.flatMap((path) => [path, `${path}.key`]))}
set -- ${paths.map(quote).join(' ')}
ssl=; command -v openssl >/dev/null && ssl=yes
for p do
  printf 'pair\\0%s\\0' "$p"
  [ ! -f "$p" ] || base64 -w0 -- "$p"
  printf '\\0'
  [ ! -f "$p.key" ] || [ ! "$ssl" ] || openssl pkey -in "$p.key" -passin pass: -pubout </dev/null
  printf '\\0'
done
`,
  parse: (stdout) => {
    const fields = stdout.toString().split('\0')
    const inodes = new Map<string, SeenInode>()
    const seen = new Map<string, SeenCertificate>()
    for (let i = readInodes(fields, inodes); fields[i] === 'pair' && i + 4 < fields.length; i += 4) {
      const [path = '', chain = '', publicKey = ''] = fields.slice(i + 1, i + 4)
      const [chainInode, keyInode] = [inodes.get(path), inodes.get(`${path}.key`)]
      if (chainInode === undefined || keyInode === undefined) throw new Error(`the host did not speak of ${path}`)
      seen.set(path, {
        chain: chainInode,
        key: keyInode,
        leaf: readLeaf(Buffer.from(chain, 'base64').toString()),
        publicKey: readPublicKey(publicKey),
      })
    }
    return seen
  },
})

/** The mode of a private key, by the group that may read it. */
export const keyModeOf = (group: string): string => (group === 'root' ? '600' : '640')

/** Whether there is a certificate, a private key, and the two belong together. */
export const fits = ({ chain, key, leaf, publicKey }: SeenCertificate): boolean =>
  chain !== ABSENT && chain.type === 'f' && key !== ABSENT && key.type === 'f' && leaf !== undefined && leaf.publicKey === publicKey

const readLeaf = (chain: string): Leaf | undefined => {
  if (!chain.includes('-----BEGIN')) return undefined
  try {
    const certificate = new X509Certificate(chain)
    return {
      names: namesOf(certificate.subjectAltName ?? ''),
      from: certificate.validFromDate.getTime(),
      to: certificate.validToDate.getTime(),
      placeholder: certificate.subject?.split('\n').includes(`O=${PLACEHOLDER}`) ?? false,
      account: /^# issued through (\S+)\n/.exec(chain)?.[1],
      publicKey: certificate.publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
      keyType: certificate.publicKey.asymmetricKeyType,
    }
  } catch {
    return undefined
  }
}

/** `DNS:a.example, DNS:b.example` as a list; what is no DNS name stays with its prefix, so that it differs from any wanted name. */
const namesOf = (subjectAltName: string): readonly string[] =>
  subjectAltName
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => name.replace(/^DNS:/, '').toLowerCase())
    .sort()

const readPublicKey = (pem: string): string | undefined => {
  if (pem === '') return undefined
  try {
    return createPublicKey(pem).export({ type: 'spki', format: 'der' }).toString('base64')
  } catch {
    return undefined
  }
}
