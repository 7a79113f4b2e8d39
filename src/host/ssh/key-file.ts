import { readFile, stat } from 'node:fs/promises'
import { Problem } from '../../problem.ts'
import type { Secret } from '../../secret/secret.ts'
import { fingerprint, typeOf } from '../known-hosts/known-hosts.ts'
import { loadSsh2 } from './ssh2.ts'

/** A private key file: what can be said of it without its passphrase. */
export interface KeyFile {
  readonly path: string
  readonly text: string
  readonly encrypted: boolean
  /** The public half in SSH's wire format, where the file shows it. */
  readonly publicKey: Buffer | undefined
}

const wrong = (path: string, what: string, fix: string): Problem => new Problem({ class: 'input', where: { file: path }, what, fix })

/** Reads a private key file; a file that is missing, readable by others, or no key that we can use is a problem. */
export const readKeyFile = async (path: string): Promise<KeyFile> => {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT')
      throw wrong(path, 'there is no such key file', 'correct the key’s path, or make one with ssh-keygen -t ed25519')
    if (error.code === 'EISDIR') throw wrong(path, 'is a directory, not a key file', 'name the private key file itself')
    throw wrong(path, `the key file cannot be read (${error.code})`, 'make the file readable to you')
  })
  const { mode, uid } = await stat(path)
  if (uid === process.getuid?.() && (mode & 0o077) !== 0)
    throw wrong(path, 'the private key can be read by others', `chmod 600 ${path}, and consider the key known to others`)
  if (/^(ssh-|ecdsa-|sk-)/.test(text)) throw wrong(path, 'is a public key', 'name the private key file, without .pub')
  if (/BEGIN (ENCRYPTED )?PRIVATE KEY/.test(text))
    throw wrong(path, 'is a PKCS#8 key, which is not supported', `convert a copy of it to OpenSSH’s format: ssh-keygen -p -f ${path}`)
  const header = openSshHeader(text)
  const type = header && typeOf(header.publicKey)
  if (type?.startsWith('sk-'))
    throw wrong(path, 'is a key on a security token (FIDO), which is not supported', 'use an ed25519, ECDSA or RSA key')
  if (header && type === undefined)
    throw wrong(path, 'the key file is damaged', 'put a whole copy of it there, or make a new key with ssh-keygen -t ed25519')
  if (!header && !/BEGIN (RSA|EC) PRIVATE KEY/.test(text))
    throw wrong(path, 'is not a private key', 'name an ed25519, ECDSA or RSA private key in OpenSSH’s format')
  return {
    path,
    text,
    encrypted: header ? header.cipher !== 'none' : /^(Proc-Type: 4,ENCRYPTED|DEK-Info:)/m.test(text),
    publicKey: header?.publicKey,
  }
}

/** A key opened for use. */
export interface OpenKey {
  readonly path: string
  readonly fingerprint: string
  readonly parsed: import('ssh2').ParsedKey
}

const opened = new Map<string, { readonly passphrase: string | undefined; readonly text: string; readonly key: Promise<OpenKey> }>()

/** Opens a key; a missing or wrong passphrase is a problem. */
export const openKey = (file: KeyFile, passphrase: Secret | undefined): Promise<OpenKey> => {
  // Decrypting is made to be slow, and a site's hosts mostly share their key.
  const before = opened.get(file.path)
  if (before?.text === file.text && before.passphrase === passphrase?.reveal()) return before.key
  const key = decrypt(file, passphrase)
  opened.set(file.path, { passphrase: passphrase?.reveal(), text: file.text, key })
  return key
}

const decrypt = async (file: KeyFile, passphrase: Secret | undefined): Promise<OpenKey> => {
  const { path, text, encrypted } = file
  if (encrypted && !passphrase)
    throw wrong(
      path,
      'the key is encrypted, and no passphrase is given',
      `load it into your agent with ssh-add ${path}, or give its passphrase`,
    )
  const { utils } = await loadSsh2()
  const parsed = utils.parseKey(text, passphrase?.reveal())
  if (parsed instanceof Error) {
    if (encrypted) throw wrong(path, `the key cannot be decrypted: ${parsed.message}`, 'correct the passphrase')
    throw wrong(path, `the key cannot be used: ${parsed.message}`, 'use an ed25519, ECDSA or RSA key')
  }
  return { path, fingerprint: fingerprint(parsed.getPublicSSH()), parsed }
}

// OpenSSH's format: magic, cipher, kdf, kdf options, number of keys, public key; then the private part.
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
