import { homedir } from 'node:os'
import { join } from 'node:path'
import type { Target } from './connection.ts'

/** Names of the key files in ~/.ssh that are tried if a target has none, in this order (ssh_config(5), IdentityFile). */
export const DEFAULT_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'] as const

/** The path of a key file in ~/.ssh. */
export const keyInHome = (name: string): string => join(homedir(), '.ssh', name)

/** Whether only the keys of the key files are used, and no other key of the agent. */
export const usesNamedKeys = ({ agentKeys, keys }: Pick<Target, 'agentKeys' | 'keys'>): boolean =>
  (agentKeys ?? (keys.length > 0 ? 'named' : 'all')) === 'named'
