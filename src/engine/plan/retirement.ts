import { forgetCertified, recordCertified } from '../../keystore/certified-hosts.ts'
import { inventoryOf, unrecorded } from '../departed.ts'
import type { Prepared } from '../prepare.ts'
import type { RunHost } from '../run-state.ts'
import { CONTROLLER, type PlannedChange } from './plan.ts'

const PREFIX = 'host:'

/** The retirement of hosts that left the inventory, as the last changes of the controller. */
export const retirements = ({ retire, site: { plays } }: Pick<Prepared, 'retire' | 'site'>): readonly PlannedChange[] =>
  retire.map(({ host, identities }) => ({
    host: CONTROLLER,
    role: 'inventory',
    resource: `${PREFIX}${host}`,
    action: 'delete',
    certainty: 'exact',
    reason: `retired: its certificates of ${identities.join(', ')} are not renewed any more`,
    differences: [],
    play: plays.length - 1,
  }))

/** Whether a change of the controller retires a host. */
export const isRetirement = ({ host, resource, action }: Pick<PlannedChange, 'host' | 'resource' | 'action'>): boolean =>
  action === 'delete' && isOfRecord({ host, resource })

/** Whether a change of the controller is one of the record of certificates. All others make an identity. */
export const isOfRecord = ({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean =>
  host === CONTROLLER && resource.startsWith(PREFIX)

/** Removes the retired hosts from the record of certificates. */
export const forgetRetired = ({ root, retire }: Pick<Prepared, 'root' | 'retire'>, change: PlannedChange): void => {
  const retired = retire.find(({ host }) => change.resource === `${PREFIX}${host}`)
  if (retired !== undefined) forgetCertified(root, retired.inventories, [retired.host])
}

type Found = Pick<RunHost, 'session' | 'issuers'>

const unrecordedOn = ({ site }: Pick<Prepared, 'site'>, hosts: Iterable<Found>) =>
  unrecorded(
    site,
    [...hosts].map(({ session: { host }, issuers }) => ({ host, identities: issuers })),
  )

/** The hosts with certificates that the record lacks, such as a retired host that came back, as changes of the controller. */
export const recordings = (prepared: Pick<Prepared, 'site'>, hosts: Iterable<Found>): readonly PlannedChange[] =>
  unrecordedOn(prepared, hosts).map(({ host, identities }) => ({
    host: CONTROLLER,
    role: 'inventory',
    resource: `${PREFIX}${host}`,
    action: 'create',
    certainty: 'exact',
    reason: `has certificates of ${identities.join(', ')}, and is not recorded with them`,
    differences: [],
    play: 0,
  }))

/** Adds a host to the record of certificates. */
export const recordFound = (prepared: Pick<Prepared, 'root' | 'site'>, hosts: Iterable<Found>, change: PlannedChange): void => {
  const { root, site } = prepared
  const found = unrecordedOn(prepared, hosts).find(({ host }) => change.resource === `${PREFIX}${host}`)
  const declared = found && site.hosts.get(found.host)
  if (found === undefined || declared === undefined) return
  for (const identity of found.identities) recordCertified(root, inventoryOf(declared), found.host, identity)
}
