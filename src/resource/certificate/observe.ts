import { X509Certificate } from 'node:crypto'
import { ABSENT, type InodeState } from '../kind/inode.ts'
import type { KindQuery } from '../kind/kind.ts'
import { inodeAt } from '../kind/queries.ts'

/** What a certificate says of itself. */
export interface Leaf {
  /** The certificate as it lies there, with what signs it. */
  readonly pem: string
  /** SHA-256, in pairs of capital hexadecimal digits with colons between. */
  readonly fingerprint: string
  /** The name of who says to have signed it. */
  readonly issuer: string
  readonly names: readonly string[]
  /** Milliseconds since 1970. */
  readonly from: number
  readonly to: number
  readonly placeholder: boolean
  /** Through which account or authority we obtained it; undefined when somebody else put it there. */
  readonly account: string | undefined
  /** SHA-256 of the file with its private key, as it was when we installed the two; undefined when somebody else put it there. */
  readonly keyDigest: string | undefined
  readonly keyType: string | undefined
  /** `client`, `server`, or the object identifier of another use; sorted. */
  readonly usages: readonly string[]
}

/** A certificate and its private key as they lie on a host. The private key is never read. */
export interface CertificateState {
  readonly chain: InodeState
  readonly key: InodeState
  /** Undefined where there is no certificate, or nothing that can be read as one. */
  readonly leaf: Leaf | undefined
  /** SHA-256 of the private key's file; undefined where there is none. */
  readonly keyDigest: string | undefined
  /** Whether somebody on the host found out that its authority has revoked it. */
  readonly revoked: boolean
}

/** Beside a chain: the SHA-256 fingerprints of certificates that were found to be revoked, a line each. */
export const REVOKED = '.revoked'

/** Marks a certificate that only keeps a service running until the first real one is there. */
export const PLACEHOLDER = 'provision placeholder'

/** First line of a chain that we had issued: PEM lets text stand outside of its blocks. */
export const headerOf = (account: string): string => `# issued through ${account}`

/** A line of every chain that we installed: which private key it was seen to belong to. */
export const KEY_HEADER = '# key sha256 '

/** Asks nothing of its own, so any number of certificates costs no process: of a private key only its digest is ever seen. */
export const observeCertificates = (paths: readonly string[]): KindQuery<CertificateState> => ({
  shared: {
    inodes: paths.flatMap((path) => [path, `${path}.key`]),
    guarded: paths,
    digests: paths.map((path) => `${path}.key`),
    texts: paths.flatMap((path) => [path, `${path}${REVOKED}`]),
  },
  script: '',
  parse: (_, answers) =>
    new Map(
      paths.map((path) => {
        const leaf = readLeaf((answers.texts.get(path) ?? []).map((line) => `${line}\n`).join(''))
        const state = {
          chain: inodeAt(answers, path),
          key: inodeAt(answers, `${path}.key`),
          leaf,
          keyDigest: answers.digests.get(`${path}.key`),
          revoked: leaf !== undefined && (answers.texts.get(`${path}${REVOKED}`) ?? []).includes(leaf.fingerprint),
        }
        return [path, state]
      }),
    ),
})

/** The mode of a private key, by the group that may read it. */
export const keyModeOf = (group: string): string => (group === 'root' ? '600' : '640')

/**
 * Whether there is a certificate, a private key, and the two belong together. We saw to that when we installed them, and wrote
 * it down; what others installed is theirs to answer for.
 */
export const isPair = ({ chain, key, leaf, keyDigest }: CertificateState): boolean => {
  if (chain === ABSENT || chain.type !== 'f' || key === ABSENT || key.type !== 'f' || leaf === undefined) return false
  return leaf.keyDigest === undefined || leaf.keyDigest === keyDigest
}

/** Extended key usages (RFC 5280, 4.2.1.12), which is what node:crypto gives for its "key usage". */
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

/** `DNS:a.example, DNS:b.example` as a list; what is no DNS name stays with its prefix, so that it differs from any wanted name. */
const namesOf = (subjectAltName: string): readonly string[] =>
  subjectAltName
    .split(', ')
    .filter((name) => name !== '')
    .map((name) => name.replace(/^DNS:/, '').toLowerCase())
    .sort()
