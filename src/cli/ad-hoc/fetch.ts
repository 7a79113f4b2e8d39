import { join } from 'node:path'
import { writeWhole } from '../../disk/write.ts'
import { execOn } from '../../host/shell/exec.ts'
import { resolveTarget } from '../../host/target/target.ts'
import { Problem, problemsIn } from '../../problem.ts'
import { jsonLine } from '../../report/json-line.ts'
import { count } from '../../report/text.ts'
import { sha256Hex } from '../../resource/kind/content.ts'
import { outputExcerpt } from '../../resource/kind/step.ts'
import { guardScript } from '../../resource/kind/walk.ts'
import { sh } from '../../shell/sh.ts'
import type { Host } from '../../site/inventory/host.ts'
import { type CommandContext, defineCommand, type Options } from '../command.ts'
import { inventoryOption } from '../options.ts'
import { usageError } from '../parse.ts'
import { hostsOf, loadHosts } from '../site.ts'
import { INTERRUPTED, statusOf } from '../status.ts'

const options = {
  ...inventoryOption,
  into: { type: 'string', value: 'DIR', help: 'write to DIR/HOST/PATH instead of the output' },
  sudo: { type: 'boolean', help: 'read the file as root' },
  json: { type: 'boolean', help: 'with --into: print one JSON object per file' },
} as const satisfies Options

/** A larger file is copied with other programs. */
const MAX_BYTES = 256 * 2 ** 20

/** The rest of the messages of a host is dropped. */
const MAX_ERROR_BYTES = 65_536

/** `provision fetch`: copies a file from hosts, byte for byte. */
export const command = defineCommand({
  usage: ['fetch PATTERN PATH [--sudo]', 'fetch PATTERN PATH --into DIR [--sudo] [--json]'],
  options,
  maxPositionals: 2,
  notes: ['The bytes are those of the file: nothing is masked. Files that --into writes can be read by your account only.'],
  run: async ({ positionals: [pattern, path], values }, context) => {
    const { into, sudo = false, json = false } = values
    if (pattern === undefined || path === undefined)
      throw usageError('fetch', 'no host pattern or path is given', 'write, for example, provision fetch web-01 /etc/hostname')
    if (!isPlain(path))
      throw usageError('fetch', `${path} is not an absolute path of a file`, 'write it without . and .., for example /etc/hostname')
    if (json && into === undefined) throw usageError('fetch', '--json needs --into', 'add --into DIR')
    const hosts = hostsOf(await loadHosts(values.inventory, context), pattern, `fetch ${pattern}`)
    if (hosts.length > 1 && into === undefined)
      throw usageError('fetch', `${pattern} selects ${count(hosts.length, 'host')}`, 'add --into DIR, or name one host')
    const problems = (await Promise.all(hosts.map((host) => fetch(host, { path, into, sudo, json }, context)))).flat()
    return { status: context.signal.aborted ? INTERRUPTED : statusOf(problems), problems }
  },
})

/** Whether a path is absolute and is the same below a directory: no part of it leads elsewhere. */
const isPlain = (path: string): boolean => /^(\/[^/\0]+)+$/.test(path) && !path.split('/').some((part) => part === '.' || part === '..')

interface Fetching {
  readonly path: string
  readonly into: string | undefined
  readonly sudo: boolean
  readonly json: boolean
}

const fetch = async (host: Host, { path, into, sudo, json }: Fetching, context: CommandContext): Promise<readonly Problem[]> => {
  const { directory, out, raw, signal } = context
  try {
    const bytes = await read(host, path, { sudo, signal })
    if (into === undefined) {
      if (raw === undefined) out(bytes.toString())
      else raw(bytes)
      return []
    }
    const file = join(into, host.name, path)
    writeWhole(join(directory, file), bytes, { mode: 0o600, directory: 0o700, shown: file })
    out(json ? jsonLine({ host: host.name, path, file, bytes: bytes.length, sha256: sha256Hex(bytes) }) : `${file}\n`)
    return []
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

/** Reads a regular file. Root reads none that another account could replace by a link. */
const read = async (
  host: Host,
  path: string,
  { sudo, signal }: { readonly sudo: boolean; readonly signal: AbortSignal },
): Promise<Buffer> => {
  const refused = (what: string, fix: string, why?: string): Problem =>
    new Problem({ class: 'task', where: { host: host.name }, what, why, fix })
  const tooMuch = new AbortController()
  const [stdout, stderr] = [new Collected(MAX_BYTES), new Collected(MAX_ERROR_BYTES)]
  const collect =
    (output: Collected) =>
    (chunk: Buffer): void => {
      if (!output.push(chunk)) tooMuch.abort(refused(`${path} is larger than 256 MB`, 'copy it with scp or rsync'))
    }
  try {
    const target = await resolveTarget(host.name, host.connection)
    const options = { sudo, signal: AbortSignal.any([signal, tooMuch.signal]), onStdout: collect(stdout) }
    const code = await execOn(target, readScript(path, sudo), { ...options, onStderr: (chunk) => stderr.push(chunk) })
    if (code === 0) return stdout.bytes()
  } catch (error) {
    throw tooMuch.signal.aborted ? tooMuch.signal.reason : error
  }
  throw refused(
    `${path} cannot be read`,
    sudo ? 'correct the path, or read it without --sudo, as an account that may' : 'correct the path, or read it as root: --sudo',
    outputExcerpt(stderr.bytes().toString()),
  )
}

/** Output up to a limit: a host can send without end. */
class Collected {
  readonly #chunks: Buffer[] = []
  #left: number

  constructor(limit: number) {
    this.#left = limit
  }

  /** Keeps a chunk. Returns false, and drops it, if the limit is exceeded. */
  push(chunk: Buffer): boolean {
    this.#left -= chunk.length
    if (this.#left < 0) return false
    this.#chunks.push(chunk)
    return true
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks)
  }
}

/** The script that prints a file. The user's login shell may be another one, so it runs in sh. */
export const readScript = (path: string, asRoot: boolean): string => {
  const parent = path.slice(0, path.lastIndexOf('/')) || '/'
  const checks = sh`[ -e ${path} ] || [ -L ${path} ] || { echo ${`${path} does not exist`} >&2; exit 1; }
[ -f ${path} ] || { echo ${`${path} is not a regular file`} >&2; exit 1; }`
  const guard = sh`${guardScript([parent])}
[ ! -L ${path} ] || { echo ${`${path} is a link; fetch the file that it leads to`} >&2; exit 1; }`
  const body = asRoot ? sh`${checks}\n${guard}` : checks
  const script = sh`${body}
exec head -c ${MAX_BYTES + 1} <${path}`
  return asRoot ? String(script) : String(sh`sh -c ${String(script)}`)
}
