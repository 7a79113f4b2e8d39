import { stat } from 'node:fs/promises'
import { readNamed } from '../../disk/read.ts'
import { Problem } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import { fingerprint, typeOf } from '../known-hosts/known-hosts.ts'
import { loadSsh2 } from './ssh2.ts'

/** The part of a key file that can be read without its passphrase. */
export interface KeyFile {
  readonly path: string
  /** The private key; undefined if only the public half exists. */
  readonly text?: string
  /** Whether the private key needs a passphrase. */
  readonly encrypted?: boolean
  /** The public half in SSH's wire format, from the file or from the .pub beside it. */
  readonly publicKey?: Buffer | undefined
  /** Whether the private key is on a security token (FIDO). */
  readonly isOnToken?: boolean | undefined
  /** The reason why the private key can be used from an agent only. */
  readonly unusable?: Problem | undefined
}

const wrong = (path: string, what: string, fix: string, why?: string): Problem =>
  new Problem({ class: 'input', where: { file: path }, what, fix, why })

/**
 * Reads a key file. It may be a public key, or the path of a private key if only `PATH.pub` exists: then the agent has the private half.
 * Throws a `Problem` if it is missing, readable by others, or no key.
 */
export const readKeyFile = async (path: string): Promise<KeyFile> => {
  const beside = await publicKeyIn(`${path}.pub`)
  const text = await textOf(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && beside !== undefined) return undefined
    if (error.code === 'ENOENT')
      throw wrong(
        path,
        'key file does not exist',
        `correct the path, or create the key: ssh-keygen -t ed25519 -f ${path} (provision lab up creates that of a lab)`,
      )
    if (error.code === 'EISDIR') throw wrong(path, 'key file is a directory', 'name the private key file in it')
    throw wrong(path, `key file cannot be read (${error.code})`, 'let your account read the file (chmod, chown)')
  })
  const publicKey = text === undefined ? beside : publicKeyOf(text)
  if (text === undefined || publicKey !== undefined) {
    return { path, publicKey, ...(onToken(publicKey) && token(path)) }
  }
  const { mode, uid } = await stat(path)
  if (uid === process.getuid?.() && (mode & 0o077) !== 0)
    throw wrong(path, 'private key is readable by other accounts', `run: chmod 600 ${path}, and consider replacing the key`)
  return privateKey(path, text, beside)
}

/** The problem of a key file that has only the public half, if the agent does not have the private one. */
export const withoutPrivateHalf = ({ path }: KeyFile, agentState: string): Problem =>
  wrong(
    path,
    'key file contains a public key, and the agent does not have its private key',
    'load the private key into your agent (ssh-add), or name the private key file, without .pub',
    agentState,
  )

const privateKey = (path: string, text: string, beside: Buffer | undefined): KeyFile => {
  const fromAgentOnly = (what: string, fix: string): KeyFile => ({ path, publicKey: beside, unusable: wrong(path, what, fix) })
  if (/BEGIN (ENCRYPTED )?PRIVATE KEY/.test(text))
    return fromAgentOnly(
      'key file has the format PKCS#8, which is not supported',
      `convert a copy to the format of OpenSSH: ssh-keygen -p -f ${path}`,
    )
  const header = openSshHeader(text)
  if (onToken(header?.publicKey)) return { path, ...token(path) }
  if (header && typeOf(header.publicKey) === undefined)
    return fromAgentOnly('key file is damaged', 'restore it from a backup, or create a new key: ssh-keygen -t ed25519')
  if (!header && !/BEGIN (RSA|EC) PRIVATE KEY/.test(text))
    return fromAgentOnly('key file contains no private key', 'name an ed25519, ECDSA or RSA private key in the format of OpenSSH')
  return {
    path,
    text,
    encrypted: header ? header.cipher !== 'none' : text.includes('Proc-Type: 4,ENCRYPTED'),
    publicKey: header?.publicKey ?? beside,
  }
}

const token = (path: string): Pick<KeyFile, 'isOnToken' | 'unusable'> => ({
  isOnToken: true,
  unusable: wrong(path, 'key is on a security token (FIDO), which ssh2 cannot use', 'set transport: openssh'),
})

const onToken = (publicKey: Buffer | undefined): boolean => publicKey !== undefined && (typeOf(publicKey)?.startsWith('sk-') ?? false)

/** Keys have at most some kilobytes. */
const MAX_BYTES = 2 ** 20

const textOf = async (path: string): Promise<string> => readNamed(path, MAX_BYTES)

const publicKeyIn = async (path: string): Promise<Buffer | undefined> => await textOf(path).then(publicKeyOf, () => undefined)

/** The key of a line `TYPE BASE64 COMMENT`; undefined for any other text. */
const publicKeyOf = (text: string): Buffer | undefined => {
  const [type, base64 = ''] = text.trimStart().split(/[ \t\r\n]+/)
  const wire = Buffer.from(base64, 'base64')
  return typeOf(wire) === type ? wire : undefined
}

/** A decrypted key. */
export interface OpenKey {
  readonly fingerprint: string
  readonly parsed: import('ssh2').ParsedKey
}

/** A key file with a private key that provision can read. */
type PrivateKeyFile = KeyFile & { readonly text: string }

const opened = new Map<string, { readonly passphrase: string | undefined; readonly text: string; readonly key: Promise<OpenKey> }>()

/** Opens a key. Throws a `Problem` if the passphrase is missing or wrong. */
export const openKey = (file: PrivateKeyFile, passphrase: Secret | undefined): Promise<OpenKey> => {
  // Decryption is slow by design, and the hosts of a site usually share a key.
  const before = opened.get(file.path)
  const words = passphrase?.reveal()
  if (before?.text === file.text && before.passphrase === words) return before.key
  const key = decrypt(file, passphrase)
  opened.set(file.path, { passphrase: words, text: file.text, key })
  return key
}

const decrypt = async (file: PrivateKeyFile, passphrase: Secret | undefined): Promise<OpenKey> => {
  const { path, text, encrypted } = file
  if (encrypted && !passphrase)
    throw wrong(
      path,
      'key is encrypted, and no passphrase is set',
      `load it into your agent: ssh-add ${path}, or set passphrase in the inventory`,
    )
  const { utils } = await loadSsh2()
  const parsed = utils.parseKey(text, passphrase?.reveal())
  if (parsed instanceof Error) {
    if (encrypted) throw wrong(path, `key cannot be decrypted: ${parsed.message}`, 'correct the passphrase')
    throw wrong(path, `key cannot be used: ${parsed.message}`, 'use an ed25519, ECDSA or RSA key')
  }
  return { fingerprint: fingerprint(parsed.getPublicSSH()), parsed }
}

// The format of OpenSSH: magic, cipher, kdf, kdf options, number of keys, public key; then the private part.
const openSshHeader = (text: string): { cipher: string; publicKey: Buffer } | undefined => {
  const body = /-----BEGIN OPENSSH PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END/.exec(text)?.[1]
  if (body === undefined) return undefined
  const bytes = Buffer.from(body, 'base64')
  let at = 'openssh-key-v1\0'.length
  const next = (): Buffer => {
    const length = at + 4 <= bytes.length ? bytes.readUInt32BE(at) : 0
    const field = bytes.subarray(at + 4, at + 4 + length)
    at += 4 + length
    return field
  }
  const cipher = next().toString('latin1')
  next()
  next()
  at += 4
  return { cipher, publicKey: next() }
}
