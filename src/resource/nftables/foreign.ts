import { type Block, blocksIn, readNft, statementsIn } from './reader.ts'

/** A chain of somebody else's that the kernel itself calls. */
export interface ForeignChain {
  /** `ip filter` */
  readonly table: string
  readonly chain: string
  readonly type: string
  readonly hook: string
  readonly policy: string
}

/** What filters on a host beside our tables. */
export interface Foreign {
  readonly chains: readonly ForeignChain[]
  /** Rules that surely defeat ours, in words: `table inet x, chain y: tcp dport 443 drop shuts 443/tcp, which our rules open`. */
  readonly defeats: readonly string[]
  /** Tables of the older iptables, which nft does not show. */
  readonly legacy: readonly string[]
}

/** Names the tables of the older iptables; there only once they are in use. */
export const LEGACY = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']

/** Reads what `nft list chains` printed, but for tables of ours. */
export const readForeign = (listing: string, ours: ReadonlySet<string>): readonly ForeignChain[] =>
  blocksIn(readNft(listing))
    .map(({ head, body }) => ({ table: head.slice('table '.length), body }))
    .filter(({ table }) => !ours.has(table))
    .flatMap(({ table, body }) =>
      blocksIn(body).flatMap(({ head, body: chain }) => {
        const statements = statementsIn(chain)
        const [, type, hook] = statements.map((one) => /^type (\w+) hook (\w+) /.exec(one)).find((found) => found !== null) ?? []
        const policy = statements.find((one) => one.startsWith('policy '))?.slice('policy '.length) ?? 'accept'
        return type === undefined || hook === undefined ? [] : [{ table, chain: head.slice('chain '.length), type, hook, policy }]
      }),
    )

/** What a person should know of others' rules, which we never touch: those that shut what we open, or let past what we shut. */
export const foreignNotices = (rules: string, { chains, defeats, legacy }: Foreign): readonly string[] => {
  const chainsOf = ({ body }: Block): readonly Block[] => blocksIn(body)
  const own = blocksIn(readNft(rules))
    .flatMap(chainsOf)
    .flatMap(({ body }) => statementsIn(body))
  if (!own.some((one) => / hook input /.test(one))) return []
  const at = own.findIndex((one) => / hook forward /.test(one))
  const drops = at >= 0 && own[at + 1] === 'policy drop'
  const isReported = ({ table, chain }: ForeignChain): boolean =>
    defeats.some((one) => one.startsWith(`table ${table}, chain ${chain}: policy drop `))
  return [
    ...defeats.map((one) => `${one} (a rule of somebody else’s, and left alone)`),
    ...droppingChains(chains.filter((chain) => !isReported(chain))).map(
      (where) => `${where} drops what its table does not let in itself, also on ports that our rules open`,
    ),
    ...(chains.some(({ table }) => table === 'inet firewalld')
      ? ['firewalld filters too (table inet firewalld): what it does not open itself stays shut, also on ports that our rules open']
      : []),
    ...redirectingChains(chains).map((where) =>
      drops
        ? `${where} redirects packets before our chain input sees them (ports that containers publish); where they go on to others, our chain forward drops them`
        : `${where} redirects packets before our chain input sees them: ports that it publishes (containers) are open whatever our rules say`,
    ),
    ...(legacy.length === 0
      ? []
      : [
          `rules of iptables-legacy are loaded (${legacy.join(', ')}), which nft does not show: they can drop what our rules open (iptables-legacy-save lists them)`,
        ]),
  ]
}

const droppingChains = (chains: readonly ForeignChain[]): readonly string[] =>
  chains.filter(({ table, hook, policy }) => policy === 'drop' && !isBridgeOrArp(table) && INPUT_HOOKS.has(hook)).map(describeChain)

const redirectingChains = (chains: readonly ForeignChain[]): readonly string[] =>
  chains.filter(({ type, hook }) => type === 'nat' && hook === 'prerouting').map(describeChain)

const INPUT_HOOKS = new Set(['input', 'prerouting', 'ingress'])

const describeChain = ({ table, chain }: ForeignChain): string => `chain ${chain} of the nft table ${table}`

// What is bridged or asked for a hardware address does not come to the host's own sockets by these rules.
const isBridgeOrArp = (table: string): boolean => /^(bridge|arp) /.test(table)
