import { dropin, type Resource, sandbox, type UnitSettings } from 'provision'

/** One word of a command line in a unit. */
const word = (given: string): string => {
  const plain = given.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$').replaceAll('%', '%%')
  return /^[A-Za-z0-9_./:=,@+[\]-]*$/.test(given) ? given : `"${plain}"`
}

/**
 * The package's unit, run as we say: its command line, what it may not do, and that it is heard and lives on when a host is starved:
 * what measures must not be the first to go.
 */
export const daemon = (unit: string, command: readonly string[], needs: Parameters<typeof sandbox>[0], more: UnitSettings = {}): Resource =>
  dropin({
    unit,
    name: 'provision',
    settings: {
      Unit: { StartLimitIntervalSec: '0' },
      Service: {
        ExecStart: ['', command.map(word).join(' ')],
        ...sandbox(needs, more),
        Restart: 'always',
        RestartSec: '2s',
        CPUWeight: '400',
        IOWeight: '400',
        OOMScoreAdjust: '-500',
      },
    },
  })
