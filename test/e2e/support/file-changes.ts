/** Paths that packages and systemd write when something is installed, enabled or run. */
const ON_THEIR_OWN: readonly RegExp[] = [
  // apt and dpkg keep records. Maintainer scripts create accounts, caches and links to alternatives.
  /^\/var\/(lib|cache)\/(dpkg|apt|debconf|ucf|pam|systemd\/deb-systemd-helper-(enabled|masked))(\/|$)/,
  /^\/var\/cache\/(ldconfig|man)(\/|$)/,
  /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/,
  /^\/etc\/(ld\.so\.cache|alternatives\/.*|rc[0-6S]\.d\/.*|\.pwd\.lock)$/,
  // systemd stores enabled units as links, and has its clock, seed and journal.
  /^\/etc\/systemd\/system\/([a-z-]+\.target\.wants|multi-user\.target\.wants)(\/|$)/,
  /^\/var\/lib\/systemd\//,
  /^\/var\/log\//,
  // unattended-upgrades gets its first configuration from debconf, and Python compiles its modules.
  /^\/etc\/apt\/apt\.conf\.d\/(20auto-upgrades|50unattended-upgrades)$/,
  /^\/usr\/(lib|share)\/python3[^/]*\/(.*\/)?__pycache__(\/|$)/,
  /^\/(var\/lib\/python|usr\/local\/lib\/python[\d.]+)(\/|$)/,
  /^\/etc\/(inputrc|networks|python3\/debian_config)$/,
  // Links to alternatives (of xz-utils) and their manual pages, and a directory of documents that one package takes from another.
  /^\/usr\/(bin\/(lz[a-z]+|unlzma)$|share\/(man\/man\d|doc)\/)/,
  // Password quality is configured in PAM's common files, which pam-auth-update writes.
  /^\/etc\/pam\.d\/common-[a-z-]+$/,
  // The maintainer script of nginx creates a default site and page; our configuration includes neither.
  /^\/etc\/nginx\/sites-enabled\/default$/,
  /^\/var\/www\/html\/index\.nginx-debian\.html$/,
  // JavaScript packages of Prometheus install configuration for web servers that are not installed.
  /^\/etc\/(lighttpd|apache2)\/conf-(available|enabled)\/[a-z0-9-]*javascript[a-z0-9-]*\.conf$/,
  // Running services store their state in the directories of their packages.
  /^\/var\/lib\/(nginx|haproxy|prometheus|provision-dashboard|provision-metrics|(private\/)?provision-checks)(\/|$)/,
  /^\/(run|tmp|var\/tmp)(\/|$)/,
]

/** Records of provision: owned paths, staged files, undo copies. */
const OUR_BOOKS = /^\/var\/lib\/provision(\/|$)/

/** Explains changes of a host: resources of the plan, the ownership record of the host, files of installed packages. */
export interface Explanation {
  readonly planned: readonly string[]
  readonly record: readonly string[]
  readonly packageFiles: readonly string[]
}

/** Returns changed paths that no planned change, package file or known habit of a package explains. */
export const unexplained = (changed: readonly string[], { planned, record, packageFiles }: Explanation): readonly string[] => {
  const owned = record.flatMap((line) => {
    const [, key = '', path = ''] = /^(.*?)(?: (\/\S+) \S+)?$/.exec(line) ?? []
    return planned.some((resource) => resource === decodeURIComponent(key)) ? [path] : []
  })
  const paths = new Set([...planned.map((resource) => resource.replace(/^[a-z-]+:/, '')), ...owned])
  // A release is one resource with all of its files.
  const releases = planned.flatMap((resource) => (resource.startsWith('release:') ? [`${resource.slice('release:'.length)}/`] : []))
  // Debian has merged /usr, but packages still have the old paths.
  const shipped = new Set(packageFiles.map((path) => path.replace(/^\/(lib|bin|sbin)\//, '/usr/$1/')))
  return changed.filter(
    (path) =>
      !paths.has(path) &&
      !releases.some((root) => path.startsWith(root)) &&
      !shipped.has(path) &&
      !OUR_BOOKS.test(path) &&
      !ON_THEIR_OWN.some((habit) => habit.test(path)),
  )
}
