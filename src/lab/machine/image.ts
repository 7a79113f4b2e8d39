import { createHash } from 'node:crypto'
import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Problem } from '../../problem.ts'
import { CACHE, cached, exists } from './cache.ts'
import { execute } from './execute.ts'
import { KEYRINGS, keyringOf } from './keyring.ts'
import { type OnProgress, refreshLists } from './machine.ts'
import { aptSources, archivesOf, type Mirror, mirrorOf } from './mirror.ts'
import type { Release } from './release.ts'

// The packages of a bare cloud image: no curl, no nftables; no python on Debian.
const PACKAGES = 'systemd systemd-sysv dbus openssh-server iproute2 ca-certificates sudo procps libpam-systemd'.split(' ')
// debootstrap's set for Ubuntu has neither apt nor the keys of its archive.
const UBUNTU_PACKAGES = ['apt', 'ubuntu-keyring', 'ubuntu-minimal']

// Host keys and machine id are created with each host. Package lists are empty, as on a new server.
const customize = (family: Release['family']) => `set -e
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/etc/resolv.conf
sed 's|^Signed-By: .*|Signed-By: ${KEYRINGS[family]}|' "$1"/etc/apt/sources.list.d/*.sources >"$1/etc/apt/sources"
rm "$1"/etc/apt/sources.list.d/*.sources
mv "$1/etc/apt/sources" "$1/etc/apt/sources.list.d/${family}.sources"
# It calls udevadm, but no container has udev (Ubuntu 26.04).
netplan=systemd/system/netplan-configure.service
if [ -e "$1/usr/lib/$netplan" ]; then
  mkdir "$1/etc/$netplan.d"
  printf '[Unit]\\nConditionVirtualization=!container\\n' >"$1/etc/$netplan.d/container.conf"
fi
rm -f "$1"/var/lib/dbus/machine-id "$1"/var/log/*.log "$1"/var/log/apt/*
: > "$1/etc/machine-id"`

/** The shell hook that installs more packages in an image, with services as `provision run` leaves them before it starts them. */
const install = (packages: readonly string[]) => `set -e
presets="$1/run/systemd/system-preset"
export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" DEBIAN_FRONTEND=noninteractive
mkdir -p "$presets"
printf 'disable *.service\\ndisable *.socket\\n' >"$presets/00-lab.preset"
set --${packages.map((name) => ` ${name}`).join('')} "$1"
while [ $# -gt 1 ]; do
  if apt-cache show "$1" >/dev/null 2>&1; then found="$found $1"; fi
  shift
done
apt-get -q --yes --no-install-recommends -o DPkg::Chroot-Directory="$1" install $found
rm -r "$presets"`

// Its processes and mounts end with this process. Those of a killed command would be in the way of the next one.
const CONTAINED = 'setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child --mount-proc'.split(' ')

/** Options of a base image. */
export interface ImageOptions {
  /** The address of its packages. */
  readonly mirror?: string | undefined
  /** Its architecture, by Debian's name: `arm64`. By default this machine's. */
  readonly architecture?: string | undefined
  /** Packages that are installed in it, without their services. */
  readonly packages?: readonly string[] | undefined
}

/** Returns the base image of a release's hosts, built on first use. */
export const baseImage = async (release: Release, options: ImageOptions, onProgress: OnProgress): Promise<string> => {
  const { mirror, architecture, packages: more = [] } = options
  const own = (await execute(['dpkg', '--print-architecture'])).trim()
  const wanted = architecture ?? own
  if (wanted !== own) await checkEmulation(wanted)
  const { family, codename, title } = release
  const packages = family === 'ubuntu' ? [...PACKAGES, ...UBUNTU_PACKAGES] : PACKAGES
  const usual = await mirrorOfMachine(family, wanted)
  const archives = archivesOf(release, { ...usual, ...(mirror === undefined ? {} : { main: mirror }) })
  const hooks = [...(more.length === 0 ? [] : [install(more)]), customize(family)]
  const recipe = createHash('sha256')
    .update([codename, ...(wanted === own ? [] : [wanted]), ...packages, aptSources(archives, KEYRINGS[family]), ...hooks].join('\n'))
    .digest('hex')
  return cached(join(CACHE, [family, codename, ...(wanted === own ? [] : [wanted]), recipe.slice(0, 8)].join('-')), async (directory) => {
    onProgress(`building the base image, only once (${title}${wanted === own ? ', about 40 s' : ` for ${wanted}, some minutes`})`)
    const keyring = await keyringOf(family)
    const form = ['--variant=minbase', `--include=${packages.join(',')}`, `--keyring=${keyring}`, `--architectures=${wanted}`]
    const input = aptSources(archives, keyring)
    const customizing = hooks.map((hook) => `--customize-hook=${hook}`)
    await execute([...CONTAINED, 'mmdebstrap', ...form, ...customizing, codename, directory, '-'], { input })
    await chmod(directory, 0o755)
  })
}

const mirrorOfMachine = async (family: Release['family'], architecture: string): Promise<Mirror> => {
  const format = '$(ORIGIN) $(LABEL) $(REPO_URI) $(ARCHITECTURE)'
  return mirrorOf(family, await execute(['apt-get', 'indextargets', '--format', format, 'Created-By: Packages']), architecture)
}

// The names of qemu, where they differ from Debian's.
const CPUS: Readonly<Record<string, string>> = {
  arm64: 'aarch64',
  armhf: 'arm',
  armel: 'arm',
  amd64: 'x86_64',
  ppc64el: 'ppc64le',
}

/** Throws a problem unless the kernel of this machine starts programs of another architecture through qemu. */
const checkEmulation = async (architecture: string) => {
  if (await exists(`/proc/sys/fs/binfmt_misc/qemu-${CPUS[architecture] ?? architecture}`)) return
  throw new Problem({
    class: 'input',
    where: { command: 'lab' },
    what: `this machine cannot run programs for ${architecture}`,
    fix: 'run apt-get install qemu-user-static binfmt-support arch-test, or leave out --arch',
  })
}

/**
 * Whether hosts of an image need a unified hierarchy of cgroups (version 2) on a machine that has both versions. systemd 258 supports no
 * other, and the journal of systemd 249 does not start with version 1. Others get what the machine has: there version 1 has the limits.
 */
export const needsUnified = async (image: string): Promise<boolean> => {
  const status = await readFile(join(image, 'var/lib/dpkg/status'), 'utf8')
  const version = Number(/^Package: systemd\n(?:.+\n)*?Version: (\d+)/m.exec(status)?.[1])
  return version >= 258 || version < 250
}

/**
 * nginx and pebble, extracted from their packages instead of installed. An installed nginx would be enabled on this machine and serve its
 * default page on port 80 after the next boot.
 */
export const tools = async (onProgress: OnProgress): Promise<string> => {
  // They use this machine's libraries, so a new release of the machine needs new ones.
  const release = (await execute(['sh', '-c', '. /etc/os-release; echo "$ID-$VERSION_ID"'])).trim()
  return cached(join(CACHE, `tools-${release}`), async (directory) => {
    onProgress('downloading nginx (package cache) and pebble (test certificate authority)')
    await refreshLists()
    const script = `set -e; cd "$1"; apt-get -q -o APT::Sandbox::User=root download nginx pebble
      for package in *.deb; do dpkg-deb -x "$package" .; done; rm -- *.deb; usr/sbin/nginx -v`
    await execute(['sh', '-c', script, 'sh', directory])
    await chmod(directory, 0o755)
  })
}
