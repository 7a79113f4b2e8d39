import { readFileSync } from 'node:fs'

/** The name of a local account, or its number if it has none. */
export const accountName = (uid: number): string => {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find((each) => each.split(':')[2] === String(uid))
    return line?.split(':')[0] || `account ${uid}`
  } catch {
    return `account ${uid}`
  }
}
