import { hostileRoles } from '../e2e/support/hostile/hostile-roles.ts'
import { SABOTAGES } from '../e2e/support/hostile/sabotage.ts'

hostileRoles('t-att-roles', '10.79.87', { sabotages: SABOTAGES.map(({ name }) => name), withDatabases: true })
