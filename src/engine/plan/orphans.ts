import { normalize } from 'node:path'
import { Problem } from '../../problem.ts'
import { type Kind, keyOf } from '../../resource/kind/kind.ts'
import { isOrphan, orphan, orphanOutcome } from '../../resource/ownership/orphan.ts'
import { changeOf, type OrphanOutcome } from '../../resource/ownership/plan.ts'
import { OWNED, type OwnedRecord, type OwnedResource, readRecord, recordPath } from '../../resource/ownership/record.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'
import type { WithheldDeletion } from './plan.ts'
import type { Selection } from './plan-host.ts'

/** What a host has written down that we own there, by role. */
export type OwnedRecords = ReadonlyMap<string, OwnedRecord>

/** The records in what a host says of itself (see `facts`). Throws a `Problem` where a version wrote one that this one cannot read. */
export const readOwned = (host: string, stdout: string): OwnedRecords => {
  const texts = new Map<string, string[]>()
  for (const line of stdout.split('\n')) {
    if (!line.startsWith(`${OWNED}/`)) continue
    const [, role, text = ''] = /^([^/:]+):(.*)$/.exec(line.slice(OWNED.length + 1)) ?? []
    if (role === undefined || role.endsWith('.new')) continue
    texts.set(role, [...(texts.get(role) ?? []), text])
  }
  const records = new Map([...texts].map(([role, lines]) => [role, readRecord(lines)]))
  for (const [role, { format }] of records) if (typeof format === 'number') throw unreadable(host, role, format)
  return records
}

const unreadable = (host: string, role: string, format: number): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}` },
    what: 'the host’s record of what we own there was written by another version of provision',
    why: `${recordPath(role)} has ${Number.isNaN(format) ? 'a first line that makes no sense' : `format ${format}`}; this version reads formats 1 and 2`,
    fix: `use the version that wrote it, or remove the record: what it names is then no longer known as ours`,
  })

export interface Recorded {
  readonly host: string
  readonly records: OwnedRecords
  /** What the roles declare, their records included. */
  readonly declared: readonly DeclaredResource[]
  /** The playbooks of this run. */
  readonly playbooks: readonly string[]
  /** The first play of the host. */
  readonly firstPlay: number
  readonly prune: boolean
}

/**
 * All that shall be on a host, and with it what is left over: recorded as ours, and declared by nobody any more. A role that is still
 * there deals with its own right after its record, so that its services load what remains; what roles left behind that were taken off
 * the host comes first. Such a role counts only where this run has all playbooks that it came from.
 */
export const withOrphans = (recorded: Recorded): readonly DeclaredResource[] => {
  const { declared, records, playbooks, firstPlay, prune } = recorded
  const keys = new Set(declared.map(({ resource }) => keyOf(resource)))
  const paths = new Set(declared.flatMap(({ resource }) => pathsOf(resource)))
  const isLeft = ({ key, path }: OwnedResource): boolean => key.includes(':') && !keys.has(key) && (path === undefined || !paths.has(path))
  const leftBy = (role: string, play: number): readonly DeclaredResource[] => {
    const things = (records.get(role)?.lines ?? []).filter(isLeft)
    // The first come, the last go: a directory after what lies in it.
    const last = [...new Map(things.map((owned) => [owned.key, owned])).values()].toReversed()
    return last.map((owned) => ({ play, role, resource: orphan({ role, owned, prune }) }))
  }
  const here = new Set(declared.map(({ role }) => role))
  const given = playbooks.map((one) => normalize(one))
  const takenOff = [...records].flatMap(([role, { playbooks: from }]) =>
    !here.has(role) && from.length > 0 && from.every((one) => given.includes(normalize(one))) ? [role] : [],
  )
  const all = [
    ...takenOff.flatMap((role) => leftBy(role, firstPlay)),
    ...declared.flatMap((one) => (one.resource.kind.bookkeeping === true ? [one, ...leftBy(one.role, one.play)] : [one])),
  ]
  return [...new Map(all.map((one) => [keyOf(one.resource), one])).values()]
}

const pathsOf = ({ kind, spec }: { kind: Kind<unknown, unknown, unknown>; spec: unknown }): readonly string[] =>
  (kind.files?.(spec) ?? []).map(({ path }) => path)

/** Something that is left over and not gone yet, and what could be done about it. */
interface Left {
  readonly role: string
  readonly resource: string
  readonly outcome: Exclude<OrphanOutcome, { is: 'gone' }>
}

/** What the roles that were asked for left over on a host. */
export const orphansOn = (placed: readonly DeclaredResource[], seen: Observation, selected: Selection): readonly Left[] => {
  const deleted = new Set<string>()
  return placed
    .filter(({ role, resource }) => isOrphan(resource) && selected(role))
    .flatMap(({ role, resource }) => {
      const outcome = orphanOutcome(resource, seen.get(keyOf(resource)), { deleted })
      if (outcome.is === 'delete') for (const path of pathsOf(resource)) deleted.add(path)
      return outcome.is === 'gone' ? [] : [{ role, resource: keyOf(resource), outcome }]
    })
}

/** The same as changes that a run without `--prune` shows and does not make. */
export const withheldOn = (host: string, left: readonly Left[]): readonly WithheldDeletion[] =>
  left.map(({ role, resource, outcome }) => {
    const { action, reason } = changeOf(outcome)
    return { host, role, resource, action, reason }
  })

/** The same in words: a sentence a role for what could be deleted, and one for what stays. */
export const orphanNotices = (left: readonly Left[]): readonly { readonly role: string; readonly what: string }[] =>
  [...Map.groupBy(left, ({ role }) => role)].flatMap(([role, ofRole]) => {
    const named = (some: typeof ofRole): string => some.map(({ resource }) => resource.replace(':', ' ')).join(', ')
    const gone = ofRole.filter(({ outcome }) => outcome.is === 'delete')
    const staying = Map.groupBy(ofRole, ({ outcome }) => (outcome.is === 'stays' ? outcome.why : ''))
    return [
      ...(gone.length === 0 ? [] : [{ role, what: `no longer declares ${named(gone)}: left over; --prune deletes it` }]),
      ...[...staying]
        .filter(([why]) => why !== '')
        .map(([why, some]) => ({
          role,
          what: `no longer declares ${named(some)}, which stays: ${why} (--prune forgets that it was ours)`,
        })),
    ]
  })
