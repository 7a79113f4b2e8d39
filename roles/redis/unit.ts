import { dropin, type Resource, sandbox } from 'provision'
import { PATHS } from './config.ts'
import type { Software } from './release.ts'
import { SCRIPT } from './script.ts'

export const EXPORTER = 'prometheus-redis-exporter.service'
/** Port of the exporter on loopback. */
export const EXPORTER_PORT = 9121

/** Drop-in of the server: our configuration, directories and sandbox in place of those of the package. */
export const serverUnit = ({ unit, account }: Software): Resource =>
  dropin({
    unit,
    name: 'provision',
    settings: {
      Unit: { Wants: 'network-online.target', After: 'network-online.target', StartLimitIntervalSec: '0' },
      Service: {
        Type: 'notify',
        PIDFile: '',
        ExecStart: ['', `${SCRIPT} start`],
        ExecStartPost: ['', `${SCRIPT} started`],
        ExecReload: ['', `${SCRIPT} reload`],
        ExecStop: '',
        User: account,
        Group: account,
        StateDirectory: ['', 'provision-redis'],
        StateDirectoryMode: '0750',
        RuntimeDirectory: ['', 'provision-redis'],
        RuntimeDirectoryMode: '0750',
        // A server with much data reads it first, and a replica may have to copy it.
        TimeoutStartSec: '1h',
        TimeoutStopSec: '10min',
        // The package permits the execution of the server only, and not of our script.
        NoExecPaths: '',
        ExecPaths: '',
        Restart: 'always',
        RestartSec: '1s',
        LimitNOFILE: '65535',
        OOMScoreAdjust: '-500',
        ...sandbox({ network: 'all' }, { ProcSubset: 'all', UMask: '0077' }),
      },
    },
  })

/** The exporter reads the state of the server through its socket, as an account that sees no data. */
export const exporterUnit = ({ account }: Software): Resource =>
  dropin({
    unit: EXPORTER,
    name: 'provision',
    settings: {
      Unit: { StartLimitIntervalSec: '0' },
      Service: {
        ExecStart: [
          '',
          `/usr/bin/prometheus-redis-exporter -redis.addr=unix://${PATHS.socket} -redis.user=provision-monitor -web.listen-address=127.0.0.1:${EXPORTER_PORT}`,
        ],
        EnvironmentFile: ['', PATHS.exporter],
        SupplementaryGroups: account,
        Restart: 'always',
        RestartSec: '1s',
        ...sandbox({ network: 'loopback' }),
      },
    },
  })
