import { z } from 'zod'
import { Script } from '../../shell/script.ts'
import { isResource, keyOf, type ManagedFile, type Resource } from '../kind/kind.ts'
import { isTemplate } from '../kind/queries.ts'
import { yamlForms } from '../option/yaml-form.ts'
import { unitName } from './unit-name.ts'

/** A file that a service reads, and the key of its resource. */
export interface LoadedFile extends ManagedFile {
  readonly key: string
}

const loadedFiles = z
  .array(
    z
      .custom<Resource>(isResource, 'must be resources with files')
      .refine((resource) => !isResource(resource) || resource.kind.files !== undefined, 'must be resources with files'),
  )
  .register(yamlForms, { form: 'resources' })
  .default([])
  .transform((resources): readonly LoadedFile[] => {
    const files = resources.flatMap((resource) =>
      (resource.kind.files?.(resource.spec) ?? []).map(({ path, sha256 }) => ({ path, sha256, key: keyOf(resource) })),
    )
    return [...new Map(files.map((file) => [file.path, file])).values()]
  })

export const schema = z.strictObject({
  unit: unitName
    .refine((unit) => !isTemplate(unit), 'must be an instance of the template, such as worker@mail.service')
    .meta({ description: 'the unit with its suffix', examples: ['nginx.service'] }),
  running: z.boolean().default(true),
  enabled: z.boolean().default(true).meta({ description: 'start at boot' }),
  loads: loadedFiles.meta({ description: 'files that it reads; it reloads if it has loaded an older version' }),
  restarts: loadedFiles.meta({ description: 'files that only a restart loads: its unit file, a drop-in' }),
  set: z
    .string()
    .regex(/^[a-z][a-z0-9-]*$/)
    .optional()
    .meta({ description: 'the set of files that is restored if the service rejects it' }),
  took: z
    .custom<Script>((value) => value instanceof Script, 'must be a script: sh`…`')
    .register(yamlForms, { form: 'script' })
    .optional()
    .meta({ description: 'a script that must succeed after a load; it verifies that the service accepted its files' }),
  reload: z.enum(['reload', 'restart']).default('reload').meta({ description: '`restart` for a daemon that cannot reload' }),
})

export type ServiceSpec = z.output<typeof schema>
