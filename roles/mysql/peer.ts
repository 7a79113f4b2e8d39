import { PKI } from './config.ts'
import type { Flavour } from './options.ts'

/**
 * Options of a client that calls another server as a replica, and verifies that its certificate has the called address. Clients before
 * MariaDB 11.4 verify it only with this option.
 */
export const peerOptions = (me: string, flavour: Flavour): string =>
  `-u provision-replica-${me} --ssl-ca=${PKI.trusted} --ssl-cert=${PKI.pair} --ssl-key=${PKI.pair}.key ${flavour === 'mysql' ? '--ssl-mode=VERIFY_IDENTITY' : '--ssl-verify-server-cert'}`
