import { type LabSpec, labDown, labReset } from '../../../../src/lab/index.ts'
import { onHost, sessionOn, type TestHost } from '../test-host.ts'
import { type Root, rootOf } from './root.ts'
import { plant } from './sentinels.ts'
import { sign } from './signer.ts'

/** A lab host with attacking accounts, and a session that is reopened after an attack broke it. */
export interface Ground {
  readonly root: Root
  host(): Promise<TestHost>
  /** Bytes that the session's shell and all that it started have read so far. */
  bytesRead(): Promise<number>
  /** The result of work on the session; `late` after a deadline. A session that was late or failed is left. */
  within<T>(work: Promise<T>, ms: number): Promise<T | 'late'>
  down(): Promise<void>
}

export const openGround = async (lab: string, subnet: string): Promise<Ground> => {
  const address = `${subnet}.11`
  const { pathname } = new URL('../../../..', import.meta.url)
  const spec: LabSpec = { name: lab, root: pathname.replace(/\/$/, ''), hosts: [{ name: 'host-01', user: 'ops', addresses: [address] }] }
  await labReset(spec)
  const root = rootOf(spec, 'host-01')
  await plant(root)
  await root(`useradd -m -d /home/den mallory; useradd -r -M mysql; mkdir -p /srv/attic /srv/foreign
install -d -o mysql -g mysql -m 700 /var/lib/mysql; which perl openssl >/dev/null`)
  let open: Promise<{ readonly host: TestHost; readonly shell: number }> | undefined
  const start = async () => {
    const host = onHost(await sessionOn(lab, address), async () => undefined, sign)
    return { host, shell: Number(await host.run('echo $$')) }
  }
  const opened = () => {
    open ??= start()
    return open
  }
  const drop = async (): Promise<void> => {
    const { host, shell } = await opened()
    open = undefined
    // Hanging processes are ended first, because a session waits for its last answer.
    await root(`below() { for p in $(cat /proc/$1/task/*/children 2>/dev/null); do below $p; echo $p; done; }
kill -KILL $(below ${shell}) ${shell} 2>/dev/null || :`)
    await host.session.shell.close().catch(() => undefined)
  }
  return {
    root,
    host: async () => (await opened()).host,
    bytesRead: async () => Number(await root(`sed -n 's/^rchar: //p' /proc/${(await opened()).shell}/io`)),
    within: async (work, ms) => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<'late'>((resolve) => {
        timer = setTimeout(() => resolve('late'), ms)
      })
      try {
        const first = await Promise.race([work, late])
        if (first !== 'late') return first
      } catch (error) {
        if ((error as Error).name !== 'HostRefusal') await drop()
        throw error
      } finally {
        clearTimeout(timer)
      }
      await drop()
      await work.catch(() => undefined)
      return 'late'
    },
    down: async () => {
      await (await open)?.host.down()
      await labDown(spec)
    },
  }
}
