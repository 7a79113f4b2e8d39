import { type Check, type Facts, glob, type Resource, sh, sysctl, z } from 'provision'

const key = z
  .string()
  .regex(/^[A-Za-z0-9_-]+([./]([A-Za-z0-9_:.@-]+|\*(?=[./])))+$/, 'must be a kernel setting such as net.ipv4.tcp_syncookies')

export const kernelOption = z
  .record(key, z.union([z.int(), z.string().regex(/^[^\p{Cc}]*[^\p{Cc} ][^\p{Cc}]*$/u, 'must be one line of text'), z.null()]))
  .default({})
  .meta({
    description: 'kernel settings to add or replace; `null` removes one of the role',
    examples: [{ 'vm.swappiness': 10 }],
  })

/**
 * Sources: CIS Debian 12 (1.5, 3.3), dev-sec linux-baseline, Kernel Self Protection Project. The README lists the source of each setting, and
 * why some are omitted. Forwarding of packets is not set, because containers and VPNs need it.
 */
const SETTINGS: Readonly<Record<string, number | string>> = {
  // 2 drops packets from unroutable sources, but accepts asymmetric routes, which 1 would drop.
  'net.ipv4.conf.*.rp_filter': 2,
  'net.ipv4.conf.*.accept_redirects': 0,
  'net.ipv4.conf.*.secure_redirects': 0,
  'net.ipv4.conf.*.send_redirects': 0,
  'net.ipv4.conf.*.accept_source_route': 0,
  'net.ipv4.conf.*.log_martians': 1,
  'net.ipv6.conf.*.accept_redirects': 0,
  'net.ipv6.conf.*.accept_source_route': 0,
  'net.ipv4.icmp_echo_ignore_broadcasts': 1,
  'net.ipv4.icmp_ignore_bogus_error_responses': 1,
  'net.ipv4.tcp_syncookies': 1,
  'net.ipv4.tcp_rfc1337': 1,
  'net.core.bpf_jit_harden': 2,
  'dev.tty.ldisc_autoload': 0,
  'fs.protected_fifos': 2,
  'fs.protected_hardlinks': 1,
  'fs.protected_regular': 2,
  'fs.protected_symlinks': 1,
  'fs.suid_dumpable': 0,
  'kernel.core_uses_pid': 1,
  'kernel.ctrl-alt-del': 0,
  'kernel.dmesg_restrict': 1,
  'kernel.kptr_restrict': 2,
  'kernel.randomize_va_space': 2,
  'kernel.sysrq': 0,
  'kernel.unprivileged_bpf_disabled': 1,
  'kernel.yama.ptrace_scope': 1,
}

// The kernel passes every dump to a program that discards it, because limits of PAM do not apply to services.
const NO_DUMPS = { 'kernel.core_pattern': '|/bin/false' }

type Option = z.output<typeof kernelOption>

const wanted = (option: Option, coreDumps: boolean): readonly (readonly [string, number | string])[] =>
  Object.entries<Option[string]>({ ...SETTINGS, ...(coreDumps ? {} : NO_DUMPS), ...option }).flatMap(([name, value]) =>
    value === null ? [] : [[name, value] as const],
  )

const isNetworkSetting = (name: string): boolean => /^net[./]/.test(name)

/** Kernel settings. A container has only those of the network. */
export const kernel = (option: Option, coreDumps: boolean, { container }: Pick<Facts, 'container'>): readonly Resource[] =>
  wanted(option, coreDumps)
    .filter(([name]) => !container || isNetworkSetting(name))
    .map(([name, value]) => sysctl({ key: name, value, optional: !Object.hasOwn(option, name) }))

/** Check of all existing settings. It uses shell builtins and cat, because sysctl(8) may not be installed. */
export const kernelCheck = (option: Option, coreDumps: boolean): Check => ({
  name: 'kernel settings are in force',
  script: sh`container=; ! systemd-detect-virt --quiet --container || container=1; wrong=
holds() {
  case $1 in /proc/sys/net/*) ;; *) [ -z "$container" ] || return 0 ;; esac
  [ ! -e "$1" ] || [ "$(cat "$1" | tr -s '\\t ' ' ')" = "$2" ] || { echo "$1 is $(cat "$1")"; wrong=1; }
}
${wanted(option, coreDumps).map(([name, value]) => sh`for setting in ${glob(pathOf(name))}; do holds "$setting" ${String(value)}; done`)}
[ -z "$wrong" ]`,
})

const pathOf = (name: string): string => `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`
