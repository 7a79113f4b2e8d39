import type { Kind, PlanContext } from '../../../../src/resource/kind/kind.ts'

/** Rows of a cluster, as psql prints them, with the outcome. */
export const answered = (...rows: readonly (readonly unknown[])[]): Buffer =>
  Buffer.from(
    [['standby', false], ...rows]
      .map((row) => `${JSON.stringify(row)}\n`)
      .join('')
      .concat('end\n'),
  )

/** A run in which nothing else is planned, or what `more` says. */
export const contextOf = (more: Partial<PlanContext> = {}): PlanContext => ({
  ...{ now: new Date(0), packagesPending: false, changes: () => false, members: () => new Map() },
  ...more,
})

/** The state of the only resource in this answer. */
export const stateIn = <Input, Spec, State>({ kind }: { readonly kind: Kind<Input, Spec, State> }, spec: Spec, answer: Buffer): State =>
  kind
    .observe([spec])
    .parse(answer, undefined as never)
    .get(kind.id(spec)) as State

/** SQL that a change sends, in its script or on standard input; with the refusal of an answer. */
export const sqlOf = <Input, Spec, State>(
  { kind }: { readonly kind: Kind<Input, Spec, State> },
  work: { readonly spec: Spec; readonly state: State; readonly afterScripts?: boolean },
): string => {
  const change = { action: 'update', certainty: 'exact', reason: '', differences: [] } as const
  const { value } = kind.apply([{ ...work, id: kind.id(work.spec), change }]).next()
  if (value?.do !== 'shell') throw new Error('no request')
  const { input } = value
  return input === undefined ? String(value.script) : 'reveal' in input ? input.reveal() : String(input)
}
