import type { LabSpec } from '../../src/lab/index.ts'
import { execute } from '../../src/lab/machine/execute.ts'
import { layoutOf } from '../../src/lab/spec.ts'

/**
 * Drops all packets of the existing connections of a process on the lab's bridge, in both directions; both
 * ends keep retransmitting. Other connections are not affected. The returned function ends this.
 */
export const vanish = async (spec: LabSpec, pid: number): Promise<() => Promise<void>> => {
  const table = `vanished-${pid}`
  const nft = (input: string): Promise<string> => execute(['ip', 'netns', 'exec', layoutOf(spec).switch, 'nft', '-f', '-'], { input })
  const ports = (await portsOf(pid)).join(', ')
  if (ports === '') throw new Error('a controller is to be cut off that has no connection')
  await nft(`table bridge ${table} {
chain forward { type filter hook forward priority 0; tcp sport { ${ports} } drop; tcp dport { ${ports} } drop; }
}\n`)
  return async () => {
    await nft(`delete table bridge ${table}\n`)
  }
}

/** Local ports of its connections to a host. */
const portsOf = async (pid: number): Promise<readonly string[]> => {
  const lines = (await execute(['ss', '--tcp', '--numeric', '--processes', '--no-header', 'dport', '=', ':22'])).split('\n')
  return lines.filter((line) => line.includes(`pid=${pid},`)).flatMap((line) => /:(\d+)\s+\S+:22\s/.exec(line)?.[1] ?? [])
}
