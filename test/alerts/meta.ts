import type { AlertCases } from './case.ts'

export const metaCases: AlertCases = {
  Watchdog: [
    { series: {}, firingAt: '60s', summary: 'alerts are on their way: this one never ends, and is told to the heartbeat address only' },
  ],
}
