const CIPHERSUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

/** Mozilla's profiles, version 5.7. Intermediate omits DHE ciphers, because clients with TLS 1.2 and GCM do not need them. */
export const TLS = {
  intermediate: [
    'ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305',
    `ssl-default-bind-ciphersuites ${CIPHERSUITES}`,
    'ssl-default-bind-curves X25519:P-256:P-384',
    'ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets',
  ],
  modern: [
    `ssl-default-bind-ciphersuites ${CIPHERSUITES}`,
    'ssl-default-bind-curves X25519:P-256:P-384',
    'ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets',
  ],
} as const

/** TLS 1.3 only for connections to the web servers, which provision manages. */
export const TO_SERVERS = [`ssl-default-server-ciphersuites ${CIPHERSUITES}`, 'ssl-default-server-options ssl-min-ver TLSv1.3'] as const
