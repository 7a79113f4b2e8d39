import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import { file, type HostContext, Problem, projectFile, type Resource, type Secret, secret, text, z } from 'provision'
import type { Options } from '../options.ts'

/** A certificate that the user brings: its chain is a file of the project, its key a secret. */
export const ownOption = z
  .strictObject({
    chain: z
      .string()
      .min(1)
      .meta({ description: 'file of the project with the certificate and its chain, in PEM', examples: ['certificates/shop.pem'] }),
    key: secret().meta({ description: 'its private key in PEM, without a passphrase' }),
  })
  .meta({ description: 'a certificate of your own, in place of one that is ordered; it is not renewed' })

/** End of the path of a chain that the user brings. */
export const OWN = '.own.pem'

/** Path of the chain of a certificate, which begins with its first name. */
export const chainPath = ([first = '']: readonly string[], end: string): string =>
  `/etc/ssl/haproxy/${first.replace('*', 'any').replaceAll(':', '-')}${end}`

/** A certificate of the user's, with the path of its chain on the host. */
export interface OwnPair {
  readonly path: string
  readonly names: readonly string[]
  readonly chain: string
  readonly key: Secret
}

/** The certificates that the user brings. */
export const ownPairsOf = ({ certificates }: Options): readonly OwnPair[] =>
  certificates.flatMap(({ names, own }) => (own === undefined ? [] : [{ ...own, names, path: chainPath(names, OWN) }]))

/** Chain and key on the host. Throws an input error for a pair that HAProxy or browsers would refuse, and warns of one that expires soon. */
export const ownResources = (pair: OwnPair, context: HostContext<Options>): readonly Resource[] => {
  const { path, names, chain, key } = pair
  const content = projectFile(context, chain, 'add the file, or correct `own.chain`')
  const wrong = (what: string, fix: string): Problem => new Problem({ class: 'input', where: { file: chain }, what, fix })
  const certificates = certificatesIn(content.open().toString())
  const [leaf, ...above] = certificates
  if (leaf === undefined) throw wrong('no certificate in PEM', 'write the certificate first, and then the chain of its authority')
  const missing = names.filter((name) => !isFor(leaf, name))
  if (missing.length > 0)
    throw wrong(`the certificate is not for ${missing.join(', ')}`, 'remove the names from this entry, or take another certificate')
  if (!leaf.checkPrivateKey(keyIn(key, wrong))) throw wrong('the key is not that of the certificate', 'correct `own.key` or `own.chain`')
  const disordered = certificates.findIndex((one, i) => i > 0 && certificates[i - 1]?.checkIssued(one) !== true)
  if (disordered > 0)
    throw wrong(
      `certificate ${disordered + 1} of the chain has not signed the one before it`,
      'order the chain from the certificate to its authority',
    )
  const days = Math.floor((Date.parse(leaf.validTo) - Date.now()) / 86_400_000)
  if (days < 0) throw wrong(`the certificate expired on ${dayOf(leaf)}`, 'take a new one')
  if (days < SOON) context.warn(`the certificate in ${chain} expires on ${dayOf(leaf)}; replace it`)
  if (above.length === 0 && leaf.issuer !== leaf.subject)
    context.warn(`${chain} has no certificate of the authority ${leaf.issuer.replaceAll('\n', ', ')}; browsers may refuse it`)
  return [file({ path, content }), file({ path: `${path}.key`, mode: '600', content: text`${key}\n` })]
}

/** Number of days before the end of a certificate in which a plan warns. */
const SOON = 30

const dayOf = ({ validTo }: X509Certificate): string => new Date(validTo).toISOString().slice(0, 10)

const certificatesIn = (pem: string): readonly X509Certificate[] =>
  (pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).flatMap((one) => {
    try {
      return [new X509Certificate(one)]
    } catch {
      return []
    }
  })

const keyIn = (key: Secret, wrong: (what: string, fix: string) => Problem): KeyObject => {
  try {
    return createPrivateKey(key.reveal())
  } catch {
    // OpenSSL's own words could quote the key.
    throw wrong('`own.key` is not a private key in PEM without a passphrase', 'write the whole key, with its BEGIN and END lines')
  }
}

/** Whether a certificate is for a name; a wildcard needs the same wildcard. */
const isFor = (certificate: X509Certificate, name: string): boolean =>
  isIP(name) !== 0
    ? certificate.checkIP(name) !== undefined
    : name.startsWith('*.')
      ? (certificate.subjectAltName ?? '').split(', ').includes(`DNS:${name}`)
      : certificate.checkHost(name, { partialWildcards: false }) !== undefined
