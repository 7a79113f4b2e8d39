import { type Check, file, type HostContext, pkg, service, z } from 'provision'
import { check, type Part } from './part.ts'
import { rebootTime } from './reboot.ts'
import { reportFiles, reportOptions } from './report.ts'

const PATH = '/etc/apt/apt.conf.d/52provision-updates'
const TIMERS = ['apt-daily.timer', 'apt-daily-upgrade.timer']

/** Whether a text is a regular expression. The host reads it with Python, whose syntax is close enough to JavaScript's. */
const isExpression = (text: string): boolean => {
  try {
    return RegExp(text) instanceof RegExp
  } catch {
    return false
  }
}

export const updatesOptions = z
  .strictObject({
    enabled: z
      .boolean()
      .default(true)
      .meta({ description: 'install security updates daily (CIS Debian 12 1.2.2.1, https://wiki.debian.org/UnattendedUpgrades)' }),
    except: z
      .array(
        z
          .string()
          .regex(/^[^"\p{Cc}]+$/u, 'must be a regular expression without quotes')
          .refine(isExpression, 'must be a valid regular expression; an invalid one would disable all updates'),
      )
      .default([])
      .meta({
        description: 'packages that are never updated automatically, in addition to databases; regular expressions for names',
        examples: [['^nginx']],
      }),
    reboot: z
      .union([z.literal(false), z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a time of day such as 04:30')])
      .default(false)
      .meta({ description: 'time of an automatic reboot after an update that needs one; false: never' }),
    ...reportOptions,
    reboot_spread: z
      .int()
      .min(0)
      .max(720)
      .default(60)
      .meta({ description: 'minutes after `reboot` over which the hosts of the site are spread, so that no two reboot at once' }),
  })
  .prefault({})

export type Updates = z.output<typeof updatesOptions>

/** Packages of clusters. A run upgrades their members one after the other; automatic updates would restart all of them in one night. */
const CLUSTERED = ['^mariadb', '^galera', '^mysql', '^percona']

const ORIGINS = {
  debian: [
    `origin=Debian,codename=\${distro_codename},label=Debian-Security`,
    `origin=Debian,codename=\${distro_codename}-security,label=Debian-Security`,
  ],
  ubuntu: [
    `origin=Ubuntu,archive=\${distro_codename}-security,label=Ubuntu`,
    `origin=UbuntuESMApps,archive=\${distro_codename}-apps-security`,
    `origin=UbuntuESM,archive=\${distro_codename}-infra-security`,
  ],
}

type RoleContext = Pick<HostContext<never>, 'facts' | 'host' | 'site'>

/** Automatic security updates. The package's own configuration stays in force, except for its list of archives. */
export const updates = (options: Updates, { facts, host, site }: RoleContext): Part => {
  const { enabled, except, reboot, reboot_spread, report, mail, mail_when } = options
  if (!enabled) return { files: [file({ path: PATH, state: 'absent' }), ...reportFiles(false)] }
  const hosts = site.withRole('base').map(({ name }) => name)
  const at = reboot === false ? false : rebootTime(reboot, reboot_spread, host.name, hosts)
  return {
    packages: [pkg({ name: 'unattended-upgrades' })],
    files: [
      file({
        path: PATH,
        content: `${configuration(ORIGINS[facts.distribution], [...CLUSTERED, ...except], at)}${mailLines(mail, mail_when)}`,
      }),
      ...reportFiles(report),
    ],
    services: [...TIMERS, 'unattended-upgrades.service'].map((unit) => service({ unit })),
  }
}

// The file sorts after that of the package. apt merges lists, so the archives of the package are cleared: they contain more than security.
const configuration = (
  origins: readonly string[],
  except: readonly string[],
  reboot: string | false,
): string => `// Written by provision (role base).
APT::Periodic::Enable "1";
APT::Periodic::Update-Package-Lists "1";
APT::Periodic::Unattended-Upgrade "1";
APT::Periodic::AutocleanInterval "7";
#clear Unattended-Upgrade::Allowed-Origins;
#clear Unattended-Upgrade::Origins-Pattern;
Unattended-Upgrade::Origins-Pattern {
${origins.map((one) => `  "${one}";\n`).join('')}};
Unattended-Upgrade::Package-Blacklist {
${except.map((one) => `  "${one}";\n`).join('')}};
Unattended-Upgrade::Remove-Unused-Kernel-Packages "true";
Unattended-Upgrade::Automatic-Reboot "${reboot !== false}";
${reboot === false ? '' : `Unattended-Upgrade::Automatic-Reboot-Time "${reboot}";\n`}`

const mailLines = (mail: string | undefined, when: Updates['mail_when']): string =>
  mail === undefined ? '' : `Unattended-Upgrade::Mail "${mail}";\nUnattended-Upgrade::MailReport "${when}";\n`

export const updatesChecks = ({ enabled }: Updates): readonly Check[] =>
  enabled
    ? [
        check(
          'security updates, and no others, are installed automatically',
          ...TIMERS.map((timer) => `systemctl is-active --quiet ${timer}`),
          'command -v unattended-upgrade >/dev/null',
          `apt-config dump | grep -qx 'APT::Periodic::Unattended-Upgrade "1";'`,
          `! apt-config dump | grep '^Unattended-Upgrade::\\(Origins-Pattern\\|Allowed-Origins\\)::' | grep -v -i security`,
        ),
      ]
    : []
