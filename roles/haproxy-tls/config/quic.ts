import { type Facts, Problem } from 'provision'

/** Releases whose package of HAProxy was built with QUIC. */
const WITH_QUIC: readonly string[] = ['debian 13', 'ubuntu 24.04', 'ubuntu 26.04']

/** Throws an input error if the package of the host has no HTTP/3. */
export const checkQuic = (host: string, { distribution, release }: Pick<Facts, 'distribution' | 'release'>): void => {
  if (WITH_QUIC.includes(`${distribution} ${release}`)) return
  throw new Problem({
    class: 'input',
    where: { host, role: 'haproxy-tls' },
    what: `HAProxy of ${distribution} ${release} has no HTTP/3`,
    why: 'its package was built without QUIC',
    fix: `remove \`http3\`, or upgrade the host to ${WITH_QUIC.join(', ')}`,
  })
}

/** Line of the global section. Packages with an OpenSSL that has no QUIC support need it (Debian 13, Ubuntu 24.04). */
export const QUIC_GLOBAL = 'limited-quic'

/** Lines of the frontend for sites, beside those for TCP. `ssl` is what the TCP lines have, without ALPN. */
export const quicLines = (ssl: string, ipv6: boolean): readonly string[] => [
  `bind quic4@:443${ssl} alpn h3`,
  ...(ipv6 ? [`bind quic6@:::443 v6only${ssl} alpn h3`] : []),
  `http-after-response set-header Alt-Svc 'h3=":443"; ma=86400'`,
]
