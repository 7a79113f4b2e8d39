import { directory, file, z } from 'provision'
import type { Part } from './part.ts'

export const coreDumpsOption = z.boolean().default(false).meta({
  description: 'whether crashed programs may leave their memory, secrets included, on the disk (CIS Debian 12 1.5.3, dev-sec os-05)',
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
    description:
      'kernel modules that are never loaded: protocols and file systems that no server of ours speaks (CIS Debian 12 1.1.1, 3.2)',
  })

const HEAD = '# Written by provision (role base).\n'
const LIMITS = '/etc/security/limits.d/50-provision.conf'
const COREDUMP = '/etc/systemd/coredump.conf.d/50-provision.conf'

/** No memory of a crashed program on the disk; for services, which have no limits of PAM's, the kernel settings see to it. */
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

/** Kernel modules that nobody can make the kernel load by opening a socket or plugging something in. */
export const modules = (names: readonly string[]): Part => ({
  files: [
    directory({ path: '/etc/modprobe.d' }),
    file({
      path: '/etc/modprobe.d/provision-base.conf',
      content: `${HEAD}${names.map((name) => `install ${name} /bin/false\n`).join('')}`,
    }),
  ],
})
