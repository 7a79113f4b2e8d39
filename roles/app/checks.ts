import { applicationUnit, type Check, sh } from 'provision'
import type { AppOptions } from './role.ts'

/** Check of `provision verify`: the same request as at the start of the application. */
export const checkOf = ({ name, port, health }: Pick<AppOptions, 'name' | 'port' | 'health'>, host: string): Check => ({
  name: health === undefined ? `${name} on ${host} accepts connections` : `${name} on ${host} answers ${health}`,
  script:
    health === undefined
      ? sh`timeout 5 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port ?? 0}' 2>/dev/null || { echo ${`nothing listens on 127.0.0.1:${port ?? 0}`}; exit 1; }`
      : sh`first=$(timeout 10 bash --norc -c 'exec 3<>/dev/tcp/127.0.0.1/${port ?? 0} && printf "GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n" "$1" >&3 && head -n 1 <&3' bash ${health} 2>/dev/null | tr -d '\\r\\000' | head -c 100)
case $first in 'HTTP/1.'?' '[23]??*) ;; *) printf 'GET %s is answered with %s\\n' ${health} "\${first:-nothing}"; exit 1 ;; esac`,
  units: [applicationUnit(name)],
})
