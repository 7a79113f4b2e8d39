/** What a plan will do to one resource. */
export type Action = 'create' | 'update' | 'delete' | 'run'

/** How sure a change is: `exact` to the byte, `depends` on another change of this run, `opaque` to us. */
export type Certainty = 'exact' | 'dependent' | 'opaque'

/** One setting that differs. Both sides may be shown to anybody: secrets are masked before they come here. */
export interface Difference {
  readonly key: string
  readonly from?: string
  readonly to?: string
}

/** What `plan` found between what is seen and what is wanted. */
export interface Change {
  readonly action: Action
  readonly certainty: Certainty
  /** Why, in a few words: `not installed`, `content differs`, `runs with an older /etc/nginx/nginx.conf`. */
  readonly reason: string
  readonly differences: readonly Difference[]
  /** A debt of safety, which any run pays, whatever roles it was asked for. */
  readonly debt?: true
  /** What lies on the host is right and has not taken effect, as a run that was cut leaves it: any run says so, one of its own role ends it. */
  readonly unfinished?: true
  /** Until when what is there will do: where the controller's part of the change fails, the change is put off to the next run. */
  readonly deferrableUntil?: Date
}
