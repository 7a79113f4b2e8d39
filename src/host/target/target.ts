import type { Connection, Target } from './connection.ts'
import { resolveThroughSshConfig } from './ssh-config.ts'

/**
 * Resolves the connection of a host. A host without an address in the inventory is looked up in ssh's configuration by its name; settings
 * of the inventory override it. Sends nothing to any host.
 */
export const resolveTarget = async (name: string, connection: Connection): Promise<Target> => {
  if (connection.viaSshConfig !== true) return { ...connection, name }
  const settings = connection.written ?? []
  const written = Object.fromEntries(settings.map((setting) => [setting, connection[setting]]))
  const { agentKeys, ...config } = await resolveThroughSshConfig(name)
  return { ...connection, ...config, ...(settings.includes('keys') ? {} : { agentKeys }), ...written, name }
}
