import { dropin, type Resource, sandbox, type UnitSettings } from 'provision'

/** Quotes one word of a command line in a unit. */
const word = (given: string): string => {
  const plain = given.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('$', '$$$$').replaceAll('%', '%%')
  return /^[A-Za-z0-9_./:=,@+[\]-]*$/.test(given) ? given : `"${plain}"`
}

/**
 * Drop-in for the unit of a package: command line, sandbox, and priority. Monitoring daemons get more CPU and I/O and are killed last,
 * because they must report a host that runs out of resources.
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
