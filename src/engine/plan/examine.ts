import { type Problem, Problems } from '../../problem.ts'
import { onHost } from '../failure.ts'
import type { Observation } from '../observe/host-query.ts'
import { type Orphan, orphanNotices, orphansOn } from './orphans.ts'
import { forbiddenOn, noticesOf, type Selection, unfinishedOf } from './plan-host.ts'
import { failuresOf, type ObservedHost, observationsOf } from './plan-hosts.ts'
import { unknownAuthorities } from './unknown-authority.ts'

/** What the kinds report about a host beside its changes. */
export interface ExaminedHost extends ObservedHost {
  /** Reasons that forbid the whole run. */
  readonly forbidden: readonly Problem[]
  readonly notices: readonly { readonly role: string; readonly what: string }[]
  /** Orphans that this run keeps. */
  readonly orphans: readonly Orphan[]
}

export interface ExamineOptions {
  readonly selected: Selection
  readonly allowDataLoss: ReadonlySet<string>
  readonly prune: boolean
}

/**
 * Asks the kinds about each host. A host whose examination fails is lost, and the others are examined without it. Throws `Problems` if
 * the state of a host forbids the whole run.
 */
export const examineHosts = async (
  observed: readonly ObservedHost[],
  options: ExamineOptions,
): Promise<{ readonly examined: readonly ExaminedHost[]; readonly lost: readonly Problem[] }> => {
  const observations = observationsOf(observed)
  const answers = await Promise.allSettled(
    observed.map((one) => onHost(one.session.host, { call: 'plan of this host' }, () => examine(one, observations, options))),
  )
  const lost = failuresOf(answers)
  const examined = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []))
  if (lost.length > 0) {
    const again = await examineHosts(
      observed.filter((_, i) => answers[i]?.status === 'fulfilled'),
      options,
    )
    return { ...again, lost: [...lost, ...again.lost] }
  }
  const forbidden = [
    ...unknownAuthorities(examined.map(reachedOf), options.selected, new Date()),
    ...examined.flatMap(({ forbidden }) => forbidden),
  ]
  if (forbidden.length > 0) throw new Problems(forbidden)
  return { examined, lost }
}

const reachedOf = ({ session: { host }, resources, observation }: ObservedHost) => ({ host, resources, observation })

const examine = (
  one: ObservedHost,
  observations: ReadonlyMap<string, Observation>,
  { selected, allowDataLoss, prune }: ExamineOptions,
): ExaminedHost => {
  const { resources, observation } = one
  const beside = { observations, allowDataLoss }
  const orphans = prune ? [] : orphansOn(resources, observation, selected)
  // The authorities of all hosts are judged together. This call shows only whether a kind fails on this host.
  unknownAuthorities([reachedOf(one)], selected, new Date())
  return {
    ...one,
    orphans,
    forbidden: forbiddenOn(reachedOf(one), selected, beside),
    notices: [
      ...noticesOf(resources, observation, beside),
      ...unfinishedOf({ resources, observation, selected, ...beside, now: new Date() }),
      ...orphanNotices(orphans),
    ],
  }
}
