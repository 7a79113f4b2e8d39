import { join } from 'node:path'
import { CACHE, cached, exists } from './cache.ts'
import { execute, succeeds } from './execute.ts'
import { aptSources, DEBIAN } from './mirror.ts'
import type { Release } from './release.ts'

/** Where a release's own image has the keys of its archive. */
export const KEYRINGS: Readonly<Record<Release['family'], string>> = {
  debian: '/usr/share/keyrings/debian-archive-keyring.gpg',
  ubuntu: '/usr/share/keyrings/ubuntu-archive-keyring.gpg',
}

/** Returns a file of this machine with the keys of a distribution's archive. */
export const keyringOf = async (family: Release['family']): Promise<string> => {
  const own = KEYRINGS[family]
  if (await exists(own)) return own
  const directory = await cached(join(CACHE, `keyring-${family}`), (into) => download(PACKAGES[family], into))
  return join(directory, own)
}

const PACKAGES = { debian: 'debian-archive-keyring', ubuntu: 'ubuntu-keyring' } as const

// Debian 12 has no package with Ubuntu's keys, Debian 13 has. apt checks it against the keys of Debian's archive.
const download = async (name: string, into: string) => {
  const ownRelease = `cd "$1" && apt-get -q -o APT::Sandbox::User=root download "$2"`
  const isThere = await succeeds(['sh', '-c', ownRelease, 'sh', into, name])
  if (!isThere) await execute(['sh', '-c', FROM_DEBIAN_13, 'sh', into, name], { input: TRIXIE })
  await execute(['sh', '-c', 'cd "$1" && dpkg-deb -x ./*.deb . && rm ./*.deb && chmod 755 .', 'sh', into])
}

const TRIXIE = aptSources([{ uri: DEBIAN, suites: ['trixie'], components: ['main'] }], KEYRINGS.debian)

const FROM_DEBIAN_13 = `set -e
cd "$1"
mkdir -p apt/lists apt/cache
cat >apt/trixie.sources
own="-q -o Dir::Etc::sourcelist=$1/apt/trixie.sources -o Dir::Etc::sourceparts=/dev/null -o Dir::State::lists=$1/apt/lists -o Dir::Cache=$1/apt/cache -o APT::Sandbox::User=root"
apt-get $own update
apt-get $own download "$2"
rm -r apt`
