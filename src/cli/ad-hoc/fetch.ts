import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type PartialFile, writeInPieces } from '../../disk/write.ts'
import { execOn } from '../../host/shell/exec.ts'
import { resolveTarget } from '../../host/target/target.ts'
import { Problem, problemsIn } from '../../problem.ts'
import { jsonLine } from '../../report/json-line.ts'
import { count } from '../../report/text.ts'
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
    if (into === undefined) {
      const bytes = new Collected(MAX_BYTES)
      await read(host, path, { sudo, signal, keep: (chunk) => bytes.push(chunk) })
      if (raw === undefined) out(bytes.bytes().toString())
      else raw(bytes.bytes())
      return []
    }
    const file = join(into, host.name, path)
    let written: PartialFile | undefined
    const open = (): PartialFile => {
      written ??= writeInPieces(join(directory, file), { mode: 0o600, directory: 0o700, shown: file })
      return written
    }
    const digest = createHash('sha256')
    let bytes = 0
    try {
      await read(host, path, {
        ...{ sudo, signal },
        keep: (chunk) => {
          bytes += chunk.length
          digest.update(chunk)
          open().write(chunk)
        },
      })
      open().finish()
    } finally {
      written?.close()
    }
    out(json ? jsonLine({ host: host.name, path, file, bytes, sha256: digest.digest('hex') }) : `${file}\n`)
    return []
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined && !signal.aborted) throw error
    return problems ?? []
  }
}

interface Reading {
  readonly sudo: boolean
  readonly signal: AbortSignal
  /** Called with each piece of the file. What it throws ends the transfer. */
  keep(chunk: Buffer): void
}

/** Reads a regular file up to the limit. Root reads none that another account could replace by a link. */
const read = async (host: Host, path: string, { sudo, signal, keep }: Reading): Promise<void> => {
  const refused = (what: string, fix: string, why?: string): Problem =>
    new Problem({ class: 'task', where: { host: host.name }, what, why, fix })
  const stopped = new AbortController()
  const stderr = new Collected(MAX_ERROR_BYTES)
  let left = MAX_BYTES
  const onStdout = (chunk: Buffer): void => {
    if (stopped.signal.aborted) return
    left -= chunk.length
    try {
      if (left < 0) throw refused(`${path} is larger than 256 MB`, 'copy it with scp or rsync')
      keep(chunk)
    } catch (error) {
      stopped.abort(error)
    }
  }
  try {
    const target = await resolveTarget(host.name, host.connection)
    const options = { sudo, signal: AbortSignal.any([signal, stopped.signal]), onStdout }
    const code = await execOn(target, readScript(path, sudo), { ...options, onStderr: (chunk) => stderr.push(chunk) })
    stopped.signal.throwIfAborted()
    if (code === 0) return
  } catch (error) {
    throw stopped.signal.aborted ? stopped.signal.reason : error
  }
  throw refused(
    `${path} cannot be read`,
    sudo ? 'correct the path, or read it without --sudo, as an account that may' : 'correct the path, or read it as root: --sudo',
    outputExcerpt(stderr.bytes().toString()),
  )
}

/** Output up to a limit: a host can send without end. The rest is dropped. */
class Collected {
  readonly #chunks: Buffer[] = []
  #left: number

  constructor(limit: number) {
    this.#left = limit
  }

  push(chunk: Buffer): void {
    this.#left -= chunk.length
    if (this.#left >= 0) this.#chunks.push(chunk)
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
