import type { Options } from '../../roles/monitoring/options.ts'
import { backupCases } from './backups.ts'
import type { AlertCases } from './case.ts'
import { certificateCases } from './certificates.ts'
import { checkCases } from './checks.ts'
import { databaseCases } from './database.ts'
import { hostCases } from './host.ts'
import { loadCases } from './load.ts'
import { metaCases } from './meta.ts'
import { securityCases } from './security.ts'
import { trafficCases } from './traffic.ts'
import { watchCases } from './watch.ts'
import { webCases } from './web.ts'

/** The cases of all alerts. */
export const alertCases = (options: Options): AlertCases => ({
  ...metaCases,
  ...hostCases,
  ...loadCases,
  ...webCases,
  ...trafficCases,
  ...databaseCases,
  ...backupCases(options),
  ...certificateCases,
  ...securityCases,
  ...checkCases,
  ...watchCases,
})
