import { existsSync } from 'node:fs'
import { join, relative, resolve } from 'node:path'
import { z } from 'zod'
import { accountName } from '../disk/account.ts'
import { makeDirectory } from '../disk/folder.ts'
import { type Lock, lockFile } from '../disk/lock.ts'
import { Problem } from '../problem.ts'
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

// Names and identities are printed, names as a part of commands.
const hostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/)
const schema = z.record(z.string(), z.record(hostName, z.array(z.string().regex(/^[!-~]+$/))))

/** Returns all hosts with a certificate. Throws a `Problem` if the file is damaged. */
export const readCertifiedHosts = (root: string): CertifiedHosts => {
  const bytes = readKept(root, FILE, MAX_KB)
  if (bytes === undefined) return {}
  try {
    return merged(root, schema.parse(JSON.parse(Buffer.from(bytes).toString())))
  } catch (cause) {
    throw keptProblem(FILE, 'is not a list of hosts', RESTORE_FIX, cause)
  }
}

/** Returns the name of an inventory file in the record: `inventory/site.yaml`, also if the path of `-i` is `./inventory/site.yaml`. */
export const recordedName = (root: string, inventory: string): string => relative(root, resolve(root, inventory))

/** Whether an inventory file of the record still exists. */
export const hasInventory = (root: string, inventory: string): boolean => existsSync(resolve(root, inventory))

/** Records that an identity issues a certificate to a host. Writes nothing if the record has it already. */
export const recordCertified = (root: string, inventory: string, host: string, identity: string): void => {
  if (withCertified(root, { inventory, host, identity }) === undefined) return
  whileLocked(root, () => {
    const all = withCertified(root, { inventory, host, identity })
    if (all !== undefined) write(root, all)
  })
}

/** The record with an additional identity, or undefined if it has that already. */
const withCertified = (
  root: string,
  { inventory, host, identity }: { readonly inventory: string; readonly host: string; readonly identity: string },
): CertifiedHosts | undefined => {
  const all = readCertifiedHosts(root)
  const name = recordedName(root, inventory)
  const listed = Object.hasOwn(all, name) ? all[name] : undefined
  // A host can have the name of a member of every object, such as `constructor`.
  const known = listed !== undefined && Object.hasOwn(listed, host) ? (listed[host] ?? []) : []
  return known.includes(identity) ? undefined : { ...all, [name]: { ...listed, [host]: [...known, identity].toSorted() } }
}

/** Removes hosts from the record, in these inventory files. */
export const forgetCertified = (root: string, inventories: readonly string[], hosts: readonly string[]): void => {
  const names = inventories.map((inventory) => recordedName(root, inventory))
  whileLocked(root, () => {
    const kept = Object.entries(readCertifiedHosts(root)).map(([inventory, listed]) => [
      inventory,
      names.includes(inventory) ? Object.fromEntries(Object.entries(listed).filter(([host]) => !hosts.includes(host))) : listed,
    ])
    write(root, Object.fromEntries(kept))
  })
}

const merged = (root: string, all: CertifiedHosts): CertifiedHosts => {
  const found = new Map<string, Map<string, readonly string[]>>()
  for (const [inventory, listed] of Object.entries(all)) {
    const name = recordedName(root, inventory)
    const hosts = found.get(name) ?? new Map<string, readonly string[]>()
    for (const [host, identities] of Object.entries(listed)) hosts.set(host, [...new Set([...(hosts.get(host) ?? []), ...identities])])
    found.set(name, hosts)
  }
  return Object.fromEntries([...found].map(([name, hosts]) => [name, Object.fromEntries(hosts)]))
}

/** Another run changes the record for some milliseconds. */
const LOCK_TRIES = 200
const LOCK_PAUSE_MS = 25

/** Two runs of different hosts are possible at the same time, and neither may lose the entry of the other one. */
const whileLocked = (root: string, act: () => void): void => {
  makeDirectory(join(root, IDENTITIES))
  const lock = takeLock(root)
  try {
    act()
  } finally {
    lock.release()
  }
}

const takeLock = (root: string, tries = LOCK_TRIES): Lock => {
  try {
    return lockFile(join(root, FILE), FILE, accountName(process.geteuid?.() ?? 0))
  } catch (error) {
    // A refusal of the system has a cause.
    if (!(error instanceof Problem) || error.cause !== undefined || tries <= 1) throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE_MS)
    return takeLock(root, tries - 1)
  }
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
