import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Environment } from '../environment.ts'
import { IDENTITIES, keep, keptProblem, readKept } from '../keystore/kept.ts'
import { sealedKey } from '../keystore/sealed-key.ts'
import type { Secret } from '../secret/secret.ts'
import { thumbprintOf } from './thumbprint.ts'

/** The two files of an ACME account in a project: its encrypted key, and its public part in plain text. */
export interface AccountStore {
  /** The base64url thumbprint, read without decrypting anything; undefined until both files exist. */
  thumbprint(): string | undefined
  /** Creates the key and the public file. Uses an existing key, for example one of an interrupted run. */
  make(): Promise<void>
  /** The account's key, PEM. */
  key(): Promise<Secret>
  /** Whether an order succeeded at the trial directory, which precedes the first order of this account. */
  wasTried(): boolean
  noteTried(): void
}

export const accountStore = (root: string, env: Environment, directory: string): AccountStore => {
  const name = fileNameOf(directory)
  const publicFile = join(IDENTITIES, `${name}.json`)
  const sealed = sealedKey(root, env, name, `run: rm ${publicFile}`)

  return {
    thumbprint: () => {
      const bytes = readKept(root, publicFile)
      if (bytes === undefined) return undefined
      if (!sealed.exists()) throw sealed.lost(publicFile)
      return readPublic(bytes, directory, publicFile)
    },

    make: async () => {
      await sealed.make()
      const thumbprint = thumbprintOf((await sealed.open()).reveal())
      keep(root, publicFile, `${JSON.stringify({ directory, thumbprint }, undefined, 2)}\n`)
    },

    key: async () => {
      const found = await sealed.open()
      const bytes = readKept(root, publicFile)
      if (bytes === undefined || thumbprintOf(found.reveal()) === readPublic(bytes, directory, publicFile)) return found
      throw keptProblem(
        publicFile,
        `does not belong to the key in ${sealed.file}`,
        `delete it: rm ${publicFile}; the next run writes it from the key`,
      )
    },

    wasTried: () => parse(readKept(root, publicFile) ?? Buffer.from('')).tried === true,
    noteTried: () => {
      const known = parse(readKept(root, publicFile) ?? Buffer.from(''))
      keep(root, publicFile, `${JSON.stringify({ ...known, tried: true }, undefined, 2)}\n`)
    },
  }
}

/** `acme-letsencrypt`; for a URL, a readable part and a digest, because two URLs may not share a file. */
const fileNameOf = (directory: string): string => {
  if (/^[a-z-]+$/.test(directory)) return `acme-${directory}`
  const readable = directory.replace(/^https:\/\//, '').replaceAll(/[^A-Za-z0-9.]+/g, '-')
  return `acme-${readable.slice(0, 60)}-${createHash('sha256').update(directory).digest('hex').slice(0, 8)}`
}

const readPublic = (bytes: Uint8Array, directory: string, shown: string): string => {
  const { directory: actual, thumbprint } = parse(bytes)
  // The thumbprint becomes part of a load balancer's configuration.
  if (actual === directory && typeof thumbprint === 'string' && /^[A-Za-z0-9_-]{43}$/.test(thumbprint)) return thumbprint
  throw keptProblem(shown, `does not describe the account at ${directory}`, `delete it: rm ${shown}; the next run writes it from the key`)
}

const parse = (bytes: Uint8Array): { directory?: unknown; thumbprint?: unknown; tried?: unknown } => {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString())
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
