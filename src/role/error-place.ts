/** A place in a file, as messages print it. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/**
 * Returns where an error was thrown, from its stack: the first frame in a file of a user, not of Node, of provision (the folders `own`) or of
 * another package than `home`. Undefined if there is none.
 */
export const placeOfError = (error: unknown, own: readonly string[], home?: string): Place | undefined => {
  const frames = error instanceof Error ? (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line)) : []
  for (const frame of frames) {
    const [, file, line, column] = /(?:\(|at |async )(?:file:\/\/)?(\/[^()]*?):(\d+):(\d+)\)?$/.exec(frame) ?? []
    if (file === undefined || own.some((folder) => decoded(file).startsWith(`${folder}/`))) continue
    const below = home !== undefined && decoded(file).startsWith(`${home}/`) ? decoded(file).slice(home.length) : file
    if (below.includes('/node_modules/')) continue
    return { file: decoded(file), line: Number(line), column: Number(column) }
  }
  return undefined
}

// A stack has the path of a URL, and a query where a module was loaded again.
const decoded = (path: string): string => {
  const [file = path] = path.split('?')
  try {
    return decodeURIComponent(file)
  } catch {
    return file
  }
}
