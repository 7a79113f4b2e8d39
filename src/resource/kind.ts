import type { z } from 'zod'
import type { Secret } from '../secret.ts'
import type { Asks, Instrument, Said } from './asks.ts'

/** What a plan will do to one resource. */
export type Action = 'create' | 'update' | 'delete' | 'run'

/** How sure a change is: `exact` to the byte, `depends` on another change of this run, `opaque` to us. */
export type Sureness = 'exact' | 'depends' | 'opaque'

/** One setting that differs. Both sides may be shown to anybody: secrets are masked before they come here. */
export interface Difference {
  readonly key: string
  readonly from?: string
  readonly to?: string
}

/** What `plan` found between what is seen and what is wanted. */
export interface Verdict {
  readonly action: Action
  readonly sure: Sureness
  /** Why, in a few words: `not installed`, `content differs`, `runs with an older /etc/nginx/nginx.conf`. */
  readonly reason: string
  readonly differences: readonly Difference[]
  /** A debt of safety, which any run pays, whatever roles it was asked for. */
  readonly debt?: true
  /** Until when what is there will do: where the controller's part of the change fails, the change is put off to the next run. */
  readonly mayWaitUntil?: Date
}

/** What `plan` may know beside the two states. */
export interface World {
  readonly now: Date
  /** A package that the same role declared earlier is going to be installed in this run. */
  readonly packagesComing: boolean
  /** Whether this run plans an earlier change of the resource with this key (`kind:identity`) on this host. */
  changes(key: string): boolean
  /** Paths of what is left over and deleted earlier in this run on this host. */
  readonly deleted?: ReadonlySet<string>
  /** What each host that has this same resource, and was reached, said of it: for plans over several hosts (a cluster, a moving primary). */
  members(): ReadonlyMap<string, unknown>
  /** Hosts of which it was said that rows which only they have may be lost. */
  readonly mayLose?: ReadonlySet<string>
}

/** One privileged script and what it reads on standard input. Its output is bytes; `$T` is a directory for its temporary files, which no cut outlives. */
export interface ShellStep {
  readonly do: 'shell'
  readonly script: string
  readonly input?: Uint8Array | Secret
  /** Another host of the play than the one whose resource this is (plans over several hosts). */
  readonly on?: string
  /** What the host is doing meanwhile, for the person who watches: `installing nginx`. */
  readonly doing?: string
  /** How long it may take, in milliseconds, where that can be longer than half an hour. */
  readonly withinMs?: number
}

/** A script that is run over a connection of its own, opened for it: proof that one can still come in. */
export interface ReconnectStep {
  readonly do: 'reconnect'
  readonly script: string
  /** How long to go on trying, in milliseconds. */
  readonly withinMs: number
}

/** Something that only the controller's identities can do: sign, order a certificate. */
export interface IdentityStep {
  readonly do: 'identity'
  /** The identity's key, `acme-account:…` or `authority:…`, as the role received it. */
  readonly identity: string
  /** A certificate signing request (PEM) and the names that the site (not the request) asks for. */
  readonly request: string
  readonly names: readonly string[]
  /** What a certificate of the site's own authority is good for, and how long. */
  readonly leaf?: { readonly usages: readonly ('server' | 'client')[]; readonly lifetimeDays: number }
  readonly doing?: string
}

/** Something that a person should know of what was done, beside that it was done. */
export interface TellStep {
  readonly do: 'tell'
  readonly what: string
  /** It is to worry about. */
  readonly warn?: true
}

export type Step = ShellStep | ReconnectStep | IdentityStep | TellStep

/** A host's answer to a step; for an identity step, `stdout` is what was made (a PEM chain). */
export interface Answer {
  readonly code: number
  readonly stdout: Buffer
  readonly stderr: string
}

/** A question to a host about any number of resources: what is asked together with others, a shell fragment of its own, and how to read both. */
export interface Probe<Seen> {
  /** What is asked together with what other kinds ask. */
  readonly asks?: Asks
  /** POSIX sh; runs as root with an empty standard input, in `LC_ALL=C`. Its stderr is ignored. */
  readonly script: string
  /** By identity. A resource that the host did not speak of is missing from the map: an error, never "absent". */
  parse(stdout: Buffer, said: Said): ReadonlyMap<string, Seen>
}

/** One resource that is to be changed: what is wanted, what was seen, what was planned. */
export interface Work<Spec, Seen> {
  readonly id: string
  readonly spec: Spec
  readonly seen: Seen
  readonly verdict: Verdict
  /** What each host that has this same resource, and was reached, last said of it. */
  members?(): ReadonlyMap<string, unknown>
  /** Hosts of which it was said that rows which only they have may be lost. */
  readonly mayLose?: ReadonlySet<string>
}

/** A file that belongs to a resource, and how much of its content can be foretold. */
export interface ManagedFile {
  readonly path: string
  /** Hexadecimal; `absent`: shall not exist; `later`: not known before the run has made it; `disk`: whatever the host made there itself. */
  readonly sha256: string
}

/** Two texts to be compared by a person: all secrets are masked in them. */
export interface Texts {
  /** What they are of, where that is only a part of the resource. */
  readonly name?: string
  readonly before: string
  readonly after: string
}

