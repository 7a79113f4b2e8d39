// Checks for authors of kinds and roles: `import { checkKind, planRole } from 'provision/testing'`. They work with any test runner.
export type { KindCheck, KindFunction, KindSamples } from './testing/check-kind.ts'
export { checkKind, kindChecks } from './testing/check-kind.ts'
export type { LabCase, LabCheck } from './testing/lab-checks.ts'
export { labChecks } from './testing/lab-checks.ts'
export type { RoleCase, RoleChange, RolePlan } from './testing/plan-role.ts'
export { planRole } from './testing/plan-role.ts'
