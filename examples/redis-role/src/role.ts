import { defineRole, file, pkg, projectFile, sandbox, service, settingLines, sh, unit, z } from 'provision'

/** A cache on this host, as a unit of its own beside the one of the distribution. */
export default defineRole({
  name: 'redis',
  summary: 'cache with Redis, for programs of the same host',
  options: z.strictObject({
    memory: z
      .string()
      .regex(/^[1-9][0-9]{0,5}(mb|gb)$/, 'must be a size such as 256mb')
      .default('64mb')
      .meta({ description: 'memory for cached values', examples: ['256mb'] }),
    port: z.int().min(1024).max(65_535).default(6380).meta({ description: 'port on loopback' }),
  }),

  resources: (context) => {
    const { memory, port } = context.options
    const base = file({ path: '/etc/redis/base.conf', content: projectFile(context, './files/redis.conf', 'install the package again') })
    const config = file({
      path: '/etc/redis/cache.conf',
      content: `include /etc/redis/base.conf\nport ${port}\nmaxmemory ${memory}\n`,
    })
    const settings = settingLines(sandbox({ network: 'all' }))
    const cache = unit({
      name: 'redis-cache.service',
      content: `[Unit]
Description=Cache

[Service]
Type=notify
ExecStart=/usr/bin/redis-server /etc/redis/cache.conf --supervised systemd --daemonize no
User=redis
Restart=on-failure
${settings}
[Install]
WantedBy=multi-user.target
`,
    })
    return [pkg({ name: 'redis-server' }), base, config, cache, service({ unit: 'redis-cache.service', restarts: [base, config, cache] })]
  },

  verify: ({ options }) => [
    {
      name: `the cache on port ${options.port} answers`,
      script: sh`redis-cli -p ${options.port} ping | grep -qx PONG`,
      units: ['redis-cache.service'],
    },
  ],
})
