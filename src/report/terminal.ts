import type { ActivityDisplay } from './human.ts'
import type { Progress } from './progress.ts'
import type { View } from './view.ts'

// A run that ends sooner shows no animation.
const DELAY_MS = 300
const FRAME_MS = 250
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/**
 * Rewrites lines in place. listr2 shows all of them as the title of one task: its own tree of tasks costs seconds of CPU with many
 * hosts. It schedules nothing and handles no signals.
 */
export const terminalActivity = (view: View, rows: () => number): ActivityDisplay => {
  let stop: (() => Promise<void>) | undefined
  let title = ''
  /** The progress to show; undefined if the display was stopped, also while it is paused. */
  let wanted: Progress | undefined

  const show = async (progress: Progress, ended: Promise<void>): Promise<void> => {
    const delay = new Promise((resolve) => setTimeout(resolve, DELAY_MS).unref())
    const [{ Listr, ListrDefaultRendererLogLevels }, hasEnded] = await Promise.all([
      import('listr2'),
      Promise.race([delay.then(() => false), ended.then(() => true)]),
    ])
    if (hasEnded) return
    let frame = 0
    const draw = (): string => {
      frame += 1
      const [head = '', ...hosts] = progress.lines(title, { ...view, columns: view.columns - 4 }, rows() - 3, performance.now())
      return [`${view.paint.cyan(spinner[frame % spinner.length] ?? '')} ${head}`, ...hosts].join('\n')
    }
    const list = new Listr(
      [
        {
          title: draw(),
          task: async (_, task) => {
            const timer = setInterval(() => {
              task.title = draw()
            }, FRAME_MS)
            await ended.finally(() => clearInterval(timer))
          },
        },
      ],
      {
        renderer: 'default',
        registerSignalListeners: false,
        rendererOptions: { lazy: true, clearOutput: true, formatOutput: 'truncate', icon: { [ListrDefaultRendererLogLevels.PENDING]: '' } },
      },
    )
    await list.run()
  }

  const stopShowing = async (): Promise<void> => {
    await stop?.()
    stop = undefined
  }

  const start = (progress: Progress): void => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const shown = show(progress, promise)
    stop = () => {
      resolve()
      return shown
    }
  }

  return {
    start: (newTitle, progress) => {
      title = newTitle
      wanted = progress
      start(progress)
    },
    changed: () => {},
    doing: () => {},
    rolling: () => {},
    title: (newTitle) => {
      title = newTitle
    },
    paused: async (work) => {
      await stopShowing()
      return await work().finally(() => wanted && start(wanted))
    },
    stop: async () => {
      wanted = undefined
      await stopShowing()
    },
  }
}
