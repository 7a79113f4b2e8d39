import { firstNames } from '../first-names.ts'
import { hasInventory, readCertifiedHosts, recordedName } from '../keystore/certified-hosts.ts'
import { Problem, Problems } from '../problem.ts'
import type { Site } from '../site/site.ts'
import { suggestion } from '../site/source/suggest.ts'

/** A host that is not in the inventory any more, and has certificates of the site. */
export interface Departed {
  readonly host: string
  /** The inventory files that had it. */
  readonly inventories: readonly string[]
  /** The keys of the identities that issued its certificates. */
  readonly identities: readonly string[]
}

type Recording = Pick<Site, 'root' | 'inventories'>

/** The entries of the record that concern this inventory. */
const recordedIn = ({ root, inventories }: Recording) => {
  const files = new Set(inventories.map((path) => recordedName(root, path)))
  return (
    Object.entries(readCertifiedHosts(root))
      // The hosts of a deleted file belong to any inventory: the file may have been renamed.
      .filter(([inventory]) => files.has(inventory) || !hasInventory(root, inventory))
      .flatMap(([inventory, certified]) => Object.entries(certified).map(([host, identities]) => ({ host, inventory, identities })))
  )
}

/** Returns the identities of each host that the record lacks: it was retired and came back, or the record is older than its certificates. */
export const unrecorded = (
  site: Recording,
  found: readonly { readonly host: string; readonly identities: readonly string[] }[],
): readonly { readonly host: string; readonly identities: readonly string[] }[] => {
  if (found.every(({ identities }) => identities.length === 0)) return []
  const known = new Set(recordedIn(site).flatMap(({ host, identities }) => identities.map((identity) => `${host} ${identity}`)))
  return found
    .map(({ host, identities }) => ({ host, identities: identities.filter((identity) => !known.has(`${host} ${identity}`)) }))
    .filter(({ identities }) => identities.length > 0)
}

/** Returns the hosts with certificates of the site that left this inventory, sorted. Hosts of other inventory files of the project are not among them. */
export const departedHosts = (site: Pick<Site, 'root' | 'hosts' | 'inventories'>): readonly Departed[] =>
  [...Map.groupBy(recordedIn(site), ({ host }) => host)]
    .filter(([host]) => !site.hosts.has(host))
    .map(([host, entries]) => ({
      host,
      inventories: entries.map(({ inventory }) => inventory),
      identities: [...new Set(entries.flatMap(({ identities }) => identities))].toSorted(),
    }))
    .toSorted((a, b) => (a.host < b.host ? -1 : 1))

/** Returns the inventory file that declares a host. */
export const inventoryOf = ({ where }: { readonly where: Problem['where'] }): string => ('file' in where ? where.file : '')

/** Splits the departed hosts: those to retire, and a warning about each other one. Throws `Problems` if a host to retire is not a departed one. */
export const departures = (
  departed: readonly Departed[],
  retire: readonly string[],
  { hosts }: Site,
): { readonly retired: readonly Departed[]; readonly left: readonly Problem[] } => {
  const names = departed.map(({ host }) => host)
  const wrong = retire.filter((name) => !names.includes(name)).map((name) => notDeparted(name, hosts.has(name), names))
  if (wrong.length > 0) throw new Problems(wrong)
  return {
    retired: departed.filter(({ host }) => retire.includes(host)),
    left: departed.filter(({ host }) => !retire.includes(host)).map(leftInventory),
  }
}

/** Returns a warning for each retired host that some firewalls may still admit, because the run has no role `firewall` for them. */
export const stillAdmitted = (retired: readonly Departed[], unfiltered: readonly string[]): readonly Problem[] =>
  unfiltered.length === 0
    ? []
    : retired.map(
        ({ host }) =>
          new Problem({
            class: 'input',
            where: { command: `--retire ${host}` },
            what: `${firstNames(unfiltered)} may still admit ${host}, because this run has no role firewall for ${unfiltered.length === 1 ? 'it' : 'them'}`,
            fix: 'run the playbook that has the role firewall for every host',
          }),
      )

const leftInventory = ({ host, inventories: [file = ''], identities }: Departed): Problem =>
  new Problem({
    class: 'input',
    where: { file },
    what: `${host} is not in the inventory any more, and has certificates of ${identities.join(', ')}`,
    fix: `switch ${host} off or delete its keys, then run provision run --retire ${host}`,
  })

const notDeparted = (name: string, isListed: boolean, departed: readonly string[]): Problem =>
  new Problem({
    class: 'input',
    where: { command: `--retire ${name}` },
    what: isListed ? `${name} is in the inventory` : `no host ${name} with certificates of the site left the inventory`,
    fix: isListed
      ? 'remove it from the inventory first'
      : departed.length === 0
        ? 'remove this option: nothing is left to retire'
        : suggestion(name, departed, 'name a host that left'),
  })
