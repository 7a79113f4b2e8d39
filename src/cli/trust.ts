import { storeHostKeys } from '../host/known-hosts/known-hosts-file.ts'
import { resolveTarget } from '../host/target/target.ts'
import { fetchHostKeys, type HostKey } from '../host/transport/trust.ts'
import { Problem, problemsIn } from '../problem.ts'
import { count, inLine, pad, width } from '../report/text.ts'
import type { View } from '../report/view.ts'
import type { Host } from '../site/inventory/host.ts'
import { defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { usageError } from './parse.ts'
import { hostsOf, loadHosts } from './site.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  yes: { type: 'boolean', help: 'store new keys without asking; compare the fingerprints first' },
} as const satisfies Options

interface HostKeys {
  readonly host: Host
  readonly keys: readonly HostKey[]
}

/** `provision trust`: shows the host keys of hosts, and stores new keys that the user confirms. */
export const command = defineCommand({
  usage: ['trust [PATTERN] [--yes]'],
  maxPositionals: 1,
  options,
  notes: [
    'PATTERN selects hosts and groups: web-01, web:!web-02, lb-*. The default is all.',
    'Compare the fingerprints with those that your provider shows, or with the output of this command on the host:',
    '  for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$f"; done',
    'A key that differs from the stored key is never stored. Remove the old line from known_hosts once you know why it changed.',
  ],
  run: async ({ positionals: [pattern = 'all'], values }, context) => {
    const { out, err, ask, signal, view } = context
    const hosts = hostsOf(await loadHosts(values.inventory, context), pattern, `trust ${pattern}`)
    const remote = hosts.filter(({ connection }) => connection.transport !== 'local')
    for (const { name, connection } of hosts)
      if (connection.transport === 'local') out(`${view.paint.bold(name)}  this machine, needs no host key\n`)
    const results = await Promise.all(remote.map((host) => fetchKeys(host, signal)))
    if (signal.aborted) return INTERRUPTED
    const found = results.flatMap((result) => ('host' in result ? [result] : []))
    const unreachable = results.flatMap((result) => ('host' in result ? [] : result))
    out(found.flatMap((one) => keyLines(one, view)).join(''))

    const mismatches = found.flatMap(({ host, keys }) => keys.flatMap((key) => mismatch(host, key)))
    const fresh = found.map(({ host, keys }) => ({ host, keys: keys.filter(isNew) })).filter(({ keys }) => keys.length > 0)
    const problems = [...mismatches, ...unreachable]
    const result = { status: statusOf(problems), problems }
    if (mismatches.length > 0 || fresh.length === 0) return result

    const question = `Store the keys of ${count(fresh.length, 'host')}? [y/N] `
    if (!values.yes && ask === undefined)
      throw usageError(
        'trust',
        'no terminal is attached to confirm these keys',
        'compare the fingerprints, then run the command again with --yes',
      )
    if (!values.yes && !/^y(es)?$/i.test((await ask?.(question)) ?? '')) {
      err('Nothing was stored.\n')
      return { ...result, status: result.status || 1 }
    }
    const files = await Promise.all(
      fresh.map(async ({ host, keys }) =>
        storeHostKeys(
          await resolveTarget(host.name, host.connection),
          keys.map(({ key }) => key),
        ),
      ),
    )
    out(`Stored in ${[...new Set(files)].join(', ')}.\n`)
    return result
  },
})

const fetchKeys = async (host: Host, signal: AbortSignal): Promise<HostKeys | readonly Problem[]> => {
  try {
    return { host, keys: await fetchHostKeys(await resolveTarget(host.name, host.connection), { signal }) }
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

const isNew = ({ verdict }: HostKey): boolean => verdict.status === 'unknown' || verdict.status === 'other type'

const verdicts = { known: 'known', unknown: 'new', 'other type': 'new type', changed: 'CHANGED', revoked: 'REVOKED' } as const

const keyLines = ({ host, keys }: HostKeys, { paint }: View): readonly string[] => {
  const longest = Math.max(...keys.map(({ type }) => width(type)))
  return [
    `${paint.bold(host.name)}  ${paint.dim(inLine(host.connection.address))}\n`,
    ...keys.map((key) => {
      const colour = isNew(key) ? paint.yellow : key.verdict.status === 'known' ? paint.green : paint.red
      return `  ${pad(key.type, longest)}  ${key.fingerprint}  ${colour(verdicts[key.verdict.status])}\n`
    }),
  ]
}

const mismatch = (host: Host, { type, verdict }: HostKey): readonly Problem[] =>
  verdict.status !== 'changed' && verdict.status !== 'revoked'
    ? []
    : [
        new Problem({
          class: 'input',
          where: { file: verdict.entry.file, line: verdict.entry.line },
          what: `${type} key of ${host.name} ${verdict.status === 'revoked' ? 'is revoked' : 'changed'}`,
          why: 'the host was reinstalled, or the connection is intercepted',
          fix: `find out which; if the host was reinstalled, remove this line and run provision trust ${host.name}`,
        }),
      ]
