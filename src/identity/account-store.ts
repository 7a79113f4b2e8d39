import { createHash, createPrivateKey, generateKeyPairSync, randomUUID } from 'node:crypto'
import { linkSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { thumbprintOf } from '../acme/thumbprint.ts'
import { Problem } from '../problem.ts'
import { Secret } from '../secret.ts'
import { decrypt, encrypt } from './age.ts'
import { ensureAgeKey, loadAgeIdentities } from './age-key.ts'

/** The two files of an ACME account in a project: its key, encrypted, and beside it in the clear what everybody may know. */
export interface AccountStore {
  /** base64url thumbprint, without decrypting anything; undefined while the account has not been made whole. */
  thumbprint(): string | undefined
  /** Makes the key where there is none; where another was quicker, or a run was cut, what lies there is taken. */
  make(): Promise<void>
  /** The account's key, PEM. */
  key(): Promise<Secret>
}

type Environment = Readonly<Record<string, string | undefined>>

export const accountStore = (root: string, env: Environment, directory: string): AccountStore => {
  const keyFile = join('identities', `${fileNameOf(directory)}.age`)
  const publicFile = join('identities', `${fileNameOf(directory)}.json`)
  const at = (file: string): string => join(root, file)

  const key = async (): Promise<Secret> => {
    const bytes = readPlain(at(keyFile), keyFile)
    if (bytes === undefined) throw lostProblem(keyFile, publicFile)
    return readKey(await decrypt(bytes, loadAgeIdentities(env), { file: keyFile }), keyFile)
  }

  return {
    thumbprint: () => {
      const bytes = readPlain(at(publicFile), publicFile)
      if (bytes === undefined) return undefined
      if (readPlain(at(keyFile), keyFile) === undefined) throw lostProblem(keyFile, publicFile)
      return readPublic(bytes, directory, publicFile)
    },

    make: async () => {
      const { recipients } = await ensureAgeKey(root, env)
      if (readPlain(at(keyFile), keyFile) === undefined) {
        const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        putNew(at(keyFile), await encrypt(privateKey.export({ type: 'pkcs8', format: 'pem' }), recipients))
      }
      const thumbprint = thumbprintOf((await key()).reveal())
      put(at(publicFile), `${JSON.stringify({ directory, thumbprint }, undefined, 2)}\n`)
    },

    key: async () => {
      const found = await key()
      const bytes = readPlain(at(publicFile), publicFile)
      if (bytes === undefined || thumbprintOf(found.reveal()) === readPublic(bytes, directory, publicFile)) return found
      throw fileProblem(
        publicFile,
        `does not belong to the key in ${keyFile}`,
        `delete ${publicFile}: the next run writes it anew from the key`,
      )
    },
  }
}

/** `acme-letsencrypt`; for an address a readable part and a digest, because two addresses may not share a file. */
const fileNameOf = (directory: string): string => {
  if (/^[a-z-]+$/.test(directory)) return `acme-${directory}`
  const readable = directory.replace(/^https:\/\//, '').replaceAll(/[^A-Za-z0-9.]+/g, '-')
  return `acme-${readable.slice(0, 60)}-${createHash('sha256').update(directory).digest('hex').slice(0, 8)}`
}

/** Keys and public parts are a few hundred bytes; whatever is longer is something else. */
const MOST_BYTES = 65_536

/** A plain file's bytes, or undefined where there is nothing. Nothing else is opened: reading a named pipe would wait for ever. */
const readPlain = (path: string, shown: string): Uint8Array | undefined => {
  try {
    const found = lstatSync(path, { throwIfNoEntry: false })
    if (found === undefined) return undefined
    if (found.isFile() && found.size <= MOST_BYTES) return readFileSync(path)
  } catch (error) {
    throw fileProblem(shown, 'cannot be read', 'make it a file that you may read', error)
  }
  throw fileProblem(shown, 'is not a file of ours', 'take it from your version control or a backup again')
}

const readKey = (bytes: Uint8Array, shown: string): Secret => {
  const pem = Buffer.from(bytes).toString()
  try {
    createPrivateKey(pem)
  } catch {
    // The library's own words could quote the key.
    throw fileProblem(shown, 'holds no private key', 'take it from your version control or a backup again')
  }
  return new Secret(pem)
}

const readPublic = (bytes: Uint8Array, directory: string, shown: string): string => {
  const { directory: of, thumbprint } = parse(bytes)
  // What stands here becomes part of a balancer's configuration.
  if (of === directory && typeof thumbprint === 'string' && /^[A-Za-z0-9_-]{43}$/.test(thumbprint)) return thumbprint
  throw fileProblem(shown, `does not describe the account at ${directory}`, `delete ${shown}: the next run writes it anew from the key`)
}

const parse = (bytes: Uint8Array): { directory?: unknown; thumbprint?: unknown } => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

/** Writes a file that was not there, whole or not at all; where another was quicker, its file stays. */
const putNew = (path: string, bytes: Uint8Array): void => {
  const temporary = staged(path, bytes, 0o600)
  try {
    linkSync(temporary, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  } finally {
    rmSync(temporary, { force: true })
  }
}

const put = (path: string, text: string): void => renameSync(staged(path, text, 0o644), path)

const staged = (path: string, bytes: Uint8Array | string, mode: number): string => {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}.tmp`
  writeFileSync(temporary, bytes, { mode, flag: 'wx', flush: true })
  return temporary
}

const lostProblem = (keyFile: string, publicFile: string): Problem =>
  fileProblem(keyFile, 'is missing', `bring it back from version control or a backup, or delete ${publicFile} to have a new account made`)

const fileProblem = (file: string, what: string, fix: string, cause?: unknown): Problem =>
  new Problem(
    { class: 'input', where: { file }, what: `the identity ${what}`, ...(cause instanceof Error ? { why: cause.message } : {}), fix },
    { cause },
  )
