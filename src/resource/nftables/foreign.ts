import { type Block, blocksIn, readNft, statementsIn } from './reader.ts'

/** A base chain of a foreign table. */
export interface ForeignChain {
  /** `ip filter` */
  readonly table: string
  readonly chain: string
  readonly type: string
  readonly hook: string
  readonly policy: string
}

/** Packet filters on a host besides our tables. */
export interface Foreign {
  readonly chains: readonly ForeignChain[]
  /**
   * Rules that certainly defeat ours: `table inet x, chain y: tcp dport 443 drop blocks 443/tcp, which provision opens`. If only the first are
   * listed, the last line begins with the number of the others.
   */
  readonly defeats: readonly string[]
  /** Tables of iptables-legacy, which nft does not show. */
  readonly legacy: readonly string[]
}

/** Files that list the tables of iptables-legacy; they exist once such tables are used. */
export const LEGACY = ['/proc/net/ip_tables_names', '/proc/net/ip6_tables_names']

/** Parses the output of `nft list chains`, without our tables. */
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

/** Warnings about foreign rules, which provision never changes: rules that close ports that we open, or bypass our rules. */
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
    ...defeats.map((one) => (/^\d/.test(one) ? one : `${one} (not a rule of provision, so it is kept)`)),
    ...droppingChains(chains.filter((chain) => !isReported(chain))).map(
      (where) => `${where} drops everything that its own table does not accept, also on ports that provision opens`,
    ),
    ...(chains.some(({ table }) => table === 'inet firewalld')
      ? ['firewalld is active too (table inet firewalld): ports that it does not open stay closed, also those that provision opens']
      : []),
    ...redirectingChains(chains).map((where) =>
      drops
        ? `${where} redirects packets before the input chain of provision (ports published by containers); the forward chain of provision drops those that are forwarded`
        : `${where} redirects packets before the input chain of provision: ports that it publishes (containers) are open regardless of the roles`,
    ),
    ...(legacy.length === 0
      ? []
      : [
          `iptables-legacy rules are loaded (${legacy.join(', ')}), which nft does not show: they can close ports that provision opens; list them with iptables-legacy-save`,
        ]),
  ]
}

const droppingChains = (chains: readonly ForeignChain[]): readonly string[] =>
  chains.filter(({ table, hook, policy }) => policy === 'drop' && !isBridgeOrArp(table) && INPUT_HOOKS.has(hook)).map(describeChain)

const redirectingChains = (chains: readonly ForeignChain[]): readonly string[] =>
  chains.filter(({ type, hook }) => type === 'nat' && hook === 'prerouting').map(describeChain)

const INPUT_HOOKS = new Set(['input', 'prerouting', 'ingress'])

const describeChain = ({ table, chain }: ForeignChain): string => `chain ${chain} of the nft table ${table}`

// Bridge and ARP rules do not affect packets for the host's own sockets.
const isBridgeOrArp = (table: string): boolean => /^(bridge|arp) /.test(table)
