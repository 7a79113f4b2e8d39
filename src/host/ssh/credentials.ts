import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { AnyAuthMethod, IdentityCallback, ParsedKey, SignCallback, SigningRequestOptions } from 'ssh2'
import { Problem } from '../../problem.ts'
import { fingerprint } from '../known-hosts/known-hosts.ts'
import type { Target } from '../target/connection.ts'
import { openKey, readKeyFile } from './key-file.ts'
import { loadSsh2 } from './ssh2.ts'

/** One login method, with its description for messages. */
export interface Credential {
  readonly label: string
  readonly method: AnyAuthMethod
}

const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa']

/**
 * The credentials to try, in order: the key files of the inventory, or else the agent's keys and ssh's default files. Throws a `Problem` if
 * there are none.
 */
export const credentialsOf = async (target: Target): Promise<readonly Credential[]> => {
  const socket = target.agent ?? process.env.SSH_AUTH_SOCK
  if (target.keys.length > 0) return await Promise.all(target.keys.map((path) => namedKey(target, path, socket)))
  const found = await Promise.all([
    ...(socket ? [wholeAgent(target, socket)] : []),
    ...DEFAULT_KEYS.map((name) => defaultKey(target, name)),
  ])
  const credentials = found.filter((credential) => credential !== undefined)
  if (credentials.length > 0) return credentials
  throw new Problem({
    class: 'input',
    where: { host: target.name },
    what: 'no SSH key is available for login',
    why: `the inventory has no key for this host, SSH_AUTH_SOCK is not set, and ~/.ssh has no usable ${DEFAULT_KEYS.join(', ')}`,
    fix: 'set a key in the inventory (key: path), or start an agent',
  })
}

const namedKey = async (target: Target, path: string, socket: string | undefined): Promise<Credential> => {
  const file = await readKeyFile(path)
  if (file.encrypted && !target.passphrase && socket && file.publicKey && (await agentHolds(socket, file.publicKey)))
    return await agentKey(target, path, socket, file.publicKey)
  const { parsed, fingerprint: print } = await openKey(file, target.passphrase)
  return { label: `${path} (${parsed.type} ${print})`, method: { type: 'publickey', username: target.user, key: parsed } }
}

const defaultKey = async (target: Target, name: string): Promise<Credential | undefined> => {
  const path = join(homedir(), '.ssh', name)
  if (!(await stat(path).catch(() => undefined))) return undefined
  // An unusable default file is skipped, as in ssh.
  return await namedKey(target, path, undefined).catch((error: unknown) => {
    if (error instanceof Problem) return undefined
    throw error
  })
}

const wholeAgent = async (target: Target, socket: string): Promise<Credential | undefined> => {
  const identities = await identitiesOf(socket)
  if (identities.length === 0) return undefined
  const { createAgent } = await loadSsh2()
  return { label: `the agent’s ${identities.length} keys`, method: { type: 'agent', username: target.user, agent: createAgent(socket) } }
}

const agentHolds = async (socket: string, key: Buffer): Promise<boolean> => (await identitiesOf(socket)).some((held) => held.equals(key))

const agentKey = async (target: Target, path: string, socket: string, key: Buffer): Promise<Credential> => {
  const { createAgent, BaseAgent } = await loadSsh2()
  const all = createAgent(socket)
  class OneKey extends BaseAgent<string | Buffer | ParsedKey> {
    getIdentities(callback: IdentityCallback): void {
      all.getIdentities((error, keys) => callback(error, keys?.filter((held) => wireOf(held).equals(key)) as ParsedKey[]))
    }
    sign(
      publicKey: string | Buffer | ParsedKey,
      data: Buffer,
      options: SigningRequestOptions | SignCallback,
      callback?: SignCallback,
    ): void {
      if (typeof options === 'function') all.sign(publicKey, data, options)
      else all.sign(publicKey, data, options, callback)
    }
  }
  return { label: `${path} (in the agent, ${fingerprint(key)})`, method: { type: 'agent', username: target.user, agent: new OneKey() } }
}

// An agent that does not answer counts as an agent without keys.
const identitiesOf = async (socket: string): Promise<Buffer[]> => {
  const { createAgent } = await loadSsh2()
  return await new Promise((resolve) => {
    createAgent(socket).getIdentities((error, keys) => resolve(error ? [] : (keys ?? []).map(wireOf)))
  })
}

const wireOf = (key: unknown): Buffer => {
  if (Buffer.isBuffer(key)) return key
  if (typeof key === 'object' && key !== null && 'getPublicSSH' in key && typeof key.getPublicSSH === 'function') return key.getPublicSSH()
  return Buffer.alloc(0)
}
