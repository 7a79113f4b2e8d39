import type { Kind } from '../resource/kind/kind.ts'
import { type LawSubject, laws } from './laws.ts'

/** Samples of the resources of a kind, by number. Texts that differ between two samples contain `sample` and the number: `sample7`. */
export interface KindSamples<Options, State> {
  /** Returns the options of a sample. */
  options(number: number): Options
  /** Returns what a host reports that is as the sample declares. */
  asDeclared(number: number): State
  /** What a host reports that has nothing of sample 7. */
  readonly missing: State
  /** Why `apply` never refuses to overwrite a change of others: it keeps such a change. */
  readonly keepsChangeByHand?: string
}

/** What `defineKind` returns. */
export interface KindFunction<Options, State> {
  // biome-ignore lint/suspicious/noExplicitAny: the spec of a kind meets only its own functions
  readonly kind: Kind<Options, any, State>
}

/** A law of kinds, applied to one of them. */
export interface KindCheck {
  readonly title: string
  /** Throws an assertion error if the kind breaks the law. */
  check(): void
}

/** Returns the laws for a kind, for one test each. They start programs of this machine, and change nothing. */
export const kindChecks = <Options extends object, State>(
  { kind }: KindFunction<Options, State>,
  samples: KindSamples<Options, State>,
): readonly KindCheck[] => {
  const subject: LawSubject = { ...samples, kind, options: samples.options, asDeclared: samples.asDeclared }
  return laws.map(({ title, hold }) => ({ title, check: () => hold(subject) }))
}

/**
 * Checks all laws of kinds.
 * @throws AggregateError with the laws that the kind breaks, and why, in its message
 */
export const checkKind = <Options extends object, State>(
  kind: KindFunction<Options, State>,
  samples: KindSamples<Options, State>,
): void => {
  const checks = kindChecks(kind, samples)
  const broken = checks.flatMap(({ title, check }) => {
    try {
      check()
      return []
    } catch (error) {
      return [{ title, error }]
    }
  })
  if (broken.length === 0) return
  const reasons = broken.map(({ title, error }) => `- ${title}: ${error instanceof Error ? error.message : String(error)}`)
  throw new AggregateError(
    broken.map(({ error }) => error),
    `kind ${kind.kind.name} breaks ${broken.length} of ${checks.length} laws\n${reasons.join('\n')}`,
  )
}
