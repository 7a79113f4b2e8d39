import { createHash, createPublicKey } from 'node:crypto'

/**
 * The base64url SHA-256 of the public half of an account key in PEM (RFC 7638 section 3). Together with the token of a challenge it is the
 * answer to HTTP-01, so a load balancer that has it can answer every order without state.
 */
export const thumbprintOf = (accountKey: string): string => {
  const { crv, e, kty, n, x, y } = createPublicKey(accountKey).export({ format: 'jwk' })
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
