import type { z } from 'zod'
import type { Authority } from '../../keystore/identities.ts'
import type { AnyPublishes } from '../published/published.ts'
import type { Change, FileEdit, ShownDiff } from './change.ts'
import type { Content } from './content.ts'
import { type OrphanPolicy, registerOrphanPolicy } from './orphan-policy.ts'
import type { KindQuery, Query } from './queries.ts'
import type { Aspect } from './stamp.ts'
import type { HostRefusal, Steps } from './step.ts'
import { checkedSpec } from './unusable.ts'

export type { Action, Certainty, Change, Difference, DiffTexts, FileEdit, ShownDiff } from './change.ts'
export type { KindQuery } from './queries.ts'

/** Information that `plan` may use beside spec and state. */
export interface PlanContext {
  readonly now: Date
  /** The same role installs a package earlier in this run: it may create accounts, directories and units. */
  readonly packagesPending: boolean
  /** A role installs a package earlier in this run on this host, the same role or another. */
  readonly anyPackagesPending?: boolean
  /** An earlier change of this run on this host may create more than itself: accounts, directories, units. */
  readonly mayBringMore?: boolean
  /** Returns whether root alone can replace what is in this directory, by the observation. Asked for directories of `Kind.directories`. */
  isRootsAlone?(directory: string): boolean
  /** Returns whether an earlier resource with this key (`kind:identity`) changes on this host in this run. */
  changes(key: string): boolean
  /** Returns whether an earlier change of this run writes or deletes something below this directory on this host. */
  changesBelow?(directory: string): boolean
  /** An earlier change of this run on this host is opaque: a script, which can prepare anything. */
  readonly opaquePending?: boolean
  /** Returns whether an earlier change of this run on this host deletes what is at this path, or the resource with this key. */
  deletes?(what: string): boolean
  /** Paths of orphans that this run deletes earlier on this host. */
  readonly deleted?: ReadonlySet<string>
  /** Returns the last earlier change of this run on this host that edits this file. */
  edited?(path: string): FileEdit | undefined
  /** Returns the earlier parts of this file that are as declared, or will be: resources of a kind with a `family`. */
  parts?(path: string): readonly Resource[]
  /** Returns the state of this resource on each reachable host that has it, for plans over several hosts: a cluster, a switch-over. */
  members(): ReadonlyMap<string, unknown>
  /** Hosts whose unreplicated rows may be discarded (`--allow-data-loss`). */
  readonly allowDataLoss?: ReadonlySet<string>
}

/** A resource to change. `state` was observed before the first write of the batch. */
export interface Work<Spec, State> {
  readonly id: string
  readonly spec: Spec
  readonly state: State
  readonly change: Change
  /** Returns the newest state of this resource on each reachable host that has it. */
  members?(): ReadonlyMap<string, unknown>
  /** A script or an installation of this run came between observation and change: it may have created what was absent before. */
  readonly afterScripts?: boolean
  /** Hosts whose unreplicated rows may be discarded (`--allow-data-loss`). */
  readonly allowDataLoss?: ReadonlySet<string>
}

/** A file of a resource, for the host's record and for services that load it. */
export interface ManagedFile {
  readonly path: string
  /** Hexadecimal SHA-256. `absent`: declared absent. `later`: made in this run. `disk`: made by the host itself. */
  readonly sha256: string
}

/** The effect of a change: the new state of a unit or of a path. Unknown properties are left out. */
export type Effect =
  | { readonly unit: string; readonly running: boolean; readonly enabled: boolean }
  | {
      readonly path: string
      readonly becomes:
        | 'absent'
        | {
            readonly type?: 'f' | 'd' | 'l'
            readonly mode?: string | undefined
            readonly owner?: string | undefined
            readonly group?: string | undefined
            readonly target?: string
            readonly text?: string
          }
    }

/** The authority that signed a certificate on a host. */
export interface Signature {
  readonly authority: Authority
  /** Name of the signing generation, from the certificate. */
  readonly issuer: string
  readonly path: string
}

