/** Name of the private key in `~/.ssh`. */
export const KEY = 'id_ed25519'

/** Name of the private key until it is complete. */
export const NEW_KEY = '.id_ed25519.provision-new'
