import { hasControls } from '../hidden.ts'
import { Problem } from '../problem.ts'

/** Returns text for a line-based file. Throws a `Problem` if it contains a line break or another control character. */
export const inOneLine = (text: string): string => {
  if (!hasControls(text)) return text
  throw new Problem({
    class: 'input',
    where: { command: 'provision schedule' },
    what: `${JSON.stringify(text)} contains a line break or another control character`,
    why: 'it would start a new line in a systemd unit, a crontab or a CI configuration',
    fix: 'rename the file or directory, then run the command again',
  })
}