/** Names of users and groups. */
export interface NeededAccounts {
  readonly users?: readonly string[]
  readonly groups?: readonly string[]
}

/** An earlier resource of the host whose change causes a change of the resource that names it. */
export interface Trigger {
  readonly key: string
  readonly files: readonly ManagedFile[]
}

/** A resource that a change of this play causes to change later, and the keys of the resources that change. */
export interface Owing<Spec, State> {
  readonly id: string
  readonly spec: Spec
  readonly state: State
  readonly keys: readonly string[]
}

/** How the resources of a kind name earlier resources of their host. The engine finds them before a host is contacted. */
export interface Triggers<Spec, State> {
  /** Returns the names: keys (`kind:identity`), or paths, which name all that is declared there and below. */
  names(spec: Spec): readonly string[]
  /** Returns the spec with the resources that the names lead to. */
  resolve(spec: Spec, triggers: readonly Trigger[]): Spec
  /** Returns the keys of these resources. */
  keys(spec: Spec): readonly string[]
  /**
   * Returns steps that record the debt on the host. A run takes them before the first change of these resources, so that no interruption
   * loses it.
   */
  owe?(owing: readonly Owing<Spec, State>[]): Steps
}

/**
 * The type of a resource. It observes all resources of the kind on a host in one request, plans each of them purely, and applies the
 * changes. A kind opens no connection and does no I/O: it returns queries and steps, and the engine executes them.
 */
export interface Kind<Input = unknown, Spec = unknown, State = unknown> {
  /** Name in keys, plans and records, such as `file`. `summary` is one line for lists of kinds. */
  readonly name: string
  readonly summary?: string
  /** Checks the options of a role, and turns them into a spec. */
  readonly schema: z.ZodType<Spec, Input>
  /** Returns the identity: unique among the resources of the kind on a host, and the same in every run. */
  id(spec: Spec): string
  /** Returns one query for all resources. The number of processes it starts must not grow with them. */
  observe(specs: readonly Spec[]): KindQuery<State>
  /** Returns the change, or undefined if the resource is as declared. Pure: dry run, run and proof call it with the same result. */
  plan(spec: Spec, state: State, context: PlanContext): Change | undefined
  /** Returns sentences for every plan, changed or not: rules of others that defeat ours, a change that the run will refuse. */
  notices?(spec: Spec, state: State, context: PlanContext): readonly string[]
  /** Returns a reason why the host must not be changed at all. The run, or the dry run, skips the host and continues with the others. */
  forbids?(spec: Spec, state: State, context: PlanContext): HostRefusal | undefined
  /** Returns the accounts that the resource needs. The run skips the host if one is missing, and no earlier resource creates it. */
  accounts?(spec: Spec): NeededAccounts
  /**
   * Returns the directories that must exist before the resource changes. The run leaves the host out if one of them does not, and nothing
   * creates it before.
   */
  directories?(spec: Spec): readonly string[]
  /**
   * Returns the state of units and paths after a change. The run skips the host if this state would shut out the account that it uses.
   * Default: the paths of `files`.
   */
  effects?(spec: Spec): readonly Effect[]
  /** A change creates nothing but the resource itself: no account, directory or unit that a later resource could need. */
  readonly contained?: true
  /** Returns whether every run deletes orphans at this path, as `--prune` does: the resource permits nothing else there. */
  prunes?(spec: Spec, path: string): boolean
  /** Returns the steps for adjacent changes of the kind, in their order. */
  apply(work: readonly Work<Spec, State>[]): Steps
  /**
   * Returns the steps that restore what `apply` replaced, for a host that failed its health check in a rolling update. It receives adjacent
   * changes in the order in which they were applied.
   */
  revert?(work: readonly Work<Spec, State>[]): Steps
  /** Returns a query for the present texts of resources that differ, for diffs; by identity. */
  before?(work: readonly Work<Spec, State>[]): Query<ReadonlyMap<string, Uint8Array>>
  /** Returns both texts with secrets masked, or undefined if there is nothing to show. */
  diff?(work: Work<Spec, State>, before: Uint8Array | undefined): ShownDiff | undefined
  /**
   * Returns the order in which the hosts of a play change the resource they share. Each host waits for those before it: members of a
   * cluster restart one at a time.
   */
  sequence?(spec: Spec, members: ReadonlyMap<string, State>): readonly string[]
  /** All resources of kinds with this name have one order, also those with another identity. */
  readonly queue?: string
  /** How a spec names earlier resources of the host whose change causes a change of this one. */
  readonly triggers?: Triggers<Spec, State>
  /**
   * Kinds of one family edit parts of files: several of their resources can have one file, and none of another kind may have it. Adjacent
   * changes of a family are applied together, by the `apply` of the first, in their order.
   */
  readonly family?: string
  /** Hosts that declare the same resource share it, as the members of a cluster do: if the state of one forbids a change, none is changed. */
  readonly shared?: true
  /** Creating the resource can create what later resources of the role need, as a package does (`PlanContext.packagesPending`). */
  readonly affectsLater?: true
  /** Policy of a run with `--prune` for a resource that no role declares any more. Default: keep it. Required of shipped kinds. */
  readonly orphan?: OrphanPolicy
  /** Returns words for the host's record beside the identity, for a kind without `files`. */
  recorded?(spec: Spec): readonly string[]
  /** Returns the content, which can have values that are made in this run. */
  content?(spec: Spec): Content | undefined
  /** Returns the site's authority that signed the certificate on the host. */
  signer?(spec: Spec, state: State, now: Date): Signature | undefined
  /** Returns the key of the site's identity that issued the certificate on the host; undefined if none did, or if it has expired. */
  issuer?(spec: Spec, state: State, now: Date): string | undefined
  /** A record of provision itself, declared by no role. Plans show it with `--verbose` only. */
  readonly bookkeeping?: true
  /** Returns the files of a resource, for the host's record and for services that load them. */
  files?(spec: Spec): readonly ManagedFile[]
  /** How the resources tell the firewall what they publish. */
  readonly publishes?: AnyPublishes
  /** Returns what a service depends on, for a kind without `files`. */
  aspect?(spec: Spec): Aspect
}

