import type { Algorithms } from 'ssh2'

type HostKeyAlgorithms = NonNullable<Extract<Algorithms['serverHostKey'], readonly unknown[]>>

/** Accepted types of host keys, best first, with their signature algorithms. SHA-1 and DSA are excluded. */
const SIGNATURES = {
  'ssh-ed25519': ['ssh-ed25519'],
  'ecdsa-sha2-nistp256': ['ecdsa-sha2-nistp256'],
  'ecdsa-sha2-nistp384': ['ecdsa-sha2-nistp384'],
  'ecdsa-sha2-nistp521': ['ecdsa-sha2-nistp521'],
  'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'],
} as const satisfies Record<string, HostKeyAlgorithms>

export type HostKeyType = keyof typeof SIGNATURES

export const HOST_KEY_TYPES = Object.keys(SIGNATURES) as readonly HostKeyType[]

/**
 * The algorithms to offer to a server. Key types that known_hosts has for it come first. Otherwise a server with several keys could show an
 * unknown one, which looks like an attack.
 */
export const algorithmsFor = (known: readonly string[]): Algorithms =>
  only(HOST_KEY_TYPES.toSorted((a, b) => rank(known, a) - rank(known, b)))

/**
 * Returns the settings of ssh's configuration (KexAlgorithms, Ciphers, HostKeyAlgorithms) that name none of these algorithms.
 * `get` returns the values of a setting, as ssh prints them.
 */
export const lackingAlgorithms = (get: (name: string) => string | undefined): readonly string[] => {
  const ours = only(HOST_KEY_TYPES)
  const settings = { KexAlgorithms: ours.kex, Ciphers: ours.cipher, HostKeyAlgorithms: ours.serverHostKey }
  return Object.entries(settings).flatMap(([name, list]) => {
    const wanted = get(name.toLowerCase())?.split(',')
    return wanted === undefined || wanted.some((one) => (list as readonly string[]).includes(one)) ? [] : [`${name} ${wanted.join(',')}`]
  })
}

/** The same algorithms with these types of host keys only. */
export const only = (types: readonly HostKeyType[]): Algorithms => ({
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group-exchange-sha256',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group14-sha256',
  ],
  // GCM uses node:crypto. Without the native addon, chacha20 is WebAssembly.
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com', 'aes256-ctr', 'aes192-ctr', 'aes128-ctr'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-512-etm@openssh.com', 'hmac-sha2-256', 'hmac-sha2-512'],
  compress: ['none'],
  serverHostKey: types.flatMap((type) => SIGNATURES[type]),
})

const rank = (known: readonly string[], type: HostKeyType): number => (known.includes(type) ? 0 : 1)
