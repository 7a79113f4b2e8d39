import { existsSync } from 'node:fs'
import { authoritiesFor, knownName, knownTypes } from '../known-hosts/known-hosts.ts'
import { readAuthorities, readKnownHosts } from '../known-hosts/known-hosts-file.ts'
import { agentKeyTypes } from '../openssh/agent-keys.ts'
import { bastionOf } from '../ssh/jump.ts'
import { readKeyFile } from '../ssh/key-file.ts'
import type { Target } from '../target/connection.ts'
import { DEFAULT_KEYS, keyInHome, usesNamedKeys } from '../target/login-keys.ts'

const reasons = new WeakMap<Target, Promise<string | undefined>>()
/** Servers that have no algorithm in common with ssh2, by address and port, with the mismatch. */
const mismatched = new Map<string, string>()

/** The reason to use OpenSSH for a host; undefined for ssh2. */
export const reasonForOpenSsh = (target: Target): Promise<string | undefined> => {
  const mismatch = isChosen(target) ? undefined : mismatched.get(placeOf(target))
  if (mismatch !== undefined) return Promise.resolve(mismatch)
  const known = reasons.get(target)
  if (known !== undefined) return known
  const reason = findReason(target)
  reasons.set(target, reason)
  return reason
}

/** Records that ssh2 cannot talk to a server, so that later connections use OpenSSH at once. */
export const recordMismatch = (target: Target, message: string): string => {
  const reason = `ssh2 has no algorithm in common with it (${message.replace(/^Handshake failed: /, '')})`
  mismatched.set(placeOf(target), reason)
  return reason
}

const isChosen = ({ transport }: Target): boolean => transport === 'ssh2' || transport === 'openssh'

const placeOf = ({ address, port, jump }: Target): string => [...jump, address, port].join(' ')

const findReason = async (target: Target): Promise<string | undefined> => {
  if (target.transport === 'ssh2' || target.transport === 'local') return undefined
  if (target.transport === 'openssh') return 'transport: openssh'
  return (
    target.sshNeeds?.[0] ??
    (await keyReason(target)) ??
    (await agentReason(target)) ??
    (await authorityReason(target)) ??
    jumpReason(target)
  )
}

/** Certificates beside the keys, and keys of security tokens. */
const keyReason = async ({ keys }: Target): Promise<string | undefined> => {
  const certificate = (keys.length > 0 ? keys : DEFAULT_KEYS.map(keyInHome))
    .map((key) => `${key}-cert.pub`)
    .find((path) => existsSync(path))
  if (certificate !== undefined) return `certificate ${certificate}`
  const files = await Promise.all(keys.map((path) => readKeyFile(path).catch(() => undefined)))
  const token = files.find((file) => file?.isOnToken)
  return token && `key ${token.path} is on a security token`
}

const agentReason = async (target: Target): Promise<string | undefined> => {
  if (usesNamedKeys(target)) return undefined
  const types = await agentKeyTypes(target.agent ?? process.env.SSH_AUTH_SOCK)
  const special = types.find((type) => /^sk-|-cert-v\d+@openssh\.com$/.test(type))
  return special && `the agent has a key of type ${special}`
}

// If the key of the host is known as well, ssh2 can check that one.
const authorityReason = async (target: Target): Promise<string | undefined> => {
  const name = knownName(target)
  const [authority] = authoritiesFor(await readAuthorities(target.knownHosts), name)
  if (authority === undefined || knownTypes(await readKnownHosts(target.knownHosts), name).length > 0) return undefined
  return `${authority.file}:${authority.line} has a certificate authority for it`
}

const jumpReason = async (target: Target): Promise<string | undefined> => {
  const gate = target.jump.at(-1)
  if (gate === undefined) return undefined
  const reason = await reasonForOpenSsh(await bastionOf(target))
  return reason && `jump host ${gate}: ${reason}`
}
