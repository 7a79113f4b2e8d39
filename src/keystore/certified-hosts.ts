import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { IDENTITIES, keep, keptProblem, RESTORE_FIX, readKept } from './kept.ts'

/**
 * The hosts to which identities of the site issued a certificate. A host that leaves the inventory keeps its certificates and keys, and this
 * file is then the only place that knows of it.
 */
const FILE = join(IDENTITIES, 'hosts.json')

/** Some hundred bytes for each host. */
const MAX_KB = 4096

/** For each inventory file, its hosts; for each host, the keys of the identities that issued to it. */
export type CertifiedHosts = Readonly<Record<string, Readonly<Record<string, readonly string[]>>>>

const schema = z.record(z.string(), z.record(z.string(), z.array(z.string())))

/** Returns all hosts with a certificate. Throws a `Problem` if the file is damaged. */
export const readCertifiedHosts = (root: string): CertifiedHosts => {
  const bytes = readKept(root, FILE, MAX_KB)
  if (bytes === undefined) return {}
  try {
    return schema.parse(JSON.parse(Buffer.from(bytes).toString()))
  } catch (cause) {
    throw keptProblem(FILE, 'is not a list of hosts', RESTORE_FIX, cause)
  }
}

/** Whether an inventory file of the record still exists. */
export const hasInventory = (root: string, inventory: string): boolean => existsSync(resolve(root, inventory))

/** Records that an identity issues a certificate to a host. Writes nothing if the record has it already. */
export const recordCertified = (root: string, inventory: string, host: string, identity: string): void => {
  const all = readCertifiedHosts(root)
  const known = all[inventory]?.[host] ?? []
  if (known.includes(identity)) return
  write(root, { ...all, [inventory]: { ...all[inventory], [host]: [...known, identity].toSorted() } })
}

/** Removes hosts from the record, in these inventory files. */
export const forgetCertified = (root: string, inventories: readonly string[], hosts: readonly string[]): void => {
  const kept = Object.entries(readCertifiedHosts(root)).map(([inventory, listed]) => [
    inventory,
    inventories.includes(inventory) ? Object.fromEntries(Object.entries(listed).filter(([host]) => !hosts.includes(host))) : listed,
  ])
  write(root, Object.fromEntries(kept))
}

const write = (root: string, all: CertifiedHosts): void => {
  const sorted = byName(all, (hosts) => byName(hosts, (identities) => identities))
  keep(root, FILE, `${JSON.stringify(sorted, null, 1)}\n`)
}

const byName = <T, U>(entries: Readonly<Record<string, T>>, each: (value: T) => U): Readonly<Record<string, U>> =>
  Object.fromEntries(
    Object.keys(entries)
      .toSorted()
      .flatMap((name) => (entries[name] === undefined ? [] : [[name, each(entries[name])] as const])),
  )
