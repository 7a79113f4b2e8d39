import { directory, file, z } from 'provision'
import { HEAD, type Part } from './part.ts'

export const coreDumpsOption = z.boolean().default(false).meta({
  description: 'write the memory of crashed programs, with its secrets, to disk (CIS Debian 12 1.5.3, dev-sec os-05)',
})

export const modulesOption = z
  .array(z.string().regex(/^[a-z0-9_-]+$/, 'must be the name of a kernel module'))
  .default([
    'dccp',
    'sctp',
    'rds',
    'tipc',
    'firewire-core',
    'firewire-ohci',
    'firewire-sbp2',
    'cramfs',
    'freevxfs',
    'hfs',
    'hfsplus',
    'jffs2',
  ])
  .meta({
    description: 'kernel modules that cannot be loaded: protocols and file systems that servers rarely need (CIS Debian 12 1.1.1, 3.2)',
  })

const LIMITS = '/etc/security/limits.d/50-provision.conf'
const COREDUMP = '/etc/systemd/coredump.conf.d/50-provision.conf'

/** Disables core dumps of sessions. Kernel settings disable those of services, to which limits of PAM do not apply. */
export const coreDumps = (allowed: boolean): Part => {
  if (allowed) return { files: [LIMITS, COREDUMP].map((path) => file({ path, state: 'absent' })) }
  return {
    files: [
      directory({ path: '/etc/systemd/coredump.conf.d' }),
      file({ path: LIMITS, content: `${HEAD}* hard core 0\nroot hard core 0\n` }),
      file({ path: COREDUMP, content: `${HEAD}[Coredump]\nStorage=none\nProcessSizeMax=0\n` }),
    ],
  }
}

/** Blocks kernel modules that would otherwise be loaded by opening a socket or attaching a device. */
export const modules = (names: readonly string[]): Part => ({
  files: [
    directory({ path: '/etc/modprobe.d' }),
    file({
      path: '/etc/modprobe.d/provision-base.conf',
      content: `${HEAD}${names.map((name) => `install ${name} /bin/false\n`).join('')}`,
    }),
  ],
})
