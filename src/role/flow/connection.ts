/** A connection of a role to a place outside the site. Its address is a name that can change, so only the port is known. */
export interface Connection {
  /** What it is for: `alerts`, `backups`. */
  readonly service: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
}
