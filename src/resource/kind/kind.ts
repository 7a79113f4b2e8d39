import type { z } from 'zod'
import type { Authority } from '../../keystore/identities.ts'
import type { Change } from './change.ts'
import type { Content } from './content.ts'
import { type OrphanPolicy, registerOrphanPolicy } from './orphan-policy.ts'
import type { KindQuery, Query } from './queries.ts'
import type { HostRefusal, Steps } from './step.ts'

export type { Action, Certainty, Change, Difference } from './change.ts'
export type { KindQuery } from './queries.ts'

/** What `plan` may know beside the two states. */
export interface PlanContext {
  readonly now: Date
  /** A package that the same role declared earlier is going to be installed in this run. */
  readonly packagesPending: boolean
  /** Whether this run plans an earlier change of the resource with this key (`kind:identity`) on this host. */
  changes(key: string): boolean
  /** Paths of what is left over and deleted earlier in this run on this host. */
  readonly deleted?: ReadonlySet<string>
  /** What each host that has this same resource, and was reached, said of it: for plans over several hosts (a cluster, a moving primary). */
  members(): ReadonlyMap<string, unknown>
  /** Hosts of which it was said that rows which only they have may be lost. */
  readonly allowDataLoss?: ReadonlySet<string>
}

/** One resource that is to be changed: what is wanted, what was seen, what was planned. */
export interface Work<Spec, Seen> {
  readonly id: string
  readonly spec: Spec
  readonly state: Seen
  readonly change: Change
  /** What each host that has this same resource, and was reached, last said of it. */
  members?(): ReadonlyMap<string, unknown>
  /** Hosts of which it was said that rows which only they have may be lost. */
  readonly allowDataLoss?: ReadonlySet<string>
}

/** A file that belongs to a resource, and how much of its content can be foretold. */
export interface ManagedFile {
  readonly path: string
  /** Hexadecimal; `absent`: shall not exist; `later`: not known before the run has made it; `disk`: whatever the host made there itself. */
  readonly sha256: string
}

/** Two texts to be compared by a person: all secrets are masked in them. */
export interface DiffTexts {
  /** What they are of, where that is only a part of the resource. */
  readonly name?: string
  readonly before: string
  readonly after: string
}

/** What is shown of a change; `more` are further texts of the same resource; `full` is the same word for word, for whoever asks for all of it. */
export interface ShownDiff extends DiffTexts {
  readonly more?: readonly DiffTexts[]
  readonly full?: DiffTexts
}

/** Who signed something that a host has. */
export interface Signature {
  readonly authority: Authority
  /** The name of the signing generation, as the certificate has it. */
  readonly issuer: string
  readonly path: string
}

/**
 * How to observe all resources of one sort on a host in one go, plan each of them purely, and apply those that differ.
 * A kind cannot open a connection: it only says what to ask and how to read the answer.
 */
export interface Kind<Input = unknown, Spec = unknown, State = unknown> {
  readonly name: string
  readonly schema: z.ZodType<Spec, Input>
  /** Unique among the resources of this kind on a host, and stable between runs. */
  id(spec: Spec): string
  observe(specs: readonly Spec[]): KindQuery<State>
  plan(want: Spec, seen: State, world: PlanContext): Change | undefined
  /** What a person should know in every plan beside what is to be changed: rules of others that defeat ours, what the run will refuse. */
  notices?(spec: Spec, seen: State, world: PlanContext): readonly string[]
  /** What cannot be, as the hosts are: the run, dry or not, ends before anything is changed on any of them. */
  forbids?(spec: Spec, seen: State, world: PlanContext): HostRefusal | undefined
  /** Applies adjacent changes of one kind together, in their order. */
  apply(work: readonly Work<Spec, State>[]): Steps
  /**
   * Puts back what `apply` replaced, where the host still has it: asked for what was applied to a host that then was not well.
   * Adjacent ones together, in the order in which they were applied.
   */
  revert?(work: readonly Work<Spec, State>[]): Steps
  /** The texts that will be replaced, for diffs: asked only for resources that differ. */
  before?(work: readonly Work<Spec, State>[]): Query<ReadonlyMap<string, Uint8Array>>
  /** The old and the new text as a person may see them; undefined where there is nothing to show. */
  diff?(work: Work<Spec, State>, before: Uint8Array | undefined): ShownDiff | undefined
  /**
   * In which order hosts that have this same resource change it, each only when those before it have: for members of a cluster, of
   * which one at a time may be away. It orders those of one play; plays come one after the other anyway.
   */
  sequence?(spec: Spec, members: ReadonlyMap<string, State>): readonly string[]
  /** What it installs can change what later resources of its role find (packages). */
  readonly affectsLater?: true
  /** What happens to a resource that no role declares any more; without, it stays. Shipped kinds have to say. */
  readonly orphan?: OrphanPolicy
  /** What is recorded of a resource beside its identity, where that is not its files. */
  recorded?(spec: Spec): readonly string[]
  /** Its content: values that are made in a run can be part of it. */
  content?(spec: Spec): Content | undefined
  /** The site's authority that signed what lies there, and by which name of its own. */
  signer?(spec: Spec, state: State, now: Date): Signature | undefined
  /** A record of provision itself, not a wish of anybody: plans show it on demand only. */
  readonly bookkeeping?: true
  /** The files that a resource consists of: for the host's record of what we own, and for services that load them. */
  files?(spec: Spec): readonly ManagedFile[]
}

/** A kind whose types are no longer known: what the engine works with. */
// biome-ignore lint/suspicious/noExplicitAny: a kind's own types meet only within the kind
export type AnyKind = Kind<any, any, any>

/** One thing that shall be so on a host. */
export interface Resource<Spec = unknown> {
  readonly kind: AnyKind
  readonly id: string
  readonly spec: Spec
}

/** `kind:identity`, the name of a resource everywhere. */
export const keyOf = ({ kind, id }: { kind: { name: string }; id: string }): string => `${kind.name}:${id}`

/**
 * Turns a kind into the function that role authors call: `file({ path: '/etc/motd', content: '…' })`.
 * The options are checked by the kind's schema; a wrong one throws zod's error, which discovery turns into a `Problem`.
 */
export const defineKind = <Input, Spec, Seen>(
  kind: Kind<Input, Spec, Seen>,
): ((options: Input) => Resource<Spec>) & { readonly kind: Kind<Input, Spec, Seen> } => {
  if (kind.orphan !== undefined) registerOrphanPolicy(kind.name, kind.orphan)
  return Object.assign(
    (options: Input): Resource<Spec> => {
      const spec = kind.schema.parse(options)
      return { kind, id: kind.id(spec), spec }
    },
    { kind },
  )
}
