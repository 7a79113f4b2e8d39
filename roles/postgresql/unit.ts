import { dropin, type Resource, sandbox } from 'provision'
import { PATHS } from './config.ts'
import type { Options } from './options.ts'
import type { Software } from './release.ts'
import { SCRIPT } from './replication.ts'

export const EXPORTER = 'prometheus-postgres-exporter.service'
/** Port of the exporter on loopback. */
export const EXPORTER_PORT = 9187

/** Drop-in of the server: our configuration, limits and sandbox in place of the scripts of the package. */
export const serverUnit = ({ memory, cpu_weight, io_weight }: Options, { unit, programs, data }: Software): Resource =>
  dropin({
    unit,
    name: 'provision',
    settings: {
      Unit: { Wants: 'network-online.target', After: 'network-online.target', StartLimitIntervalSec: '0' },
      Service: {
        Type: 'notify',
        PIDFile: '',
        ExecStart: ['', `${programs}/postgres -D ${data} -c config_file=${PATHS.config}`],
        ExecStartPre: SCRIPT,
        ExecStop: '',
        ExecReload: ['', '/bin/kill -HUP $MAINPID'],
        User: 'postgres',
        Group: 'postgres',
        // The server ends open transactions, and its processes themselves.
        KillMode: 'mixed',
        KillSignal: 'SIGINT',
        // A server that was interrupted repeats its log first, and a new replica copies all data.
        TimeoutStartSec: 'infinity',
        Restart: 'on-failure',
        RestartSec: '1s',
        // Only the first process is protected: its children handle the statements of clients.
        Environment: ['PG_OOM_ADJUST_FILE=/proc/self/oom_score_adj', 'PG_OOM_ADJUST_VALUE=0'],
        LimitNOFILE: '65535',
        MemoryMax: memory,
        CPUWeight: String(cpu_weight),
        IOWeight: String(io_weight),
        ...sandbox(
          { network: 'all' },
          {
            ReadWritePaths: ['/var/lib/postgresql', PATHS.sockets],
            ProcSubset: 'all',
            // In a user namespace the server could not tell which account a local client has.
            PrivateUsers: 'no',
            // The check of a configuration may use shared memory of the same account while the server stops.
            RemoveIPC: 'no',
          },
        ),
      },
    },
  })

/** The exporter reads statistics through the socket, as an account that sees no rows. */
export const exporterUnit = (): Resource =>
  dropin({
    unit: EXPORTER,
    name: 'provision',
    settings: {
      Unit: { StartLimitIntervalSec: '0' },
      Service: {
        ExecStart: ['', `/usr/bin/prometheus-postgres-exporter --web.listen-address=127.0.0.1:${EXPORTER_PORT}`],
        EnvironmentFile: '',
        Environment: `"DATA_SOURCE_NAME=user=prometheus host=${PATHS.sockets} dbname=postgres"`,
        Restart: 'always',
        RestartSec: '1s',
        ...sandbox({ network: 'loopback' }),
      },
    },
  })
