import type { AlertCases } from './case.ts'

export const metaCases: AlertCases = {
  Watchdog: [
    { series: {}, firingAt: '60s', summary: 'alert delivery works: this alert always fires, and goes to the heartbeat address only' },
  ],
}
