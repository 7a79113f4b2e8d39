import type { TestHost } from './test-host.ts'

/** Whether a unit runs and is enabled: `inactive disabled`. */
export const serviceState = async (host: TestHost, unit: string): Promise<string> =>
  (await host.run(`systemctl show -P ActiveState -P UnitFileState ${unit}`)).trim().split('\n').join(' ')

/** Prints what an installation has left: files that hold services back, logs, and packages that dpkg has not finished. */
export const LEFT_OVERS = 'ls /usr/sbin/policy-rc.d* /run/systemd/system-preset/* /run/provision.????????/log 2>/dev/null; dpkg --audit'

/** The two versions that Debian and Debian's security updates have of haproxy, the newer first. */
export const haproxyVersions = async (host: TestHost): Promise<readonly string[]> =>
  (await host.run("apt-get -qq update; apt-cache madison haproxy | cut -d'|' -f2 | tr -d ' '")).trim().split('\n')

/** Kills apt, dpkg and their children with SIGKILL as soon as the condition holds. */
export const killWhen = (condition: string): string => `
i=0; while ! ${condition} && [ $i -lt 3000 ]; do sleep 0.01; i=$((i+1)); done
for p in $(grep -lsxE 'apt-get|dpkg|dpkg-deb|mariadb-server.*' /proc/[0-9]*/comm); do p=\${p#/proc/}; kill -9 "\${p%/comm}"; done; true`
