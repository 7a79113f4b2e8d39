import { firstNames } from '../../first-names.ts'
import { Problem } from '../../problem.ts'
import { type Kind, keyOf } from '../../resource/kind/kind.ts'
import { orphanPolicyOf } from '../../resource/kind/orphan-policy.ts'
import { isOrphan, isPruned, orphan, orphanOutcome } from '../../resource/ownership/orphan.ts'
import { changeOf, type OrphanOutcome } from '../../resource/ownership/plan.ts'
import { OWNED, type OwnedRecord, type OwnedResource, readRecord, recordPath } from '../../resource/ownership/record.ts'
import { roleOf } from '../../resource/ownership/role-name.ts'
import type { ProjectPlaybooks } from '../../site/project-playbooks.ts'
import type { Observation } from '../observe/host-query.ts'
import type { DeclaredResource } from './declared.ts'
import type { WithheldDeletion } from './plan.ts'
import type { Selection } from './plan-host.ts'

/** A host's records of the resources that provision owns there, by role. */
export type OwnedRecords = ReadonlyMap<string, OwnedRecord>

/** Reads the ownership records from the output of `FACTS_SCRIPT`. Throws a `Problem` for a record of an unknown format. */
export const readOwned = (host: string, stdout: string): OwnedRecords => {
  const texts = new Map<string, string[]>()
  for (const line of stdout.split('\n')) {
    if (!line.startsWith(`${OWNED}/`)) continue
    const [, name, text = ''] = /^([^/:]+):(.*)$/.exec(line.slice(OWNED.length + 1)) ?? []
    if (name === undefined || name.endsWith('.new')) continue
    const role = roleOf(name)
    const lines = texts.get(role)
    if (lines === undefined) texts.set(role, [text])
    else lines.push(text)
  }
  const records = new Map([...texts].map(([role, lines]) => [role, readRecord(lines)]))
  for (const [role, { format }] of records) if (typeof format === 'number') throw unreadable(host, role, format)
  return records
}

const unreadable = (host: string, role: string, format: number): Problem =>
  new Problem({
    class: 'task',
    where: { host, role: `role ${role}` },
    what: `ownership record ${recordPath(role)} was written by another version of provision`,
    why: `${Number.isNaN(format) ? 'its first line has no valid format' : `it has format ${format}`}; this version reads formats 1 and 2`,
    fix: `use the version that wrote it, or run rm ${recordPath(role)} on the host; provision then no longer owns the resources listed there`,
  })

/** A host can have anything in its records. */
const MAX_PLAYBOOKS = 100

export interface Recorded {
  readonly host: string
  readonly records: OwnedRecords
  /** The resources that the roles declare, ownership records included. */
  readonly declared: readonly DeclaredResource[]
  /** The playbooks of this run. */
  readonly playbooks: readonly string[]
  readonly project: ProjectPlaybooks
  /** The first play of the host. */
  readonly firstPlay: number
  readonly prune: boolean
  /** Names of plays that list resources: a play of the same name in another playbook shares the record. */
  readonly plays?: ReadonlySet<string>
}

/**
 * A host's declared resources together with its orphans. Orphans of a role that is still bound to the host follow the role's ownership
 * record, before its services reload. Orphans of a role that was removed from the host come first; they are listed only if this run
 * includes all playbooks that bound the role and still exist. The same is true of resources that a play lists.
 */
export const withOrphans = (recorded: Recorded): readonly DeclaredResource[] => {
  const { declared, records, playbooks, project, firstPlay, prune, plays } = recorded
  const keys = new Set(declared.map(({ resource }) => keyOf(resource)))
  const paths = new Set(declared.flatMap(({ resource }) => pathsOf(resource)))
  const whole = new Set(declared.flatMap(({ resource }) => (resource.kind.family === undefined ? pathsOf(resource) : [])))
  // Another part of the same file says nothing about this one.
  const isDeclared = ({ key, path }: OwnedResource): boolean =>
    keys.has(key) || (path !== undefined && ('undo' in orphanPolicyOf(key) ? whole : paths).has(path))
  const isUndeclared = (one: OwnedResource): boolean => one.key.includes(':') && !isDeclared(one)
  const pruning = declared.filter(({ resource: { kind } }) => kind.prunes !== undefined)
  const prunes = ({ key }: OwnedResource): boolean =>
    'delete' in orphanPolicyOf(key) &&
    pruning.some(({ resource: { kind, spec } }) => kind.prunes?.(spec, key.slice(key.indexOf(':') + 1)) === true)
  const orphansOf = (role: string, play: number): readonly DeclaredResource[] => {
    const resources = (records.get(role)?.lines ?? []).filter(isUndeclared)
    // Deletion runs in reverse order of creation, so that a directory goes after its content.
    return [...Map.groupBy(resources, ({ key }) => key).values()]
      .toReversed()
      .flatMap((lines) =>
        lines
          .slice(0, 1)
          .map((owned) => ({ play, role, resource: orphan({ role, owned, others: lines.slice(1), prune: prune || prunes(owned) }) })),
      )
  }
  const bound = new Set(declared.map(({ role }) => role))
  const included = new Set(playbooks.map((playbook) => project.nameOf(playbook)))
  const isDone = (playbook: string): boolean => included.has(project.nameOf(playbook)) || project.isMissing(playbook)
  const isComplete = (role: string): boolean => plays?.has(role) !== true || (records.get(role)?.playbooks ?? []).every(isDone)
  const removedRoles = [...records].flatMap(([role, { playbooks: from }]) =>
    !bound.has(role) && from.length > 0 && from.length <= MAX_PLAYBOOKS && from.every(isDone) ? [role] : [],
  )
  const all = [
    ...removedRoles.flatMap((role) => orphansOf(role, firstPlay)),
    ...declared.flatMap((one) =>
      one.resource.kind.bookkeeping === true && isComplete(one.role) ? [one, ...orphansOf(one.role, one.play)] : [one],
    ),
  ]
  return [...new Map(all.map((one) => [keyOf(one.resource), one])).values()]
}

