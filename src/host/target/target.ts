import { userInfo } from 'node:os'
import type { Connection, Target } from './connection.ts'
import { reachedThrough, resolveThroughSshConfig } from './ssh-config.ts'

/**
 * Resolves the connection of a host. A host without an address in the inventory is looked up in ssh's configuration by its name; settings
 * of the inventory override it. With transport openssh, ssh's configuration also applies to an address, as if ssh were called with it. Sends
 * nothing to any host.
 */
export const resolveTarget = async (name: string, connection: Connection): Promise<Target> => {
  const { viaSshConfig = false, transport, address } = connection
  if (transport === 'local') return { ...connection, user: process.getuid?.() === 0 ? 'root' : userInfo().username, name }
  if (!viaSshConfig && transport !== 'openssh') return { ...connection, name }
  const settings = connection.written ?? []
  const written = Object.fromEntries(settings.map((setting) => [setting, connection[setting]]))
  const sshConfig = viaSshConfig ? name : address
  const all = await resolveThroughSshConfig(sshConfig)
  const { agentKeys, ...config } = settings.includes('jump') ? reachedThrough(connection.jump, all) : all
  const own = settings.includes('keys') ? {} : { agentKeys }
  return { ...connection, ...config, ...own, ...written, ...(viaSshConfig ? {} : { address }), sshConfig, name }
}
