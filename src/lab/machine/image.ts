import { createHash } from 'node:crypto'
import { chmod } from 'node:fs/promises'
import { join } from 'node:path'
import { CACHE, cached } from './cache.ts'
import { execute } from './execute.ts'
import { type OnProgress, refreshLists } from './machine.ts'

const RELEASE = 'bookworm'
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'

// The packages of a bare cloud image: no python, no curl, no nftables.
const PACKAGES = 'systemd systemd-sysv dbus openssh-server iproute2 ca-certificates sudo procps libpam-systemd'.split(' ')

const SOURCES = `Types: deb
URIs: http://deb.debian.org/debian
Suites: ${RELEASE} ${RELEASE}-updates
Components: main
Signed-By: ${KEYRING}

Types: deb
URIs: http://deb.debian.org/debian-security
Suites: ${RELEASE}-security
Components: main
Signed-By: ${KEYRING}
`

// Host keys and machine id are created with each host. Package lists are empty, as on a new server.
const CUSTOMIZE = `set -e
rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/hostname "$1"/etc/resolv.conf
mv "$1"/etc/apt/sources.list.d/*.sources "$1/etc/apt/sources.list.d/debian.sources"
rm -f "$1"/var/lib/dbus/machine-id "$1"/var/log/*.log "$1"/var/log/apt/*
: > "$1/etc/machine-id"`

/** The base image of all hosts, built on first use. */
export const baseImage = (onProgress: OnProgress): Promise<string> => {
  const recipe = createHash('sha256')
    .update([RELEASE, ...PACKAGES, SOURCES, CUSTOMIZE].join('\n'))
    .digest('hex')
  return cached(join(CACHE, `debian-${RELEASE}-${recipe.slice(0, 8)}`), async (directory) => {
    onProgress('building the base image, only once (Debian 12, about 40 s)')
    const options = ['--quiet', '--variant=minbase', `--include=${PACKAGES.join(',')}`, `--keyring=${KEYRING}`]
    await execute(['mmdebstrap', ...options, `--customize-hook=${CUSTOMIZE}`, RELEASE, directory, '-'], { input: SOURCES })
    await chmod(directory, 0o755)
  })
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