const pathsOf = ({ kind, spec }: { kind: Kind<unknown, unknown, unknown>; spec: unknown }): readonly string[] =>
  (kind.files?.(spec) ?? []).map(({ path }) => path)

/** An orphan that still exists, and whether it can be deleted. */
export interface Orphan {
  readonly role: string
  readonly resource: string
  readonly outcome: Exclude<OrphanOutcome, { is: 'gone' }>
}

/** The existing orphans of the selected roles on a host. */
export const orphansOn = (resources: readonly DeclaredResource[], observation: Observation, selected: Selection): readonly Orphan[] => {
  const deleted = new Set<string>()
  return resources
    .filter(({ role, resource }) => isOrphan(resource) && selected(role))
    .flatMap(({ role, resource }) => {
      const outcome = orphanOutcome(resource, observation.get(keyOf(resource)), { deleted })
      if (outcome.is === 'delete') for (const path of pathsOf(resource)) deleted.add(path)
      return outcome.is === 'gone' || isPruned(resource) ? [] : [{ role, resource: keyOf(resource), outcome }]
    })
}

/** The orphans as changes that a run without `--prune` shows and does not make. */
export const withheldOn = (host: string, orphans: readonly Orphan[]): readonly WithheldDeletion[] =>
  orphans.map(({ role, resource, outcome }) => {
    const { action, reason } = changeOf(outcome)
    return { host, role, resource, action, reason }
  })

/** A warning names this many orphans. `--prune --dry-run` lists all. */
const MAX_NAMES = 20

/**
 * The orphans as warnings: for each role one sentence about those that `--prune` deletes, and one for each reason to keep others. `missing`
 * returns the playbooks that bound the role and do not exist any more.
 */
export const orphanNotices = (
  orphans: readonly Orphan[],
  missing: (role: string) => readonly string[],
): readonly { readonly role: string; readonly what: string }[] =>
  [...Map.groupBy(orphans, ({ role }) => role)].flatMap(([role, ofRole]) => {
    const named = (some: typeof ofRole): string =>
      firstNames(
        some.map(({ resource }) => resource.replace(':', ' ')),
        MAX_NAMES,
      )
    const deletable = ofRole.filter(({ outcome }) => outcome.is === 'delete')
    const kept = Map.groupBy(ofRole, ({ outcome }) => (outcome.is === 'stays' ? outcome.why : ''))
    const gone = goneText(missing(role))
    return [
      ...(deletable.length === 0
        ? []
        : [{ role, what: `no longer declares ${named(deletable)}; --prune deletes ${itOrThem(deletable)}${gone}` }]),
      ...[...kept]
        .filter(([why]) => why !== '')
        .map(([why, some]) => ({
          role,
          what: `no longer declares ${named(some)}; kept: ${why} (--prune drops ${itOrThem(some)} from the ownership record)${gone}`,
        })),
    ]
  })

/** The playbooks that bound a removed role and do not exist any more. */
export const missingOf = (
  role: string,
  { records, project }: { readonly records: OwnedRecords; readonly project: ProjectPlaybooks },
): readonly string[] => (records.get(role)?.playbooks ?? []).filter((playbook) => project.isMissing(playbook))

const goneText = (playbooks: readonly string[]): string => {
  if (playbooks.length === 0) return ''
  const [its, exist] = playbooks.length === 1 ? ['its playbook', 'exists'] : ['its playbooks', 'exist']
  return `; ${its} ${firstNames(playbooks)} no longer ${exist}`
}

const itOrThem = (some: readonly unknown[]): string => (some.length === 1 ? 'it' : 'them')
