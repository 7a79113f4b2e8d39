import type { Secret } from '../../secret/secret.ts'

/** The settings by which the controller reaches a host. Paths are absolute. */
export interface Connection {
  readonly address: string
  /** The port of the inventory or of ssh's configuration. */
  readonly port: number
  readonly user: string
  /** Key files to try, in order; empty for the agent and ssh's default files. A public key stands for that key of the agent. */
  readonly keys: readonly string[]
  readonly passphrase?: Secret | undefined
  /** known_hosts files. `provision trust` adds to the first one. */
  readonly knownHosts: readonly string[]
  /** `strict` refuses unknown host keys, `accept-new` stores them. Both refuse a changed key. */
  readonly hostKeys: 'strict' | 'accept-new'
  /** ssh destinations to connect through, nearest first (ProxyJump). */
  readonly jump: readonly string[]
  /** Jump hosts whose connection goes through this one, if it is a jump host itself. */
  readonly behind?: readonly string[]
  readonly sudoPassword?: Secret
  /** The host's name in known_hosts, if it is not the address (ssh's HostKeyAlias). */
  readonly hostKeyAlias?: string
  /** The agent's socket, if it is not that of `SSH_AUTH_SOCK`; `none` for no agent (ssh's IdentityAgent). */
  readonly agent?: string
  /** Keys of the agent to try: all, or only those of the key files (ssh's IdentitiesOnly). By default, key files replace the others. */
  readonly agentKeys?: 'all' | 'named'
  /** How to connect. `auto` uses ssh2, and OpenSSH where ssh2 lacks what the host needs. `local`: the host is this machine. */
  readonly transport?: 'ssh2' | 'openssh' | 'auto' | 'local'
  /** The destination under which ssh's configuration has settings of this host; undefined if it does not apply. */
  readonly sshConfig?: string
  /** Patterns of settings that ssh's configuration may contain although this version does not have them (ssh's IgnoreUnknown). */
  readonly ignoreUnknown?: string
  /** Settings of ssh's configuration that only OpenSSH can carry out, each with its value: `ProxyCommand nc …`. */
  readonly sshNeeds?: readonly string[]
  /** The inventory has no address. ssh's configuration provides it, and every setting that `written` does not name. */
  readonly viaSshConfig?: boolean
  /** Settings of the inventory, which override ssh's configuration. */
  readonly written?: readonly ('port' | 'user' | 'keys' | 'knownHosts' | 'hostKeys' | 'jump')[]
}

/** A connection with the host's name in the inventory, which problems use. */
export type Target = Connection & { readonly name: string }
