import type { Script } from '../../shell/script.ts'
import { queryClusters, type Row, readClusters, type Unknown } from './cluster.ts'

/** What a kind asks a cluster, and how it reads the rows. */
interface ClusterKind<Spec, Known> {
  idOf(spec: Spec): string
  /** Statements about resources of one cluster. */
  questionsOf(specs: readonly Spec[]): string
  stateOf(spec: Spec, rows: readonly Row[]): Known
}

/** The observation of a kind: one question for each cluster. */
export const observeClusters = <Spec extends { readonly cluster?: string | undefined }, Known>(
  specs: readonly Spec[],
  { idOf, questionsOf, stateOf }: ClusterKind<Spec, Known>,
): { readonly script: Script; parse(stdout: Buffer): ReadonlyMap<string, Known | Unknown> } => {
  const clusters = Map.groupBy(specs, ({ cluster }) => cluster)
  return {
    script: queryClusters(new Map([...clusters].map(([cluster, some]) => [cluster, questionsOf(some)]))),
    parse: (stdout) => {
      const answers = readClusters(stdout, [...clusters.keys()])
      return new Map(
        specs.map((spec): [string, Known | Unknown] => {
          const answer = answers.get(spec.cluster) ?? { is: 'none' }
          if (answer.is !== 'up') return [idOf(spec), answer]
          return [idOf(spec), answer.isStandby ? { is: 'standby' } : stateOf(spec, answer.rows)]
        }),
      )
    },
  }
}
