import { z } from 'zod'

export const schema = z.strictObject({
  name: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]*$/, 'must be a name such as security')
    .default('host')
    .meta({ description: 'distinguishes several upgrades of one host' }),
  packages: z
    .enum(['all', 'security'])
    .default('all')
    .meta({ description: '`security`: only upgrades from the security archive of the distribution' }),
  removes: z
    .boolean()
    .default(false)
    .meta({ description: 'with `packages: all`, also upgrades that remove other packages (apt-get dist-upgrade)' }),
  cacheHours: z
    .number()
    .nonnegative()
    .max(87_600)
    .default(24)
    .meta({ description: "maximum age of the host's package lists, in hours; older ones are read again", examples: [1] }),
})

export type UpgradeSpec = z.output<typeof schema>

/** A package that apt would upgrade, or install for an upgrade. */
export interface Upgrade {
  readonly name: string
  /** Undefined for a new package. */
  readonly from?: string
  readonly to: string
  readonly isSecurity: boolean
}

/** The answer of apt to a simulated upgrade. */
export interface UpgradeState {
  readonly isPossible: boolean
  readonly upgrades: readonly Upgrade[]
  readonly removes: readonly string[]
  /** Packages that keep their version: held, phased by the distribution, or in need of a removal. */
  readonly kept: readonly string[]
  /** The output of apt, without the list of its actions. */
  readonly words: readonly string[]
  /** Whether the package lists are as young as declared. */
  readonly isFresh: boolean
  readonly usesSudo: boolean
}

/** The upgrades that the spec permits, in the order of apt. New packages belong to upgrades of all packages. */
export const wanted = ({ packages }: UpgradeSpec, { upgrades }: UpgradeState): readonly Upgrade[] =>
  packages === 'all' ? upgrades : upgrades.filter(({ isSecurity, from }) => isSecurity && from !== undefined)

/** Arguments of apt-get for an upgrade. `--with-new-pkgs`: a new kernel is a new package. */
export const upgradeArguments = ({ removes }: UpgradeSpec): readonly string[] =>
  removes ? ['dist-upgrade'] : ['upgrade', '--with-new-pkgs', '--no-remove']
