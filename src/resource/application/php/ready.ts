import { Problem } from '../../../problem.ts'
import { type PhpOptions, phpOptions } from './options.ts'

/** A host, as its facts report it, and the files of the project. */
interface Host {
  readonly name: string
  readonly distribution: 'debian' | 'ubuntu'
  readonly release: string
  readonly files: Files
}

type Files = (directory: string) => readonly { readonly path: string }[]

/** Options of an application that concern PHP. */
interface Given {
  readonly runtime?: string | undefined
  readonly php?: PhpOptions | undefined
  /** A directory or archive of the project, or a repository. */
  readonly source?: unknown
}

/** An application for PHP, with its defaults for a host. */
export interface ReadyPhp extends PhpOptions {
  readonly version: string
  /** Document root on the host. */
  readonly root: string
  /** Whether everything in the source is below the document root. */
  readonly isTop: boolean
  /** Largest request body, as nginx accepts it. */
  readonly bodyMax: string
}

/** Versions of PHP in the archives of the supported releases. */
const VERSIONS: Readonly<Record<Host['distribution'], Readonly<Record<string, string>>>> = {
  debian: { 12: '8.2', 13: '8.4' },
  ubuntu: { '22.04': '8.1', '24.04': '8.3', '26.04': '8.5' },
}

/** Returns the settings of an application for PHP; undefined for another runtime. */
export const readyPhp = (
  { name, app, bodyMax }: { readonly name: string; readonly app: Given; readonly bodyMax: string },
  host: Host,
): ReadyPhp | undefined => {
  if (app.runtime !== 'php') return undefined
  const php = phpOptions(app.php)
  const version = php.version ?? VERSIONS[host.distribution][host.release]
  if (version === undefined)
    throw new Problem({
      class: 'input',
      where: { host: host.name },
      what: `the version of PHP for ${host.distribution} ${host.release || 'unstable'} is not known`,
      fix: `set \`php.version\` of the application ${name}`,
    })
  const root = php.root ?? defaultRoot(name, app, host.files)
  const code = `/srv/provision/${name}/current/app`
  return { ...php, version, bodyMax, root: root === '.' ? code : `${code}/${root}`, isTop: root === '.' }
}

const defaultRoot = (name: string, { source }: Given, files: Files): string => {
  if (typeof source !== 'string') return '.'
  const paths = new Set(files(source).map(({ path }) => path))
  const root = [...paths].some((path) => path.startsWith('public/')) ? 'public' : '.'
  const index = root === '.' ? 'index.php' : `${root}/index.php`
  if (paths.has(index)) return root
  throw new Problem({
    class: 'input',
    where: { file: index },
    what: `no such file in ${source} (application ${name})`,
    why: 'it answers every request for which the document root has no file',
    fix: `add the file to ${source}, or set \`php.root\``,
  })
}
