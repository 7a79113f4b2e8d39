import type { Options } from '../options.ts'
import { chainPath, ownPairsOf } from './own.ts'

/** The ordered certificates and their paths: one for each type of key. HAProxy chooses one of them for each client. */
export const certificatesOf = ({ certificates, acme }: Options) =>
  certificates
    .filter(({ own }) => own === undefined)
    .flatMap(({ names, key, profile = acme.profile }) =>
      (key === 'both' ? (['ecdsa', 'rsa'] as const) : [key]).map((keyType) => ({
        ...{ path: chainPath(names, key === 'both' ? `.${keyType}.pem` : '.pem'), names, keyType },
        ...(profile !== undefined && { profile }),
      })),
    )

/** Paths of all chains, in the order of the options. */
export const pathsOf = ({ certificates, ...options }: Options): readonly string[] =>
  certificates.flatMap((one) => {
    const alone = { ...options, certificates: [one] }
    return [...ownPairsOf(alone), ...certificatesOf(alone)].map(({ path }) => path)
  })

/** The account of the options. */
export const accountOf = ({ directory, contact, ca_file, dns_hook, dns_update, external_account, try_first }: Options['acme']) => ({
  ...{ directory, contact, caFile: ca_file, dnsHook: dns_hook, tryFirst: try_first },
  dnsUpdate:
    dns_update === undefined
      ? undefined
      : { server: dns_update.server, port: dns_update.port, key: dns_update.key, waitSeconds: dns_update.wait_seconds },
  externalAccount: external_account === undefined ? undefined : { kid: external_account.kid, hmacKey: external_account.hmac_key },
})
