import type { Secret } from '../../secret/secret.ts'

/** How the controller reaches a host. Paths are absolute. */
export interface Connection {
  readonly address: string
  /** What the inventory or ssh config says; the port sshd really listens on is a fact. */
  readonly port: number
  readonly user: string
  /** Private key files to try, in order; empty: the agent and ssh's own default files. */
  readonly keys: readonly string[]
  readonly passphrase?: Secret
  /** known_hosts files; the first is the one `provision trust` adds to. */
  readonly knownHosts: readonly string[]
  /** `strict` refuses unknown host keys, `accept-new` stores them; a changed key is refused by both. */
  readonly hostKeys: 'strict' | 'accept-new'
  /** ssh destinations to go through, nearest first (ProxyJump). */
  readonly jump: readonly string[]
  readonly sudoPassword?: Secret
  /** The name under which the host's key is filed, where that is not the address (ssh's HostKeyAlias). */
  readonly hostKeyAlias?: string
  /** The agent's socket, where it is not the one in `SSH_AUTH_SOCK` (ssh's IdentityAgent). */
  readonly agent?: string
  /** The inventory gives no address: ssh's own configuration says where the host is, and all that `written` does not name. */
  readonly viaSshConfig?: boolean
  /** Settings that the inventory gives; they win over ssh's configuration. */
  readonly written?: readonly ('port' | 'user' | 'keys' | 'knownHosts' | 'hostKeys' | 'jump')[]
}

/** A connection and the inventory's name of the host it leads to, by which problems call it. */
export type Target = Connection & { readonly name: string }
