/** The action of a change, as plans and JSON print it. */
export type Action = 'create' | 'update' | 'delete' | 'run'

/** Certainty of a change. `exact`: all it needs was observed. `dependent`: it needs another change of this run. `opaque`: its effect is unknown. */
export type Certainty = 'exact' | 'dependent' | 'opaque'

/** A setting that differs. Plans print both values, so neither may contain a secret. */
export interface Difference {
  readonly key: string
  readonly from?: string
  readonly to?: string
}

/** A file before and after a change, undefined if it does not exist. */
export interface FileEdit {
  readonly path: string
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
  /** Its mode after the change. */
  readonly mode?: string
}

/** The change that brings a resource from its state to its spec. */
export interface Change {
  readonly action: Action
  readonly certainty: Certainty
  /** A few words for the plan: `missing`, `content differs`, `runs with an older /etc/nginx/nginx.conf`. */
  readonly reason: string
  readonly differences: readonly Difference[]
  /** A fact to know before the run, shown above the plan: `order of a certificate for example.com`. It cannot be secret. */
  readonly attention?: string
  /** The keys of the resources of the host whose change is the reason. */
  readonly causes?: readonly string[]
  /** Every run makes this change, also with `--role` for another role: without it the host is at risk. */
  readonly debt?: true
  /** The files are as declared and not in effect yet, because a run was interrupted. Every run reports this; a run of the role completes it. */
  readonly unfinished?: true
  /** The present state is valid until then. If the controller's part of the change fails, the change is deferred to the next run. */
  readonly deferrableUntil?: Date
  /** The files that it edits, for later changes of the same files (`PlanContext.edited`). Neither shown nor saved. */
  readonly edits?: readonly FileEdit[]
}

/** Texts before and after a change. Plans print them, so they must not contain a secret. */
export interface DiffTexts {
  /** Name of the part, if they show only a part of the resource. */
  readonly name?: string
  readonly before: string
  readonly after: string
}

/** The diff of a change. `more`: further texts of the same resource. `full`: the complete texts for `--verbose` and saved plans, where these are shortened. */
export interface ShownDiff extends DiffTexts {
  readonly more?: readonly DiffTexts[]
  readonly full?: DiffTexts
}
