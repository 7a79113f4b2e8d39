import { stat } from 'node:fs/promises'
import type { AnyAuthMethod } from 'ssh2'
import { Problem } from '../../problem.ts'
import { fingerprint } from '../known-hosts/known-hosts.ts'
import type { Target } from '../target/connection.ts'
import { DEFAULT_KEYS, keyInHome, usesNamedKeys } from '../target/login-keys.ts'
import { type Agent, type AgentKey, openAgent } from './agent.ts'
import { type KeyFile, openKey, readKeyFile, withoutPrivateHalf } from './key-file.ts'

/** One login method, with its description for messages. */
export interface Credential {
  readonly label: string
  readonly method: AnyAuthMethod
  /** The public keys that it offers, in base64. */
  readonly publicKeys?: readonly string[]
}

/**
 * The credentials to try. sshd counts every key, so the most likely ones come first: set key files in their order, and then other keys of
 * the agent if ssh's configuration permits them. Without key files the order is that of ssh: default files whose key the agent has, the
 * other keys of the agent, the other default files. Throws a `Problem` if there is no key.
 */
export const credentialsOf = async (target: Target): Promise<readonly Credential[]> => {
  const agent = await openAgent(target.agent ?? process.env.SSH_AUTH_SOCK)
  const isNamed = target.keys.length > 0
  const files = isNamed ? await Promise.all(target.keys.map(readKeyFile)) : await defaultFiles()
  const keys = isNamed
    ? await Promise.all(files.map((file) => credentialOf(target, file, agent)))
    : (await Promise.all(files.map((file) => credentialOf(target, file, agent).catch(ignoreProblem)))).filter((key) => key !== undefined)
  const all = usesNamedKeys(target) ? keys : [...keys, ...otherKeys(target, agent, files)]
  const credentials = isNamed ? all : all.toSorted((a, b) => a.rank - b.rank)
  if (credentials.length > 0) return credentials
  throw new Problem({
    class: 'input',
    where: { host: target.name },
    what: 'no SSH key is available for login',
    why: `the inventory has no key for this host, ${agent.state}, and ~/.ssh has no usable ${DEFAULT_KEYS.join(', ')}`,
    fix: 'set a key in the inventory (key: path), or start an agent',
  })
}

type Ranked = Credential & { readonly rank: number }

/** Order of ssh, see pubkey_prepare() in its sshconnect2.c. */
const RANKS = { agentAndFile: 0, agent: 1, file: 2 }

const credentialOf = async (target: Target, file: KeyFile, agent: Agent): Promise<Ranked> => {
  const { path, publicKey } = file
  const held = agent.keys.find(({ wire }) => publicKey !== undefined && wire.equals(publicKey))
  const isLocked = file.text === undefined || (file.encrypted && !target.passphrase)
  if (held && isLocked) return agentCredential(target, agent, [held], `${path} (in the agent, ${fingerprint(held.wire)})`)
  if (file.unusable !== undefined) throw file.unusable
  if (file.text === undefined) throw withoutPrivateHalf(file, agent.state)
  const { parsed, fingerprint: print } = await openKey({ ...file, text: file.text }, target.passphrase)
  const method: AnyAuthMethod = { type: 'publickey', username: target.user, key: parsed }
  const publicKeys = [parsed.getPublicSSH().toString('base64')]
  return { label: `${path} (${parsed.type} ${print})`, method, publicKeys, rank: held ? RANKS.agentAndFile : RANKS.file }
}

const agentCredential = (target: Target, agent: Agent, keys: readonly AgentKey[], label: string): Ranked => ({
  label,
  method: { type: 'agent', username: target.user, agent: agent.only(keys) },
  publicKeys: keys.map(({ wire }) => wire.toString('base64')),
  rank: RANKS.agentAndFile,
})

/** The keys of the agent that belong to none of these files. */
const otherKeys = (target: Target, agent: Agent, files: readonly KeyFile[]): readonly Ranked[] => {
  const others = agent.keys.filter(({ wire }) => !files.some(({ publicKey }) => publicKey?.equals(wire)))
  if (others.length === 0) return []
  const label = others.length === 1 ? 'one key of the agent' : `${others.length} keys of the agent`
  return [{ ...agentCredential(target, agent, others, label), rank: RANKS.agent }]
}

/** The default key files of this account. An unusable one is skipped, as in ssh. */
const defaultFiles = async (): Promise<readonly KeyFile[]> => {
  const paths = DEFAULT_KEYS.map(keyInHome)
  const files = await Promise.all(
    paths.map(async (path) => ((await stat(path).catch(() => undefined)) ? await readKeyFile(path).catch(ignoreProblem) : undefined)),
  )
  return files.filter((file) => file !== undefined)
}

const ignoreProblem = (error: unknown): undefined => {
  if (!(error instanceof Problem)) throw error
}
