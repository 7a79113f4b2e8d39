import { directory, dropin, file, METRICS, type Resource, z } from 'provision'

export const reportOptions = {
  report: z.boolean().default(true).meta({
    description: 'list what was upgraded in the journal of apt-daily-upgrade.service, and write it as metrics',
  }),
  mail: z
    .string()
    .regex(/^[^\s"'\\\p{Cc}@]+(@[A-Za-z0-9.-]+)?$/u, 'must be an address of mail, or a local account')
    .optional()
    .meta({
      description: 'address that receives the report of each upgrade; the host needs a program `mail` and a mail server of its own',
      examples: ['admin@example.org'],
    }),
  mail_when: z
    .enum(['always', 'on-change', 'only-on-error'])
    .default('on-change')
    .meta({ description: 'upgrades that are reported by mail' }),
}

const PROGRAM = '/usr/local/lib/provision-upgrade-report'
export const RESULT = `${METRICS}/upgrades/upgrades.prom`
const UNIT = 'apt-daily-upgrade.service'

/**
 * Program that runs after each automatic upgrade. It reads the log of dpkg since the upgrade began; lines have local time. An upgrade of
 * another program in the same time is listed too.
 */
export const SCRIPT = `#!/bin/sh
# Written by provision (role base). Lists what the automatic upgrade installed.
set -eu
began=$(systemctl show -P ExecMainStartTimestamp ${UNIT})
since=$(date -d "$began" '+%F %T')
cat /var/log/dpkg.log.1 /var/log/dpkg.log 2>/dev/null |
  awk -v since="$since" '$1 " " $2 >= since && $3 == "upgrade" { print "upgraded", $4, "from", $5, "to", $6 }' >/run/provision-upgraded
cat /run/provision-upgraded
count=$(wc -l </run/provision-upgraded)
new=$(mktemp ${RESULT}.XXXXXX)
cat >"$new" <<END
# HELP provision_upgrade_finished_timestamp_seconds Time of the last automatic upgrade.
# TYPE provision_upgrade_finished_timestamp_seconds gauge
provision_upgrade_finished_timestamp_seconds $(date +%s)
# HELP provision_upgraded_packages Packages that the last automatic upgrade installed.
# TYPE provision_upgraded_packages gauge
provision_upgraded_packages $count
END
chmod 644 "$new"
mv -f "$new" ${RESULT}
`

/** The program, and the drop-in that runs it after the upgrade. The upgrade succeeds even if the program fails. */
export const reportFiles = (isOn: boolean): readonly Resource[] =>
  isOn
    ? [
        directory({ path: METRICS }),
        directory({ path: `${METRICS}/upgrades` }),
        file({ path: PROGRAM, mode: '755', content: SCRIPT }),
        dropin({ unit: UNIT, name: 'provision-report', settings: { Service: { ExecStartPost: `-${PROGRAM}` } } }),
      ]
    : [
        dropin({ unit: UNIT, name: 'provision-report', settings: {}, state: 'absent' }),
        file({ path: PROGRAM, state: 'absent' }),
        file({ path: RESULT, state: 'absent' }),
      ]
