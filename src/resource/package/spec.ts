import { z } from 'zod'

export const schema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9+.-]+(:[a-z0-9-]+)?$/, 'must be a Debian package name: lower-case letters, digits, plus, minus and dots')
      .meta({ description: 'name of the package, with :ARCHITECTURE for a foreign one', examples: ['nginx'] }),
    state: z.enum(['present', 'absent']).default('present').meta({ description: 'absent: the package is removed' }),
    version: z
      .string()
      .regex(/^[0-9][A-Za-z0-9.+~:-]*\*?$/, 'must be a complete Debian version such as 1.22.1-9, or the beginning of one such as 1.22.*')
      .optional()
      .meta({
        description: 'complete version, or the beginning of one; an installed version that fits is kept',
        examples: ['1.22.1-9', '1.22.*'],
      }),
    hold: z
      .boolean()
      .optional()
      .meta({ description: 'true: upgrades skip the package (apt-mark hold), and only this version changes it; false: they do not' }),
    recommends: z
      .boolean()
      .default(false)
      .meta({ description: 'true: also install the packages that it recommends, as apt does by default; false: only what it depends on' }),
    purge: z.boolean().default(false).meta({ description: 'with state: absent, also delete its configuration files' }),
    autoremove: z.boolean().default(false).meta({
      description: 'with state: absent, also remove packages that were installed automatically and that no package needs any more',
    }),
    cacheHours: z
      .number()
      .nonnegative()
      .max(87_600)
      .default(24)
      .meta({ description: "maximum age of the host's package lists, in hours", examples: [1] }),
  })
  .superRefine(({ state, ...given }, context) => {
    const issue = (path: string, message: string): unknown => context.addIssue({ code: 'custom', path: [path], message })
    for (const option of ['purge', 'autoremove'] as const) if (given[option] && state === 'present') issue(option, 'needs state: absent')
    if (given.hold === true && state === 'absent') issue('hold', 'must not be set for a package that is absent')
  })

export type PackageSpec = z.output<typeof schema>

/** Whether a version is the declared one, or begins like it. */
export const isVersion = (declared: string, version: string): boolean =>
  declared.endsWith('*') ? version.startsWith(declared.slice(0, -1)) : declared === version

/** Whether apt has to change the package. Otherwise only its hold, its configuration files or the debt of others differ. */
export const isAptNeeded = (
  { state: wanted, version: declared }: Pick<PackageSpec, 'state' | 'version'>,
  { status, version }: { readonly status: string; readonly version: string },
): boolean => {
  if (status !== 'installed') return wanted === 'present' || (status !== 'not-installed' && status !== 'config-files')
  return wanted === 'absent' || (declared !== undefined && !isVersion(declared, version))
}
