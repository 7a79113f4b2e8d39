import type { HostContext, HostView } from '../../../src/role/role.ts'

/** A host with these addresses, internal and public. */
export const host = (name: string, ...addresses: string[]): HostView => ({
  name,
  user: 'ops',
  sshPort: 22,
  addresses,
  publicAddresses: addresses,
  groups: [],
})

/** Members of a host's context that do not depend on the host. Values of identities are unknown, as in a dry run. */
export const unknownIdentities: Pick<HostContext<unknown>, 'files' | 'acmeAccount' | 'authority' | 'warn'> = {
  files: () => [],
  acmeAccount: () => ({ key: 'acme-account:letsencrypt', thumbprint: { later: 'thumbprint', get: () => undefined } }),
  authority: ({ domain }) => ({
    key: `authority:${domain}`,
    zone: `${domain}.provision.internal`,
    certificate: { later: `the certificate of authority:${domain}`, get: () => undefined },
    trusted: () => [],
    nameOf: (name) => `${name}.${domain}.provision.internal`,
  }),
  warn: () => {},
}