/** What is shown of a change; `more` are further texts of the same resource; `full` is the same word for word, for whoever asks for all of it. */
export interface Shown extends Texts {
  readonly more?: readonly Texts[]
  readonly full?: Texts
}

/** The steps that bring some resources to their state: yields a step, receives its answer. Throws `Refused` when a host refuses. */
export type Steps = Generator<Step, void, Answer>

/**
 * How to observe all resources of one sort on a host in one go, plan each of them purely, and apply those that differ.
 * A kind cannot open a connection: it only says what to ask and how to read the answer.
 */
export interface Kind<Input = unknown, Spec = unknown, Seen = unknown> {
  readonly name: string
  readonly schema: z.ZodType<Spec, Input>
  /** Unique among the resources of this kind on a host, and stable between runs. */
  id(spec: Spec): string
  observe(specs: readonly Spec[]): Probe<Seen>
  plan(want: Spec, seen: Seen, world: World): Verdict | undefined
  /** What a person should know in every plan beside what is to be changed: rules of others that defeat ours, what the run will refuse. */
  notices?(spec: Spec, seen: Seen, world: World): readonly string[]
  /** What cannot be, as the hosts are: the run, dry or not, ends before anything is changed on any of them. */
  forbids?(spec: Spec, seen: Seen, world: World): Refused | undefined
  /** Applies adjacent changes of one kind together, in their order. */
  apply(work: readonly Work<Spec, Seen>[]): Steps
  /**
   * Puts back what `apply` replaced, where the host still has it: asked for what was applied to a host that then was not well.
   * Adjacent ones together, in the order in which they were applied.
   */
  revert?(work: readonly Work<Spec, Seen>[]): Steps
  /** The texts that will be replaced, for diffs: asked only for resources that differ. */
  before?(work: readonly Work<Spec, Seen>[]): Instrument<ReadonlyMap<string, Uint8Array>>
  /** The old and the new text as a person may see them; undefined where there is nothing to show. */
  diff?(work: Work<Spec, Seen>, before: Uint8Array | undefined): Shown | undefined
  /**
   * In which order hosts that have this same resource change it, each only when those before it have: for members of a cluster, of
   * which one at a time may be away. It orders those of one play; plays come one after the other anyway.
   */
  turns?(spec: Spec, members: ReadonlyMap<string, Seen>): readonly string[]
  /** What it installs can change what later resources of its role find (packages). */
  readonly brings?: true
  /** The files that a resource consists of: for the host's record of what we own, and for services that load them. */
  files?(spec: Spec): readonly ManagedFile[]
}

/** One thing that shall be so on a host. */
export interface Resource<Spec = unknown> {
  readonly kind: Kind<never, Spec, unknown>
  readonly id: string
  readonly spec: Spec
}

/** `kind:identity`, the name of a resource everywhere. */
export const keyOf = ({ kind, id }: { kind: { name: string }; id: string }): string => `${kind.name}:${id}`

/** A host refused a step: the words to show are the host's own. */
export class Refused extends Error {
  override readonly name = 'Refused'
  readonly what: string
  readonly why: string
  readonly fix: string | undefined
  /** Identities of those of the batch that were done before it was refused. */
  readonly done: readonly string[]
  /** Which of the batch it was about; else the first that was not done. */
  readonly culprit: string | undefined

  constructor(what: string, why: string, fix?: string, done: readonly string[] = [], culprit?: string) {
    super(`${what}: ${why}`)
    this.what = what
    this.why = why
    this.fix = fix
    this.done = done
    this.culprit = culprit
  }
}

/** The controller could not do its part of a change; what had been done of the batch before counts. */
export class Undone extends Error {
  override readonly name = 'Undone'
  readonly done: readonly string[]
  readonly culprit: string

  constructor(cause: unknown, done: readonly string[], culprit: string) {
    super(`${culprit} was not done`, { cause })
    this.done = done
    this.culprit = culprit
  }
}

/** The answer when the script succeeded; else `Refused`, with the last lines of what the host said. */
export const succeeded = (answer: Answer, what: string, fix?: string): Answer => {
  if (answer.code === 0) return answer
  throw new Refused(`${what} (exit ${answer.code})`, lastWords(answer), fix)
}

const lastWords = ({ stderr, stdout }: Answer): string => {
  return lastLines(stderr.trim() === '' ? stdout.toString() : stderr)
}

/** The last of what a host said, for an error; or that it said nothing. */
export const lastLines = (said: string): string =>
  said.trim() === '' ? 'the host said nothing' : said.trim().split('\n').slice(-20).join('\n')

/**
 * Turns a kind into the function that role authors call: `file({ path: '/etc/motd', content: '…' })`.
 * The options are checked by the kind's schema; a wrong one throws zod's error, which discovery turns into a `Problem`.
 */
export const defineKind = <Input, Spec, Seen>(
  kind: Kind<Input, Spec, Seen>,
): ((options: Input) => Resource<Spec>) & { readonly kind: Kind<Input, Spec, Seen> } =>
  Object.assign(
    (options: Input): Resource<Spec> => {
      const spec = kind.schema.parse(options)
      return { kind: kind as unknown as Kind<never, Spec, unknown>, id: kind.id(spec), spec }
    },
    { kind },
  )
