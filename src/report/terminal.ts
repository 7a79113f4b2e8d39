import type { Motion } from './human.ts'
import type { Progress } from './progress.ts'
import type { View } from './view.ts'

// Calm: a run that is over at once shows nothing that moves, and what moves does so four times a second.
const PATIENCE_MS = 300
const BEAT_MS = 250
const spinner = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']

/**
 * Lines that are rewritten in place. listr2 only shows them, as the many-lined title of one task: it schedules nothing,
 * takes no signal, and draws when we say so (its own tree of tasks costs seconds of CPU with many hosts).
 */
export const terminalMotion = (view: View, rows: () => number): Motion => {
  let stop: (() => Promise<void>) | undefined
  let title = ''

  const show = async (progress: Progress, ended: Promise<void>): Promise<void> => {
    const soon = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS).unref())
    const [{ Listr, ListrDefaultRendererLogLevels }, isOver] = await Promise.all([
      import('listr2'),
      Promise.race([soon.then(() => false), ended.then(() => true)]),
    ])
    if (isOver) return
    let beat = 0
    const draw = (): string => {
      beat += 1
      const [head = '', ...hosts] = progress.lines(title, { ...view, columns: view.columns - 4 }, rows() - 3, performance.now())
      return [`${view.paint.cyan(spinner[beat % spinner.length] ?? '')} ${head}`, ...hosts].join('\n')
    }
    const list = new Listr(
      [
        {
          title: draw(),
          task: async (_, task) => {
            const timer = setInterval(() => {
              task.title = draw()
            }, BEAT_MS)
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

  const end = async (): Promise<void> => {
    await stop?.()
    stop = undefined
  }

  return {
    start: (words, progress) => {
      title = words
      const { promise, resolve } = Promise.withResolvers<void>()
      const shown = show(progress, promise)
      stop = () => {
        resolve()
        return shown
      }
    },
    changed: () => {},
    doing: () => {},
    rolling: () => {},
    title: (words) => {
      title = words
    },
    stop: end,
  }
}
