import { showHidden } from '../../hidden.ts'
import { Problem, type Where } from '../../problem.ts'

type Parts = { readonly where?: Where; readonly what: string; readonly fix: string }

/** Messages of ssh about its configuration, as OpenSSH 8.4 to 10 writes them. */
const MESSAGES: readonly (readonly [RegExp, (...found: readonly string[]) => Parts])[] = [
  [
    /^command-line:? line \d+: (.+)$/m,
    () => ({ what: 'ssh on this machine refuses an option', fix: 'install OpenSSH 8.4 or later, or set transport: ssh2' }),
  ],
  [
    /^(.+?):? line (\d+): Bad configuration option: (\S+)/m,
    (file = '', line, name) => ({
      where: { file, line: Number(line) },
      what: `setting ${name} of ssh's configuration is unknown to ssh`,
      fix: `correct its name, or permit it before this line: IgnoreUnknown ${name}`,
    }),
  ],
  [
    /^(.+?):? line (\d+): /m,
    (file = '', line) => ({ where: { file, line: Number(line) }, what: 'configuration of ssh is invalid', fix: 'correct this line' }),
  ],
  [
    /^Bad owner or permissions on (.+)$/m,
    (file = '') => ({
      where: { file },
      what: "file of ssh's configuration may be changed by other accounts",
      fix: `correct its owner, and remove their permission: chmod go-w ${file}`,
    }),
  ],
  [
    /expand: unknown key (%\S*)/m,
    (token) => ({ what: `token ${token} of ssh's configuration is unknown to ssh`, fix: 'write the value itself in ~/.ssh/config' }),
  ],
  [
    /^(?:remote )?(username|hostname) contains invalid characters/m,
    (name = '') => ({ what: `ssh refuses the ${name.replace('name', ' name')}: it contains invalid characters`, fix: 'correct it' }),
  ],
  [
    /^(?:bind|getifaddrs):? /m,
    () => ({
      what: 'BindAddress or BindInterface of ssh’s configuration is not possible on this machine',
      fix: 'correct ~/.ssh/config: ip address prints the addresses',
    }),
  ],
]

// ssh says so before everything else, because provision needs no terminal.
const NOISE = /^Pseudo-terminal will not be allocated because stdin is not a terminal\.\r?\n/gm

/** The input problem of a configuration that ssh refuses, by its messages; undefined if they are about something else. */
export const refusedConfig = (where: Where, messages: string): Problem | undefined => {
  const why = showHidden(messages.replaceAll('\r', '').replace(NOISE, '')).trim()
  for (const [pattern, explain] of MESSAGES) {
    const found = pattern.exec(why)
    if (found !== null) return new Problem({ class: 'input', where, why, ...explain(...found.slice(1)) })
  }
  return undefined
}
