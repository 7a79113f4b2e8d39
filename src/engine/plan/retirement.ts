import { forgetCertified } from '../../keystore/certified-hosts.ts'
import type { Prepared } from '../prepare.ts'
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

/** Whether a change of the controller retires a host. All others make an identity. */
export const isRetirement = ({ host, resource }: Pick<PlannedChange, 'host' | 'resource'>): boolean =>
  host === CONTROLLER && resource.startsWith(PREFIX)

/** Removes the retired hosts from the record of certificates. */
export const forgetRetired = ({ root, retire }: Pick<Prepared, 'root' | 'retire'>, change: PlannedChange): void => {
  const retired = retire.find(({ host }) => change.resource === `${PREFIX}${host}`)
  if (retired !== undefined) forgetCertified(root, retired.inventories, [retired.host])
}
