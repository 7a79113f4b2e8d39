/** A fault of valid options that contradict each other or the site, at a path of the options. */
export interface OptionFault {
  readonly path: readonly PropertyKey[]
  readonly what: string
  readonly fix: string
}
