import { z } from 'zod'

/** A port that a resource opens on its host for others. */
export interface PublishedPort {
  readonly service: string
  readonly port: number
  readonly protocol: 'tcp' | 'udp'
  /** Its permitted peers: `anyone`, `administrators`, networks, groups of the inventory and sets of the firewall. */
  readonly from: readonly string[]
  /** Packets to it are forwarded to a container. Otherwise the program listens on the host itself. */
  readonly forwarded: boolean
  readonly why?: string | undefined
}

/**
 * Reads the ports that resources of a kind publish, for the firewall. The ports must be known before a host is contacted, so they depend on
 * few options.
 */
export interface Publishes<Picked> {
  /** Reads those options, and ignores all others. */
  readonly schema: z.ZodType<Picked>
  /** The names of those options. */
  readonly options: readonly string[]
  ports(picked: Picked): readonly PublishedPort[]
}

// biome-ignore lint/suspicious/noExplicitAny: the options that it reads are those of its own kind
export type AnyPublishes = Publishes<any>

export const fromOption = z
  .array(z.string().min(1))
  .min(1)
  .meta({
    description:
      'those who may connect, for the role firewall: `anyone`, `administrators`, networks, groups of the inventory, or sets of the firewall',
    examples: [['load_balancers', '192.0.2.0/24']],
  })

export const whyOption = z
  .string()
  .regex(/^[^\p{Cc}"]{1,80}$/u, 'must be one line of at most 80 characters, without quotation marks')
  .meta({ description: 'the reason for opening the port; the table of flows and the rule show it', examples: ['partner API, ticket 4711'] })
