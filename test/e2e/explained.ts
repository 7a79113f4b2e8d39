/** What packages and systemd write on their own when something is installed, enabled or run. */
const ON_THEIR_OWN: readonly RegExp[] = [
  // apt and dpkg keep books; their maintainer scripts make accounts, caches and links to alternatives.
  /^\/var\/(lib|cache)\/(dpkg|apt|debconf|ucf|pam|systemd\/deb-systemd-helper-(enabled|masked))(\/|$)/,
  /^\/var\/cache\/(ldconfig|man)(\/|$)/,
  /^\/etc\/(passwd|group|shadow|gshadow|subuid|subgid)-?$/,
  /^\/etc\/(ld\.so\.cache|alternatives\/.*|rc[0-6S]\.d\/.*|\.pwd\.lock)$/,
  // systemd keeps what is enabled as links, and its own clock, seed and journal.
  /^\/etc\/systemd\/system\/([a-z-]+\.target\.wants|multi-user\.target\.wants)(\/|$)/,
  /^\/var\/lib\/systemd\//,
  /^\/var\/log\//,
  // services that run keep their state where their package says.
  /^\/var\/lib\/(nginx|haproxy)(\/|$)/,
  /^\/(run|tmp|var\/tmp)(\/|$)/,
]

/** Our own books: what we own, what is staged, what could be put back. */
const OUR_BOOKS = /^\/var\/lib\/provision(\/|$)/

/** The changed paths that no planned change, no file of an installed package and no known habit explains. */
export const unexplained = (changed: readonly string[], planned: readonly string[], packageFiles: readonly string[]): readonly string[] => {
  const paths = new Set(planned.flatMap((line) => /:(\/.*)$/.exec(line)?.[1] ?? []))
  // A certificate is two files: the chain, and the key beside it.
  for (const path of [...paths]) paths.add(`${path}.key`)
  const shipped = new Set(packageFiles)
  return changed.filter(
    (path) => !paths.has(path) && !shipped.has(path) && !OUR_BOOKS.test(path) && !ON_THEIR_OWN.some((habit) => habit.test(path)),
  )
}
