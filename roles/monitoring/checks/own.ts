import { directory, file, type HostContext, METRICS, projectFile, type Resource, sandbox, settingLines, sh } from 'provision'
import type { OwnCheck } from '../options/checks.ts'
import type { Options } from '../options.ts'
import { includesHost } from '../routes.ts'
import { printing, repeatedJob } from './job.ts'

const RESULTS = `${METRICS}/own-checks`
const PROGRAMS = '/usr/local/lib/provision'
const NO_SCRIPT = 'put the program there, or correct `script` of the check'

/** Resources of the checks of the options that this host runs. */
export const ownCheckResources = (context: HostContext<Options>): readonly Resource[] => {
  const { options } = context
  const checks = options.checks.filter(({ hosts }) => hosts === undefined || includesHost(context, hosts))
  if (checks.length === 0) return []
  return [
    directory({ path: RESULTS }),
    // A result without this entry belongs to a check that was removed.
    file({
      path: `${RESULTS}/declared.prom`,
      content: `# TYPE provision_check_declared gauge\n${checks
        .map(({ name, severity, summary }) => `provision_check_declared{check="${name}",severity="${severity}",summary="${summary}"} 1\n`)
        .join('')}`,
    }),
    ...checks.flatMap((one) => checkResources(context, one)),
  ]
}

const checkResources = (context: HostContext<Options>, check: OwnCheck): readonly Resource[] => {
  const { name, every_seconds } = check
  const id = `provision-check-${name}`
  return [
    file({ path: `${PROGRAMS}/${id}`, mode: '755', content: projectFile(context, check.script, NO_SCRIPT) }),
    file({ path: `${PROGRAMS}/${id}-run`, mode: '755', content: runnerOf(check) }),
    ...repeatedJob({
      ...{ name: id, content: jobOf(check), seconds: every_seconds },
      description: `Check ${name} every ${every_seconds} seconds`,
    }),
  ]
}

/** Script that runs the program of a check, and prints its result for the node exporter. */
const runnerOf = ({ name, every_seconds, timeout_seconds }: OwnCheck): string => String.raw`#!/bin/sh
# Written by provision (role monitoring).
set -u; export LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
${sh`check=${name} program=${`${PROGRAMS}/provision-check-${name}`} seconds=${String(timeout_seconds)} due=${String(3 * every_seconds + timeout_seconds + 60)}`}
work=$(mktemp -d) || exit 1
{ timeout -k 5 "$seconds" "$program" </dev/null; echo "$?" >"$work/status"; } | awk 'NR == 1 && /^-?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?$/ { print substr($0, 1, 64) }' >"$work/value"
read -r status <"$work/status" || status=1
value() { printf '# HELP %s %s\n# TYPE %s gauge\n%s{check="%s"} %s\n' "$1" "$2" "$1" "$1" "$check" "$3"; }
value provision_check_ok 'Whether a check of the options succeeded.' "$([ "$status" = 0 ] && echo 1 || echo 0)"
value provision_check_due_seconds 'Time at which a check of the options is overdue.' "$(($(date +%s) + due))"
[ ! -s "$work/value" ] || value provision_check_value 'First line that a check of the options printed.' "$(cat "$work/value")"
rm -r "$work"
`

const jobOf = ({ name, user, timeout_seconds }: OwnCheck): string => `# Written by provision (role monitoring).
[Unit]
Description=Check ${name}
StartLimitIntervalSec=0

[Service]
Type=oneshot
${printing(`${PROGRAMS}/provision-check-${name}-run`, `${RESULTS}/${name}`)}
${user === undefined ? 'DynamicUser=yes' : `User=${user}`}
TimeoutStartSec=${timeout_seconds + 30}s
Nice=10
CPUWeight=50
IOWeight=50
${settingLines(
  sandbox(
    { network: 'all' },
    // Programs in JavaScript compile at run time.
    { ReadWritePaths: RESULTS, ProtectProc: 'default', ProcSubset: 'all', MemoryDenyWriteExecute: 'no', UMask: '0022' },
  ),
)}`
