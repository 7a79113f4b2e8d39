import { PKI } from './config.ts'

/**
 * Options of a client that calls another server as a replica, and verifies that its certificate has the called address. Clients before
 * MariaDB 11.4 verify it only with this option.
 */
export const peerOptions = (me: string): string =>
  `-u provision-replica-${me} --ssl-ca=${PKI.trusted} --ssl-cert=${PKI.pair} --ssl-key=${PKI.pair}.key --ssl-verify-server-cert`
