import { chmod, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { makeDirectory } from '../disk/folder.ts'
import { writeWhole } from '../disk/write.ts'
import { CACHE } from './machine/cache.ts'
import { execute } from './machine/execute.ts'
import { type Service, servicesOf, startService } from './service.ts'
import type { Layout } from './spec.ts'

/**
 * Starts the package cache: nginx as a proxy on the bridge. Each lab has its own nginx, and all labs share one directory. nginx renames
 * complete files into it, so two labs can fetch the same package at once.
 */
export const startArchive = async (layout: Layout, toolsDirectory: string): Promise<void> => {
  const [gateway] = layout.gateways
  if (!gateway) return
  const directory = join(servicesOf(layout), 'archive')
  const packages = join(CACHE, 'packages')
  makeDirectory(directory, 0o755)
  makeDirectory(packages, 0o755)
  const user = (await execute(['id', '-un', '33']).catch(() => 'nobody')).trim()
  await execute(['chown', user, packages])
  await chmod(packages, 0o755)
  const configuration = join(directory, 'nginx.conf')
  const listen = gateway.prefix === 64 ? `[${gateway.address}]:3142` : `${gateway.address}:3142`
  const text = nginxConfiguration({ directory, packages, user, listen, resolvers: await resolvers() })
  writeWhole(configuration, text, { mode: 0o644 })
  const argv = [join(toolsDirectory, 'usr/sbin/nginx'), '-c', configuration, '-p', directory, '-e', 'stderr']
  const service: Service = { name: 'archive', argv, address: gateway.address, ports: [3142] }
  await startService(layout, service)
}

interface Settings {
  readonly directory: string
  readonly packages: string
  readonly user: string
  readonly listen: string
  readonly resolvers: string
}

const nginxConfiguration = ({ directory, packages, user, listen, resolvers }: Settings) => `daemon off;
user ${user};
worker_processes 1;
pid ${directory}/nginx.pid;
events { worker_connections 512; }
http {
  log_format cache '$time_iso8601 $status $upstream_cache_status $body_bytes_sent $host$request_uri';
  access_log ${directory}/access.log cache;
  client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
  proxy_cache_path ${packages} levels=1:2 keys_zone=packages:16m inactive=3650d max_size=20g use_temp_path=off;
  resolver ${resolvers};
  keepalive_timeout 60;
  server {
    listen ${listen};
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_cache packages;
    proxy_cache_key $host$request_uri;
    proxy_cache_lock on; proxy_cache_lock_age 300s; proxy_cache_lock_timeout 300s;
    proxy_cache_use_stale error timeout http_500 http_502 http_503 http_504;
    proxy_ignore_headers Cache-Control Expires Set-Cookie Vary X-Accel-Expires;
    # Packages, and indexes that are named by their digest, never change.
    location ~ (^|/)(pool/|by-hash/) {
      proxy_cache_valid 200 3650d;
      proxy_pass http://$http_host$request_uri;
    }
    location / {
      proxy_cache_valid 200 1m;
      proxy_cache_revalidate on;
      proxy_pass http://$http_host$request_uri;
    }
  }
}
`

// nginx uses the machine's name servers, but does not read resolv.conf.
const resolvers = async () => {
  const text = await readFile('/etc/resolv.conf', 'utf8').catch(() => '')
  const servers = [...text.matchAll(/^nameserver\s+([0-9a-fA-F.:]+)\s*$/gm)].map(([, server = '']) =>
    server.includes(':') ? `[${server}]` : server,
  )
  return servers.length > 0 ? servers.join(' ') : '127.0.0.1'
}
