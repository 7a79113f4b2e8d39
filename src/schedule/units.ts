/** What is to be started again and again: on this machine, by this user. */
export interface Job {
  /** Of the two units, without their suffixes. */
  readonly name: string
  /** The project's directory. */
  readonly root: string
  /** Program and arguments. */
  readonly command: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** Where more of the environment may stand: what the inventory takes from it. */
  readonly environmentFile: string
}

/** The service that does it once. */
export const serviceText = ({ root, command, environment, environmentFile }: Job): string => `# Written by provision schedule.
[Unit]
Description=Renews the certificates of ${specifiers(root)}
Wants=network-online.target
After=network-online.target

[Service]
Type=oneshot
WorkingDirectory=${specifiers(root)}
${Object.entries(environment)
  .map(([name, value]) => `Environment=${word(`${name}=${value}`)}\n`)
  .join('')}EnvironmentFile=-${specifiers(environmentFile)}
ExecStart=${command.map((one) => word(one.replaceAll('$', '$$$$'))).join(' ')}
TimeoutStartSec=1h
NoNewPrivileges=yes
UMask=0077
`

/** Twice a day, not when everybody does, and after it was missed. */
export const timerText = ({ root }: Job): string => `# Written by provision schedule.
[Unit]
Description=Renews the certificates of ${specifiers(root)}

[Timer]
OnCalendar=*-*-* 04,16:00:00
RandomizedDelaySec=4h
Persistent=true

[Install]
WantedBy=timers.target
`

const specifiers = (text: string): string => text.replaceAll('%', '%%')

/** One word of a unit's setting. */
const word = (text: string): string => {
  const shown = specifiers(text)
  return /^[A-Za-z0-9_@%+=:,./$-]+$/.test(shown) ? shown : `"${shown.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`
}
