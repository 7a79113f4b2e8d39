import type { Script } from '../../shell/script.ts'
import { sh } from '../../shell/sh.ts'
import { KEEP_OUTPUT } from '../control/keep-output.ts'
import { sha256Hex } from '../kind/content.ts'
import { sandbox, type UnitSettings } from '../service/sandbox.ts'
import type { BuildSpec } from './spec.ts'

/** The unit in which the command of a root runs. */
export const unitOf = (root: string): string => `provision-build-${sha256Hex(root).slice(0, 12)}.service`

/** Compilers write code and run it, and tools read the number of processors. They restore groups of files (chown). */
const settingsOf = ({ user, network, withinMinutes }: BuildSpec): UnitSettings => ({
  ...sandbox(
    { network: network ? 'all' : 'none', calls: ['@chown'] },
    {
      MemoryDenyWriteExecute: 'no',
      ProcSubset: 'all',
      RestrictAddressFamilies: network ? 'AF_UNIX AF_NETLINK AF_INET AF_INET6' : 'AF_UNIX AF_NETLINK',
      UMask: '0022',
    },
  ),
  User: user,
  // The services of the host have priority.
  ...{ CPUWeight: '20', IOWeight: '20', OOMScoreAdjust: '500', TasksMax: '4096', MemoryMax: '75%' },
  RuntimeMaxSec: `${Math.ceil(withinMinutes * 60) + 60}`,
})

/**
 * Runs the command of a build in `releases/$name/app`, and stops the command of an interrupted run. systemd runs it in a sandbox, and ends all
 * of its processes. The text is in a file, because systemd would replace variables in arguments.
 */
export const commandScript = {
  stop: (root: string): Script => sh`systemctl stop -- ${unitOf(root)} 2>/dev/null || :`,

  run: (spec: BuildSpec): Script => {
    const { command, root, environment, withinMinutes } = spec
    if (command === undefined) return sh``
    const properties = Object.entries(settingsOf(spec)).flatMap(([key, value]) => [value].flat().map((one) => `--property=${key}=${one}`))
    const variables = Object.entries({ HOME: '/tmp', LANG: 'C.UTF-8', CI: 'true', ...environment })
    const seconds = Math.ceil(withinMinutes * 60)
    return sh`
  printf '%s\\n' ${`set -e\n${command}`} >"releases/$name/command"
  app=${root}/releases/$name/app
  perl -e ${KEEP_OUTPUT} -- systemd-run --quiet --wait --collect --pipe --service-type=exec --unit=${unitOf(root)} ${properties} --property=WorkingDirectory="$app" --property=ReadWritePaths="$app" ${variables.map(([key, value]) => `--setenv=${key}=${value}`)} -- /usr/bin/timeout -k 10 ${seconds} /bin/sh "\${app%/app}/command" </dev/null 9>&- || {
    status=$?
    [ "$status" != 124 ] || echo ${`the command did not end within ${withinMinutes} minutes`} >&2
    echo "the command of the build ended with status $status" >&2
    systemctl stop -- ${unitOf(root)} 2>/dev/null || :
    rm -rf -- "releases/$name"; exit 1
  }`
  },
}
