import { z } from 'zod'
import { Secret } from '../../secret/secret.ts'
import { quote } from '../../shell/quote.ts'
import { contentOption } from '../file/spec.ts'
import { asContent, asText, bytesOf, type Content, hasSecret, isKnown } from '../kind/content.ts'
import { defineKind, type Trigger, type Work } from '../kind/kind.ts'
import { execute, type Program } from './execute.ts'
import { hasCondition, NO_CONDITION, runOptions } from './options.ts'
import { type RunState, runMembers } from './plan.ts'

/** A script is sent with each run. What is larger belongs in a file of the host. */
const MAX_BYTES = 2 ** 20

const content = contentOption
  .transform(asContent)
  .refine((value) => isKnown(value) && hasText(value), 'must be text of at most 1 MiB that is known before the run')
  .refine((value) => !isKnown(value) || !hasText(value) || interpreterOf(value) !== undefined, {
    error: 'must begin with the line of its interpreter, such as #!/bin/sh',
  })

const { name, ...options } = runOptions

const schema = z
  .strictObject({
    name,
    content: content.meta({ description: 'the script; its first line names the interpreter (#!). It is not left on the host' }),
    args: z
      .array(z.string().regex(/^[^\0]*$/, 'must have no NUL'))
      .default([])
      .meta({ description: 'arguments of the script; every account of the host can read them', examples: [['--env', 'production']] }),
    ...options,
  })
  .refine(hasCondition, NO_CONDITION)

export type ScriptSpec = z.output<typeof schema> & { readonly triggers?: readonly Trigger[] }

/** A script of the project, in any language of the host, with conditions under which it runs. Its change is opaque. */
export const script = defineKind({
  name: 'script',
  summary: 'script of the project, with conditions under which it runs',
  schema,
  ...runMembers<ScriptSpec>('script'),
  apply: (work: readonly Work<ScriptSpec, RunState>[]) => execute(work, { kind: 'script', program: programOf }),
})

const hasText = (value: Content): boolean => {
  const bytes = bytesOf(value)
  return bytes.length <= MAX_BYTES && asText(bytes) !== undefined
}

/** The interpreter and its argument, as the kernel reads the first line (execve(2)). */
const interpreterOf = (value: Content): readonly string[] | undefined => {
  const [, program, argument] = /^#! *(\/[^\s\0]*)(?:[ \t]+([^\n\0]*?))?[ \t]*\r?(?:\n|$)/.exec(textOf(value)) ?? []
  if (program === undefined) return undefined
  return argument === undefined || argument === '' ? [program] : [program, argument]
}

const textOf = (value: Content): string => Buffer.from(bytesOf(value)).toString()

const programOf = ({ content: value, args }: ScriptSpec): Program => ({
  // The host may mount /run without permission to execute.
  code: `exec ${(interpreterOf(value) ?? []).map(quote).join(' ')} "$file" ${args.map(quote).join(' ')}`,
  file: { name: 'script', bytes: hasSecret(value) ? new Secret(textOf(value), true) : textOf(value) },
})
