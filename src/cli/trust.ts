import { storeHostKeys } from '../host/known-hosts/known-hosts-file.ts'
import { fetchHostKeys, type HostKey } from '../host/ssh/trust.ts'
import { resolveTarget } from '../host/target/target.ts'
import { Problem, problemsIn } from '../problem.ts'
import { count, inLine, pad, width } from '../report/text.ts'
import type { View } from '../report/view.ts'
import type { Host } from '../site/inventory/host.ts'
import { defineCommand, type Options } from './command.ts'
import { inventoryOption } from './options.ts'
import { wrong } from './parse.ts'
import { hostsOf, loadHosts } from './site.ts'
import { INTERRUPTED, statusOf } from './status.ts'

const options = {
  ...inventoryOption,
  yes: { type: 'boolean', help: 'store what is shown without asking: compare the fingerprints yourself' },
} as const satisfies Options

interface Met {
  readonly host: Host
  readonly keys: readonly HostKey[]
}

/** `provision trust`: first contact. Shows every host's keys, and stores those that a person confirms. */
export const command = defineCommand({
  usage: ['trust [PATTERN] [--yes]'],
  words: 1,
  options,
  notes: [
    'Compare the fingerprints with what your provider shows, or with this on the host itself:',
    '  for f in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$f"; done',
    'A key that differs from the stored one is never stored: remove the old line yourself when you know why.',
  ],
  run: async ({ positionals: [pattern = 'all'], values }, surroundings) => {
    const { out, err, ask, signal, view } = surroundings
    const hosts = hostsOf(await loadHosts(values.inventory, surroundings), pattern, `trust ${pattern}`)
    const answers = await Promise.all(hosts.map((host) => meet(host, signal)))
    if (signal.aborted) return INTERRUPTED
    const met = answers.flatMap((answer) => ('host' in answer ? [answer] : []))
    const problems = answers.flatMap((answer) => ('host' in answer ? [] : answer))
    out(met.flatMap((one) => shown(one, view)).join(''))

    const refused = met.flatMap(({ host, keys }) => keys.flatMap((key) => refusal(host, key)))
    const fresh = met.map(({ host, keys }) => ({ host, keys: keys.filter(isNew) })).filter(({ keys }) => keys.length > 0)
    const ended = { status: statusOf([...refused, ...problems]), problems: [...refused, ...problems] }
    if (refused.length > 0 || fresh.length === 0) return ended

    const question = `Store the keys of ${count(fresh.length, 'host')}? [y/N] `
    if (!values.yes && ask === undefined)
      throw wrong('trust', 'nobody is here to confirm these keys', 'compare the fingerprints, then run it again with --yes')
    if (!values.yes && !/^y(es)?$/i.test((await ask?.(question)) ?? '')) {
      err('Nothing was stored.\n')
      return { ...ended, status: ended.status || 1 }
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
    return ended
  },
})

const meet = async (host: Host, signal: AbortSignal): Promise<Met | readonly Problem[]> => {
  try {
    return { host, keys: await fetchHostKeys(await resolveTarget(host.name, host.connection), { signal }) }
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

const isNew = ({ verdict }: HostKey): boolean => verdict.says === 'unknown' || verdict.says === 'other type'

const said = { known: 'known', unknown: 'new', 'other type': 'new, of another type', changed: 'CHANGED', revoked: 'REVOKED' } as const

const shown = ({ host, keys }: Met, { paint }: View): readonly string[] => {
  const longest = Math.max(...keys.map(({ type }) => width(type)))
  return [
    `${paint.bold(host.name)}  ${paint.dim(inLine(host.connection.address))}\n`,
    ...keys.map((key) => {
      const colour = isNew(key) ? paint.yellow : key.verdict.says === 'known' ? paint.green : paint.red
      return `  ${pad(key.type, longest)}  ${key.fingerprint}  ${colour(said[key.verdict.says])}\n`
    }),
  ]
}

const refusal = (host: Host, { type, verdict }: HostKey): readonly Problem[] =>
  verdict.says !== 'changed' && verdict.says !== 'revoked'
    ? []
    : [
        new Problem({
          class: 'input',
          where: { file: verdict.entry.file, line: verdict.entry.line },
          what: `${host.name} shows ${verdict.says === 'revoked' ? 'a revoked' : 'another'} ${type} key than this line says`,
          why: 'either the host was installed anew, or somebody stands between',
          fix: 'find out which; if it was installed anew, remove the line and run provision trust again',
        }),
      ]
