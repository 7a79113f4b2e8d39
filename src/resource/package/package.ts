import { z } from 'zod'
import { type Change, defineKind } from '../kind/kind.ts'
import { installPackages } from './apt.ts'
import { isUnfinished, type PackageState, probePackages } from './dpkg.ts'

const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$/, 'must be a Debian package name: lower-case letters, digits, plus, minus and dots'),
  state: z.enum(['present', 'absent']).default('present'),
  version: z
    .string()
    .regex(/^[0-9][A-Za-z0-9.+~:-]*$/, 'must be a whole Debian version such as 1.22.1-9')
    .optional(),
  cacheHours: z
    .number()
    .nonnegative()
    .default(24)
    .meta({ description: "how old the host's package lists may be before they are fetched again" }),
})

export type PackageSpec = z.output<typeof schema>

/** A Debian package. Installing it starts no service that did not run before: `service` does, on our configuration. */
export const pkg = defineKind({
  name: 'package',
  schema,
  id: ({ name }) => name,
  affectsLater: true,
  observe: (specs: readonly PackageSpec[]) => {
    const wanted = new Map(specs.map((spec) => [spec.name, spec]))
    return probePackages([...wanted.keys()], (name, seen) => {
      const spec = wanted.get(name)
      return spec !== undefined && verdictOf(spec, seen) === undefined
    })
  },

  plan: (want, seen: PackageState): Change | undefined =>
    verdictOf(want, seen) ??
    (seen.debt === undefined ? undefined : { action: 'update', certainty: 'exact', reason: seen.debt, differences: [], debt: true }),

  orphan: { keep: 'other software may need the package; declare it with state: absent to remove it' },
  apply: installPackages,
})

const verdictOf = ({ state, version }: PackageSpec, seen: PackageState): Change | undefined => {
  const versions = version === undefined ? [] : [{ key: 'version', from: seen.version, to: version }]
  if (isUnfinished(seen.status)) {
    const action = state === 'absent' ? 'delete' : 'update'
    return { action, certainty: 'exact', reason: `interrupted, is ${seen.status}`, differences: [], debt: true }
  }
  if (seen.status !== 'installed')
    return state === 'absent'
      ? undefined
      : {
          action: 'create',
          certainty: 'exact',
          reason: 'not installed',
          differences: version === undefined ? [] : [{ key: 'version', to: version }],
        }
  if (state === 'absent')
    return { action: 'delete', certainty: 'exact', reason: 'is installed', differences: [{ key: 'version', from: seen.version }] }
  if (version === undefined || version === seen.version) return undefined
  return { action: 'update', certainty: 'exact', reason: 'has another version', differences: versions }
}
