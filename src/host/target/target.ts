import type { Connection, Target } from './connection.ts'
import { resolveThroughSshConfig } from './ssh-config.ts'

/**
 * A host with everything that is needed to reach it. One that the inventory gives no address is looked up in ssh's own
 * configuration, under its name; what the inventory does write wins. Sends nothing to any host.
 */
export const resolveTarget = async (name: string, connection: Connection): Promise<Target> => {
  if (connection.viaSshConfig !== true) return { ...connection, name }
  const written = Object.fromEntries((connection.written ?? []).map((setting) => [setting, connection[setting]]))
  return { ...connection, ...(await resolveThroughSshConfig(name)), ...written, name }
}
