import { type HostContext, Problem, type Text, text } from 'provision'

/** Statuses for which HAProxy accepts an error page. */
const STATUSES = ['400', '401', '403', '404', '405', '407', '408', '410', '413', '425', '429', '500', '501', '502', '503', '504']
/** Greatest size of a page: HAProxy keeps a response with its headers in one buffer of 16 KB. */
const MOST_BYTES = 14_000

type Page = {
  readonly status: string
  readonly path: string
  readonly content: Text | ReturnType<HostContext<unknown>['files']>[number]['content']
}

/** Error pages of the project by status, and a built-in one for status 503. */
export const pagesOf = (directory: string | undefined, files: HostContext<unknown>['files']): readonly Page[] => {
  const found =
    directory === undefined
      ? []
      : files(directory).map(({ path, content }) => ({ status: statusOf(directory, path, content.size), content }))
  const all = found.some(({ status }) => status === '503') ? found : [...found, { status: '503', content: text`${UNAVAILABLE}` }]
  return all.map(({ status, content }) => ({ status, content, path: `/etc/haproxy/pages/${status}.html` }))
}

const statusOf = (directory: string, path: string, size: number): string => {
  const wrong = (what: string, fix: string): Problem => new Problem({ class: 'input', where: { file: directory }, what, fix })
  const status = path.replace(/\.html$/, '')
  if (!STATUSES.includes(status))
    throw wrong(`${path} is not named after an error status`, `rename it to one of ${STATUSES.map((one) => `${one}.html`).join(', ')}`)
  if (size > MOST_BYTES)
    throw wrong(`${path} has ${size} bytes, and HAProxy allows ${MOST_BYTES}`, 'make the page smaller, for example by linking its pictures')
  return status
}

const UNAVAILABLE = `<!doctype html>
<html lang="en">
  <head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Back soon</title></head>
  <body style="font-family: system-ui, sans-serif; display: grid; place-items: center; min-height: 90vh">
    <main><h1>Back soon</h1><p>The site cannot be served at the moment. Please try again in a minute.</p></main>
  </body>
</html>
`
