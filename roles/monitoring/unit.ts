import { dropin, type Resource } from 'provision'

/** One word of a command line in a unit. */
const word = (given: string): string => {
  const plain = given.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$').replaceAll('%', '%%')
  return /^[A-Za-z0-9_./:=,@+[\]-]*$/.test(given) ? given : `"${plain}"`
}

/** What none of them needs. */
const SANDBOX = {
  NoNewPrivileges: 'yes',
  ProtectClock: 'yes',
  ProtectControlGroups: 'yes',
  ProtectHostname: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  LockPersonality: 'yes',
  MemoryDenyWriteExecute: 'yes',
  RestrictNamespaces: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  SystemCallArchitectures: 'native',
}

/** And what only one that measures the whole host needs. */
const CLOSED = { ProtectSystem: 'strict', ProtectHome: 'yes', PrivateTmp: 'yes', PrivateDevices: 'yes' }

/**
 * The package's unit, run as we say: its command line, what it may not do, and that it is heard and lives on when a host is starved:
 * what measures must not be the first to go.
 */
export const daemon = (
  unit: string,
  command: readonly string[],
  { open = false, ...more }: { readonly open?: boolean } & Readonly<Record<string, string | readonly string[] | boolean>> = {},
): Resource =>
  dropin({
    unit,
    name: 'provision',
    settings: {
      Unit: { StartLimitIntervalSec: '0' },
      Service: {
        ExecStart: ['', command.map(word).join(' ')],
        ...SANDBOX,
        ...(open ? {} : CLOSED),
        CapabilityBoundingSet: '',
        Restart: 'always',
        RestartSec: '2s',
        CPUWeight: '400',
        IOWeight: '400',
        OOMScoreAdjust: '-500',
        ...(more as Record<string, string | string[]>),
      },
    },
  }) as Resource
