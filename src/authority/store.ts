import { createPublicKey, X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { Environment } from '../environment.ts'
import { IDENTITIES, keepNew, keptNames, keptProblem, RESTORE_FIX, readKept } from '../keystore/kept.ts'
import { type SealedKey, sealedKey } from '../keystore/sealed-key.ts'
import type { Secret } from '../secret/secret.ts'
import { dueOf, type Generation, generationName, readGeneration } from './generation.ts'

/** The files of an authority in a project: for each generation its encrypted key, and its certificate in plain text. */
export interface AuthorityStore {
  /** All generations, oldest first, read without decrypting anything. */
  generations(): readonly Generation[]
  /** Creates the next generation, if it is due. */
  make(now: Date): Promise<void>
  /** The key of a generation, PEM. */
  key(generation: Generation): Promise<Secret>
}

/** Part of the file name of a generation whose key is lost for good. A person renames the file to declare that. */
const LOST = '.lost'

const LIFETIME_MS = 3650 * 86_400_000

/** A generation is valid from an hour before its creation, for hosts whose clock is behind. */
const LEEWAY_MS = 3_600_000

export const authorityStore = (root: string, env: Environment, domain: string, zone: string): AuthorityStore => {
  const publicFile = (number: number, lost = false): string => join(IDENTITIES, `authority-${domain}-${number}${lost ? LOST : ''}.pem`)
  const sealed = (number: number): SealedKey =>
    sealedKey(root, env, `authority-${domain}-${number}`, `run: mv ${publicFile(number)} ${publicFile(number, true)}`)

  const generations = (): readonly Generation[] => {
    const all = keptNames(root)
      .flatMap((name) => {
        const [, digits, lost] = new RegExp(`^authority-${domain}-([1-9][0-9]{0,5})(\\${LOST})?\\.pem$`).exec(name) ?? []
        return digits === undefined ? [] : [load(Number(digits), lost !== undefined)]
      })
      .sort((a, b) => a.number - b.number)
    const twice = all.find(({ number }, i) => all[i + 1]?.number === number)
    if (twice !== undefined)
      throw keptProblem(publicFile(twice.number, true), `exists in addition to ${publicFile(twice.number)}`, 'delete one of the two files')
    const newest = all.at(-1)
    if (newest !== undefined && !newest.lost && !sealed(newest.number).exists()) throw sealed(newest.number).lost(publicFile(newest.number))
    return all
  }

  const load = (number: number, lost: boolean): Generation => {
    const file = publicFile(number, lost)
    const found = readGeneration(domain, number, Buffer.from(readKept(root, file) ?? []).toString(), lost)
    if (found !== undefined) return found
    throw keptProblem(file, `is not generation ${number} of authority ${domain}`, RESTORE_FIX)
  }

  const key = async ({ number, certificate }: Generation): Promise<Secret> => {
    const pem = await sealed(number).open()
    if (createPublicKey(pem.reveal()).equals(new X509Certificate(certificate).publicKey)) return pem
    throw keptProblem(
      publicFile(number),
      `does not belong to the key in ${sealed(number).file}`,
      'restore both files from version control or a backup',
    )
  }

  return {
    generations,
    key,
    make: async (now) => {
      const before = generations()
      if (dueOf(before, now) === undefined) return
      const newest = before.at(-1)
      const number = (newest?.number ?? 0) + 1
      await sealed(number).make()
      const { signAuthority, signerOf } = await import('./x509.ts')
      const signer = await signerOf(generationName(domain, number), (await sealed(number).open()).reveal())
      const from = new Date(now.getTime() - LEEWAY_MS)
      const own = await signAuthority(signer, signer, zone, { from, to: new Date(now.getTime() + LIFETIME_MS) })
      const crossSigned =
        newest === undefined || newest.lost || newest.to <= now.getTime()
          ? ''
          : await signAuthority(await signerOf(generationName(domain, newest.number), (await key(newest)).reveal()), signer, zone, {
              from,
              to: new Date(newest.to),
            })
      keepNew(root, publicFile(number), `${own}${crossSigned}`, 0o644)
    },
  }
}
