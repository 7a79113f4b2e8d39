import { z } from 'zod'
import { defineKind, keyOf, type ManagedFile, type Resource, type Steps } from './kind.ts'

const unitName = z
  .string()
  .regex(/^[A-Za-z0-9:_.@\\-]+\.(service|socket|timer|path|mount|target)$/, 'write the unit with its suffix: nginx.service')

/** A file that a service reads, and the resource that brings it. */
export interface LoadedFile extends ManagedFile {
  readonly key: string
}

const isResource = (value: unknown): value is Resource => typeof value === 'object' && value !== null && 'kind' in value && 'spec' in value

const loadedFiles = z
  .array(
    z
      .custom<Resource>(isResource, 'give resources that consist of files')
      .refine(({ kind }) => kind.files !== undefined, 'only resources that consist of files can be loaded'),
  )
  .default([])
  .transform((resources): readonly LoadedFile[] => {
    const files = resources.flatMap((resource) =>
      (resource.kind.files?.(resource.spec) ?? []).map((file) => ({ path: file.path, sha256: file.sha256, key: keyOf(resource) })),
    )
    return [...new Map(files.map((file) => [file.path, file])).values()]
  })

/** A systemd unit: whether it runs now, starts at boot, and has loaded the configuration that shall be. */
export const service = defineKind({
  name: 'service',
  schema: z.strictObject({
    unit: unitName.meta({ description: 'the unit with its suffix', examples: ['nginx.service'] }),
    running: z.boolean().default(true),
    enabled: z.boolean().default(true).meta({ description: 'whether it starts at boot' }),
    loads: loadedFiles.meta({ description: 'files the service reads: it is reloaded when what it has loaded is older' }),
    restarts: loadedFiles.meta({ description: 'files that only a restart brings in: a unit file, a drop-in' }),
    set: z.string().optional().meta({ description: 'the set of files to put back when the service refuses them' }),
    took: z.string().optional().meta({ description: 'a script that must succeed after a load' }),
    reload: z.enum(['reload', 'restart']).default('reload'),
  }),
  id: ({ unit }) => unit,
  observe: (_specs) => ({ script: ':', parse: (): ReadonlyMap<string, never> => new Map() }),
  plan: () => undefined,
  *apply(_work): Steps {},
})
