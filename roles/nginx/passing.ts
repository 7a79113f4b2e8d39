import { passingTo } from './locations.ts'

// Limits and passwords of the server block, which `raw` can set, are not for health checks.
/** Directives that lift limits and passwords. */
export const UNLIMITED = ['satisfy all', 'allow all', 'auth_basic off', 'auth_request off', 'limit_req_dry_run on', 'limit_conn_dry_run on']
  .map((line) => `    ${line};\n`)
  .join('')

/** nginx answers health checks itself. */
export const OWN_HEALTH = `  location = /healthz {
    access_log off;
    default_type text/plain;
    return 200 "ok\\n";
  }
`

// With one server, nginx does not retry requests: only the balancers know which ones may be sent twice.
/** Directives that pass requests to an upstream with these addresses. */
export const passing = (upstream: string, proxies: readonly string[]): readonly string[] => {
  const { scheme, lines } = passingTo(proxies)
  return [
    `proxy_pass ${scheme}://${upstream};`,
    'proxy_http_version 1.1;',
    'proxy_set_header Host $host;',
    'proxy_set_header Connection $connection_upgrade;',
    'proxy_set_header Upgrade $http_upgrade;',
    'proxy_set_header X-Forwarded-For $remote_addr;',
    'proxy_set_header X-Forwarded-Proto $http_x_forwarded_proto;',
    'proxy_connect_timeout 3s;',
    ...lines,
  ]
}

/** Directives as lines. */
export const indented = (lines: readonly string[], indent = '  '): string => lines.map((line) => `${indent}${line}\n`).join('')

/** Directives of a named location: the location of the path has asked for the password of its part already. */
export const ADMITTED = ['satisfy all;', 'allow all;', 'auth_basic off;', 'auth_request off;']
