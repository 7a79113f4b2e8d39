import { sh } from '../../shell/sh.ts'
import { HostRefusal } from '../kind/step.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'
import type { Procedure } from './steps.ts'

/** Another running server. */
export interface OtherServer {
  readonly host: string
  readonly status: ServerStatus
}

/** Refuses if a server replicates from one outside the inventory, which may still accept writes and have rows that no other server has. */
export const followsUnknownServer = (spec: ReplicationSpec, all: readonly OtherServer[]): HostRefusal | undefined => {
  for (const { host, status } of all) {
    const address = status.source?.address
    if (address === undefined || spec.servers.some((one) => one.address === address)) continue
    return new HostRefusal(
      `${spec.me} not promoted: ${host} replicates from ${address}, which is not among the servers`,
      `that server may still accept writes, and have rows that ${spec.me} lacks`,
      `add it to the group again and run, so that ${spec.me} replaces it as the primary; then remove it`,
    )
  }
  return undefined
}

/** Requires a server to be unreachable from every reached host: others could still connect to it and write. */
export function* requireUnreachable(
  spec: ReplicationSpec,
  host: string,
  others: readonly OtherServer[],
  afterSeconds: number,
): Procedure<void> {
  const place = `${addressOf(spec, host)}/3306`
  for (const on of [undefined, ...others.map((other) => other.host)]) {
    const script = sh`command -v bash >/dev/null && command -v timeout >/dev/null || exit 1
sleep ${on === undefined ? afterSeconds : 0}; ! timeout 3 bash --norc -c ${`exec 3<>/dev/tcp/${place}`} 2>/dev/null`
    const answer = yield { do: 'shell', ...(on !== undefined && { on }), doing: `checking that ${host} is down`, script }
    if (answer.code !== 0) throw stillAnswers(spec, host, on ?? spec.me)
  }
}

const stillAnswers = (spec: ReplicationSpec, host: string, to: string): HostRefusal =>
  new HostRefusal(
    `${spec.me} not promoted: the database server of ${host} still answers`,
    `${to} reaches it at ${addressOf(spec, host)}, port 3306; two servers would accept writes`,
    `stop it first, or make ${host} reachable for this run`,
  )
