/** Files that the installation of a system creates. They belong to no package, and each host needs one. */
const SYSTEM_FILES = [
  /^\/etc\/(adjtime|fstab|hostname|hosts|localtime|locale\.conf|machine-id|profile|resolv\.conf|timezone)$/,
  /^\/etc\/default\/(grub|keyboard|locale)$/,
  /^\/etc\/network\/interfaces$/,
  /^\/etc\/apt\/(sources\.list|sources\.list\.d\/(debian|ubuntu)\.sources)$/,
]

/** Whether a path is a file of the system, whose former content provision cannot restore. */
export const isSystemFile = (path: string): boolean => SYSTEM_FILES.some((pattern) => pattern.test(path))
