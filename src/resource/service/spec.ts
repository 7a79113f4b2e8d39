import { z } from 'zod'
import { Script } from '../../shell/script.ts'
import { isResource, keyOf, type ManagedFile, type Resource } from '../kind/kind.ts'
import { isTemplate } from '../kind/queries.ts'
import { yamlForms } from '../option/yaml-form.ts'
import type { LoadedFact } from './facts.ts'
import { unitName } from './unit-name.ts'

/** A file that a service reads, and the key of its resource. */
export interface LoadedFile extends ManagedFile {
  readonly key: string
}

/** A resource that a service can load. */
const isLoadable = (value: unknown): boolean => isResource(value) && (value.kind.files !== undefined || value.kind.aspect !== undefined)

const loaded = z
  .array(z.custom<Resource>(isLoadable, 'must be resources with files, links, packages or permissions'))
  .register(yamlForms, { form: 'resources' })
  .default([])

const filesOf = (resources: readonly Resource[]): readonly LoadedFile[] => {
  const files = resources.flatMap((resource) =>
    (resource.kind.files?.(resource.spec) ?? []).map(({ path, sha256 }) => ({ path, sha256, key: keyOf(resource) })),
  )
  return [...new Map(files.map((file) => [file.path, file])).values()]
}

const factsOf = (resources: readonly Resource[], restarts: boolean): readonly LoadedFact[] =>
  resources.flatMap((resource) => {
    const aspect = resource.kind.aspect?.(resource.spec)
    return aspect === undefined ? [] : [{ ...aspect, key: keyOf(resource), restarts }]
  })

const options = z.strictObject({
  unit: unitName
    .refine((unit) => !isTemplate(unit), 'must be an instance of the template, such as worker@mail.service')
    .meta({ description: 'the unit with its suffix', examples: ['nginx.service'] }),
  running: z.boolean().default(true),
  enabled: z.boolean().default(true).meta({ description: 'start at boot' }),
  loads: loaded.meta({ description: 'files that it reads; it reloads if it has loaded an older version' }),
  restarts: loaded.meta({
    description: 'resources that only a restart loads: the unit file, a drop-in; also a link, a package (another version) or permissions',
  }),
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

/** The resources are replaced by what the service loads of them. `facts` are those without content; both lists have them, restarts last. */
export const schema = options.transform(({ loads, restarts, ...rest }) => {
  const facts = new Map([...factsOf(loads, false), ...factsOf(restarts, true)].map((fact) => [fact.key, fact]))
  return {
    ...rest,
    loads: filesOf(loads),
    restarts: filesOf(restarts),
    ...(facts.size > 0 && { facts: [...facts.values()] as readonly LoadedFact[] }),
  }
})

export type ServiceSpec = z.output<typeof schema>
