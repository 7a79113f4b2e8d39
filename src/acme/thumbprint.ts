import { createHash, createPublicKey } from 'node:crypto'

/**
 * base64url SHA-256 of the public half of an account key in PEM (RFC 7638 section 3): with the token of a challenge it is the
 * whole answer to HTTP-01, so a balancer that knows it can answer for every order without any state.
 */
export const thumbprintOf = (accountKey: string): string => {
  const { crv, e, kty, n, x, y } = createPublicKey(accountKey).export({ format: 'jwk' })
  const members = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y }
  return createHash('sha256').update(JSON.stringify(members)).digest('base64url')
}
