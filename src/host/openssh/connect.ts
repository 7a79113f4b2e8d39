import { existsSync } from 'node:fs'
import { showHidden } from '../../hidden.ts'
import { lastLines, Problem } from '../../problem.ts'
import { fingerprint } from '../known-hosts/known-hosts.ts'
import { openAgent } from '../ssh/agent.ts'
import { readKeyFile } from '../ssh/key-file.ts'
import { patiently } from '../ssh/patience.ts'
import type { Target } from '../target/connection.ts'
import type { Channel, ConnectOptions, Link } from '../target/link.ts'
import { DEFAULT_KEYS, keyInHome } from '../target/login-keys.ts'
import { attemptSsh, viaOf } from './attempt.ts'
import { acceptKey } from './host-keys.ts'
import type { SshProcess } from './process.ts'

/** A connection through an ssh process. It is established when its command starts. */
export const connect = async (target: Target, options: ConnectOptions = {}): Promise<Link> => {
  // ssh would only warn of a key file that is missing, or that others can read.
  await Promise.all(target.keys.map(readKeyFile))
  const via = await viaOf(target)
  const running = new Set<SshProcess>()
  const stop = new AbortController()
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal])
  const { promise: gone, resolve: end } = Promise.withResolvers<Error | undefined>()
  let loginKeys: readonly string[] = []
  let isClosed = false
  const run = async (command: string): Promise<Channel> => {
    if (target.hostKeys === 'accept-new') await acceptKey(target, via, { ...options, signal })
    const attempt = () => attemptSsh(target, { via, fresh: options.fresh, command }, { ...options, signal })
    const { process } = await patiently(target, { ...options, signal }, attempt)
    running.add(process)
    loginKeys = await keysWith(target, process.log().loginKey)
    process.closed.then((code) => {
      running.delete(process)
      const { signalled, messages } = process.log()
      // A command that ended leaves the link as it was: the next one connects again.
      if (isClosed) end(undefined)
      else if (code === undefined && !signalled) end(new Error(lastLines(showHidden(messages.join('\n')), 3)))
    })
    const { stdin, stdout, stderr, ended, kill } = process
    return { stdin, stdout, stderr, ended, destroy: kill }
  }
  const destroy = (): void => {
    isClosed = true
    stop.abort(new Problem({ class: 'unreachable', where: { host: target.name }, what: 'connection was closed', fix: 'run again' }))
    for (const process of running) process.kill()
    if (running.size === 0) end(undefined)
  }
  const close = async (): Promise<void> => {
    destroy()
    await gone
  }
  return {
    ...{ run, gone, destroy, close },
    get loginKeys() {
      return loginKeys
    },
  }
}

// ssh2 cannot use keys of security tokens.
const TOKEN_KEYS = ['id_ed25519_sk', 'id_ecdsa_sk']

/** The public key with a fingerprint, from the key files and the agent. A certificate has none in authorized_keys. */
const keysWith = async (target: Target, print: string | undefined): Promise<readonly string[]> => {
  if (print === undefined) return []
  const paths = [...target.keys, ...[...DEFAULT_KEYS, ...TOKEN_KEYS].map(keyInHome)].filter((path) => existsSync(path))
  const files = await Promise.all(
    paths.map((path) =>
      readKeyFile(path).then(
        ({ publicKey }) => publicKey,
        () => undefined,
      ),
    ),
  )
  const inFile = files.find((key) => key !== undefined && fingerprint(key) === print)
  if (inFile !== undefined) return [inFile.toString('base64')]
  const agent = await openAgent(target.agent ?? process.env.SSH_AUTH_SOCK)
  return agent.keys.filter(({ wire }) => fingerprint(wire) === print).map(({ wire }) => wire.toString('base64'))
}