/** Any kind: the type that the engine works with. */
// biome-ignore lint/suspicious/noExplicitAny: a kind's own types meet only within the kind
export type AnyKind = Kind<any, any, any>

/** A resource, as a role declares it: a kind, and a spec that its schema has checked. */
export interface Resource<Spec = unknown> {
  readonly kind: AnyKind
  readonly id: string
  readonly spec: Spec
}

export const isResource = (value: unknown): value is Resource =>
  typeof value === 'object' && value !== null && 'kind' in value && 'spec' in value

/** Returns `kind:identity`, the name of a resource in plans, JSON and records. */
export const keyOf = ({ kind, id }: { kind: { name: string }; id: string }): string => `${kind.name}:${id}`

/**
 * Returns the function that roles call: `file({ path: '/etc/motd', content: '…' })`. It checks the options by the schema of the kind and
 * throws zod's error, which becomes a `Problem` of the role. A text with `undefined`, `[object Object]` or a masked secret is a TypeError.
 * @throws TypeError if the name is invalid, or another kind has it
 */
export const defineKind = <Input, Spec, State>(
  kind: Kind<Input, Spec, State>,
): ((options: Input) => Resource<Spec>) & { readonly kind: Kind<Input, Spec, State> } => {
  registerOrphanPolicy(kind.name, kind.orphan)
  return Object.assign(
    (options: Input): Resource<Spec> => {
      const spec = checkedSpec(kind.name, kind.schema, options)
      return { kind, id: kind.id(spec), spec }
    },
    { kind },
  )
}

/** Whether a value is what `defineKind` returns. */
export const isKindFunction = (value: unknown): value is { readonly kind: AnyKind } =>
  typeof value === 'function' && 'kind' in value && typeof value.kind === 'object' && value.kind !== null && 'schema' in value.kind
