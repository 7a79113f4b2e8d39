import { X509Certificate } from 'node:crypto'
import { canonicalAddress } from '../../ip-address.ts'
import { sh } from '../../shell/sh.ts'
import { ABSENT, type InodeState, inodeWord } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'
import type { ObservedPath } from '../kind/walk.ts'

/** Content of a certificate. */
export interface Leaf {
  /** The file: the certificate and its chain. */
  readonly pem: string
  /** SHA-256 as `AB:CD:…`. */
  readonly fingerprint: string
  /** The issuer field. */
  readonly issuer: string
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
  readonly placeholder: boolean
  /** The account or authority that issued it to provision; undefined if somebody else installed it. */
  readonly account: string | undefined
  /** SHA-256 of the key file when provision installed the pair; undefined if somebody else installed it. */
  readonly keyDigest: string | undefined
  readonly keyType: string | undefined
  /** `client`, `server`, or the object identifier of another usage; sorted. */
  readonly usages: readonly string[]
}

/** A certificate and its private key on a host. The private key itself is never read. */
export interface CertificateState {
  readonly chain: InodeState
  readonly key: InodeState
  /** Undefined if the file is missing or not a certificate. */
  readonly leaf: Leaf | undefined
  /** SHA-256 of both files; undefined if one is missing. */
  readonly chainDigest: string | undefined
  readonly keyDigest: string | undefined
  /** Whether a check on the host recorded that the authority revoked it. */
  readonly revoked: boolean
  /** Time of renewal that its authority suggests (RFC 9773), as a check on the host recorded it; milliseconds since 1970. */
  readonly renewFrom?: number
}

/** Suffix of a file beside the chain: SHA-256 fingerprints of revoked certificates, one per line. */
export const REVOKED = '.revoked'

/** Suffix of a file beside the chain: its SHA-256 fingerprint, and the time of renewal that the authority suggests, in seconds since 1970. */
export const RENEWAL = '.renewal'

/** Organization of a certificate that only lets a service start until the first certificate is issued. */
export const PLACEHOLDER = 'provision placeholder'

/** First line of an issued chain. PEM allows text outside of its blocks. */
export const headerOf = (account: string): string => `# issued through ${account}`

/** Begins a line of every installed chain: the digest of its private key. */
export const KEY_HEADER = '# key sha256 '

/** Observes certificates by shared queries only, without a process. Of a private key, only its digest is read. */
export const observeCertificates = (paths: readonly string[]): KindQuery<CertificateState> => ({
  shared: {
    inodes: paths.flatMap((path) => [path, `${path}.key`]),
    guarded: paths,
    digests: paths.flatMap((path) => [path, `${path}.key`]),
    texts: paths.flatMap((path) => [path, `${path}${REVOKED}`, `${path}${RENEWAL}`]),
  },
  script: sh``,
  parse: (_, answers) =>
    new Map(
      paths.map((path) => {
        const leaf = readLeaf((answers.texts.get(path) ?? []).map((line) => `${line}\n`).join(''))
        const renewFrom = leaf === undefined ? undefined : momentIn(answers.texts.get(`${path}${RENEWAL}`) ?? [], leaf.fingerprint)
        const state = {
          chain: inodeAt(answers, path),
          key: inodeAt(answers, `${path}.key`),
          leaf,
          chainDigest: answers.digests.get(path),
          keyDigest: answers.digests.get(`${path}.key`),
          revoked: leaf !== undefined && (answers.texts.get(`${path}${REVOKED}`) ?? []).includes(leaf.fingerprint),
          ...(renewFrom !== undefined && { renewFrom }),
        }
        return [path, state]
      }),
    ),
})

/** The moment that is recorded for a certificate with this fingerprint. */
const momentIn = (lines: readonly string[], fingerprint: string): number | undefined => {
  const [of, seconds = ''] = lines[0]?.split(' ') ?? []
  return of === fingerprint && /^[0-9]{1,11}$/.test(seconds) ? Number(seconds) * 1000 : undefined
}

/** Both files as they were observed, for the script that writes them. */
export const observedPair = (path: string, { chain, key, chainDigest, keyDigest }: CertificateState): readonly ObservedPath[] => [
  { path, inode: inodeWord(chain), sha256: chainDigest },
  { path: `${path}.key`, inode: inodeWord(key), sha256: keyDigest },
]

/** Mode of a private key, depending on the group that may read it. */
export const keyModeOf = (group: string): string => (group === 'root' ? '600' : '640')

/**
 * Whether certificate and private key exist and match. Matched by the digest recorded at installation; a pair that others installed is
 * assumed to match.
 */
export const isPair = ({ chain, key, leaf, keyDigest }: CertificateState): boolean => {
  if (chain === ABSENT || chain.type !== 'f' || key === ABSENT || key.type !== 'f' || leaf === undefined) return false
  return leaf.keyDigest === undefined || leaf.keyDigest === keyDigest
}

/** Extended key usages (RFC 5280, 4.2.1.12), which node:crypto returns as `keyUsage`. */
const USAGES: ReadonlyMap<string, string> = new Map([
  ['1.3.6.1.5.5.7.3.1', 'server'],
  ['1.3.6.1.5.5.7.3.2', 'client'],
])

const readLeaf = (chain: string): Leaf | undefined => {
  if (!chain.includes('-----BEGIN')) return undefined
  try {
    const certificate = new X509Certificate(chain)
    const [from, to] = [certificate.validFromDate.getTime(), certificate.validToDate.getTime()]
    if (Number.isNaN(from) || Number.isNaN(to)) return undefined
    return {
      pem: chain,
      fingerprint: certificate.fingerprint256,
      issuer: certificate.issuer,
      names: namesOf(certificate.subjectAltName ?? ''),
      from,
      to,
      placeholder: certificate.subject?.split('\n').includes(`O=${PLACEHOLDER}`) ?? false,
      account: /^# issued through (\S+)$/m.exec(chain)?.[1],
      keyDigest: new RegExp(`^${KEY_HEADER}([0-9a-f]{64})$`, 'm').exec(chain)?.[1],
      keyType: certificate.publicKey.asymmetricKeyType,
      usages: (certificate.keyUsage ?? []).map((id) => USAGES.get(id) ?? id).sort(),
    }
  } catch {
    return undefined
  }
}

/** Splits `DNS:a.example, IP Address:192.0.2.1`. Other types keep their prefix, so they differ from every desired name. */
const namesOf = (subjectAltName: string): readonly string[] =>
  subjectAltName
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => canonicalAddress(name.replace(/^IP Address:/, '')) ?? name.replace(/^DNS:/, '').toLowerCase())
    .sort()
