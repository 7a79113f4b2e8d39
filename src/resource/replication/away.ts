import { sh } from '../../shell/sh.ts'
import { HostRefusal } from '../kind/step.ts'
import type { ServerStatus } from './observe.ts'
import { addressOf } from './plan.ts'
import type { ReplicationSpec } from './spec.ts'
import type { Procedure } from './steps.ts'

/** Another server that runs. */
export interface OtherServer {
  readonly host: string
  readonly status: ServerStatus
}

/** Who follows a server that the inventory has no more could not be told whether that one still takes writes, nor get what it has. */
export const followsUnknownServer = (spec: ReplicationSpec, all: readonly OtherServer[]): HostRefusal | undefined => {
  for (const { host, status } of all) {
    const address = status.source?.address
    if (address === undefined || spec.servers.some((one) => one.address === address)) continue
    return new HostRefusal(
      `${spec.me} is not made the primary, because ${host} follows ${address}, which is none of the servers any more`,
      `that one may still take writes, and have rows that ${spec.me} has not`,
      `put it back into the group and run, so that it is replaced as the primary first; then take it out`,
    )
  }
  return undefined
}

/** Whoever cannot be reached by us may still be reached by others, and take writes. All that were reached look; where none can, it is not gone. */
export function* requireUnreachable(
  spec: ReplicationSpec,
  host: string,
  others: readonly OtherServer[],
  afterSeconds: number,
): Procedure<void> {
  const place = `${addressOf(spec, host)}/3306`
  for (const on of [undefined, ...others.map((other) => other.host)]) {
    const script = sh`command -v bash >/dev/null && command -v timeout >/dev/null || exit 1
sleep ${on === undefined ? afterSeconds : 0}; ! timeout 3 bash -c ${`exec 3<>/dev/tcp/${place}`} 2>/dev/null`
    const answer = yield { do: 'shell', ...(on !== undefined && { on }), doing: `looking whether ${host} really is away`, script }
    if (answer.code !== 0) throw stillAnswers(spec, host, on ?? spec.me)
  }
}

const stillAnswers = (spec: ReplicationSpec, host: string, to: string): HostRefusal =>
  new HostRefusal(
    `${spec.me} is not made the primary, because the server of ${host} still answers`,
    `${to} reaches it at ${addressOf(spec, host)}, port 3306; two servers would be written to`,
    `stop it first, or make it reachable for this run`,
  )
