import type { Run } from '../engine/run-state.ts'
import { showHidden } from '../hidden.ts'
import { type Action, keyOf } from '../resource/kind/kind.ts'
import { redacted } from '../secret/secret.ts'

/** The resources of each host that differ, with the change that a run would make; undefined for a host that could not be observed. */
export type Drift = ReadonlyMap<string, ReadonlyMap<string, Action> | undefined>

/**
 * Returns what differs on the hosts of a dry run. Renewals that are not urgent, and records of provision itself, are no differences: the
 * first come with time, the others follow from a new version of provision.
 */
export const driftOf = ({ hosts, prepared: { targets } }: DryRun): Drift =>
  new Map(
    targets.map((host) => [
      host,
      hosts.has(host)
        ? new Map(
            hosts
              .get(host)
              ?.pending.filter(({ resource, change }) => resource.kind.bookkeeping !== true && change.deferrableUntil === undefined)
              .map(({ resource, change }) => [keyOf(resource), change.action]),
          )
        : undefined,
    ]),
  )

/** The members of a run that show what differs. */
interface DryRun {
  readonly hosts: ReadonlyMap<string, Pick<NonNullable<ReturnType<Run['hosts']['get']>>, 'pending'>>
  readonly prepared: Pick<Run['prepared'], 'targets'>
}

/** Returns the differences that two observations have in common. A host that one of them lacks could not be observed. */
export const lasting = (first: Drift, second: Drift): Drift =>
  new Map(
    [...first].map(([host, before]) => {
      const after = second.get(host)
      return [host, before === undefined || after === undefined ? undefined : new Map([...after].filter(([key]) => before.has(key)))]
    }),
  )

/** Numbers of resources that the metrics name, per host and in total, and of characters per resource. */
const NAMED = { perHost: 8, inTotal: 400, characters: 120 }

export interface ReportTimes {
  /** Time of the comparison, in seconds. */
  readonly done: number
  /** Time at which the next one is overdue, in seconds. */
  readonly due: number
}

/** Returns the differences as metrics for the textfile collector. All names are limited in number and length. */
export const metricsOf = (watch: string, drift: Drift, { done, due }: ReportTimes): string => {
  const line = (name: string, labels: Readonly<Record<string, string>>, value: number): string =>
    `${name}{${Object.entries({ watch, ...labels })
      .map(([label, text]) => `${label}="${labelValue(text)}"`)
      .join()}} ${value}\n`
  const named = [...drift]
    .flatMap(([at, changes]) => [...(changes ?? [])].slice(0, NAMED.perHost).map(([resource, action]) => ({ at, resource, action })))
    .slice(0, NAMED.inTotal)
    .map((labels) => line('provision_watch_difference', labels, 1))
  return [
    ...gauge('provision_watch_done_seconds', 'Time at which the hosts were last compared with the playbook.'),
    line('provision_watch_done_seconds', {}, done),
    ...gauge('provision_watch_due_seconds', 'Time at which the next comparison is overdue.'),
    line('provision_watch_due_seconds', {}, due),
    ...gauge('provision_watch_differences', 'Number of resources of a host that differ from the playbook.'),
    ...[...drift].flatMap(([at, changes]) => (changes === undefined ? [] : [line('provision_watch_differences', { at }, changes.size)])),
    ...gauge('provision_watch_unobserved', 'Hosts that could not be compared.'),
    ...[...drift].flatMap(([at, changes]) => (changes === undefined ? [line('provision_watch_unobserved', { at }, 1)] : [])),
    ...gauge('provision_watch_difference', 'First resources of each host that differ from the playbook.'),
    ...new Set(named),
  ].join('')
}

const gauge = (name: string, help: string): readonly string[] => [`# HELP ${name} ${help}\n`, `# TYPE ${name} gauge\n`]

/** Returns a text for a label: secrets masked, control characters visible, cut, and escaped. */
const labelValue = (text: string): string => {
  const characters = [...showHidden(redacted(text)).replaceAll('\n', '⏎').toWellFormed()]
  const cut = characters.length > NAMED.characters ? [...characters.slice(0, NAMED.characters), '…'] : characters
  return cut.join('').replaceAll('\\', '\\\\').replaceAll('"', '\\"')
}
