import { setTimeout as sleep } from 'node:timers/promises'
import { type Answer, type Arrived, recorder } from './recorder.ts'

/** An alert as Alertmanager sends it. */
export interface Told {
  readonly status: 'firing' | 'resolved'
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
  /** Time of arrival. */
  readonly at: number
}

/** A webhook receiver on an address of this machine, with the alerts it received. */
export interface Receiver {
  readonly told: readonly Told[]
  /** Waits for the first alert with this name, host (or none) and status after a time. Throws after `seconds`. */
  await(since: number, status: Told['status'], alertname: string, host: string | undefined, seconds: number): Promise<Told>
  close(): void
}

/** The alerts of a request. */
export const answer = ({ body, at }: Arrived): Answer<Told> => ({
  status: 200,
  records: (JSON.parse(body) as { alerts: Omit<Told, 'at'>[] }).alerts.map((alert) => ({ ...alert, at })),
})

export const receiver = async (address: string, port: number): Promise<Receiver> => {
  const { records: told, close } = await recorder<Told>({ module: import.meta.url, address, port })
  return {
    told,
    await: async (since, status, alertname, host, seconds) => {
      const end = Date.now() + seconds * 1000
      for (;;) {
        const found = told.find(
          (one) => one.at >= since && one.status === status && one.labels.alertname === alertname && one.labels.host === host,
        )
        if (found !== undefined) return found
        if (Date.now() > end)
          throw new Error(`${status} ${alertname} of ${host} did not arrive within ${seconds} s; received: ${JSON.stringify(told)}`)
        await sleep(200)
      }
    },
    close,
  }
}
