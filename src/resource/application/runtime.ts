import type { ApplicationOptions } from './options.ts'

type Build = NonNullable<ApplicationOptions['build']>

/** Defaults that a runtime sets. */
interface Defaults {
  readonly packages: readonly string[]
  readonly build?: Build
  readonly command?: string
  readonly environment: Readonly<Record<string, string>>
}

const online = (command: string): Build => ({ command, network: true, environment: {}, minutes: 30 })

/** Whether the source may have a file. The files of a repository are not known before the run. */
type MayHave = (file: string) => boolean

const DEFAULTS: Readonly<Record<NonNullable<ApplicationOptions['runtime']>, (mayHave: MayHave) => Defaults>> = {
  node: (mayHave) => ({
    packages: mayHave('package-lock.json') ? ['nodejs', 'npm'] : ['nodejs'],
    ...(mayHave('package-lock.json') && { build: online('[ ! -f package-lock.json ] || npm ci --omit=dev --no-audit --no-fund') }),
    command: '/usr/bin/node .',
    environment: { NODE_ENV: 'production' },
  }),
  php: (mayHave) => ({
    packages: mayHave('composer.json') ? ['composer', 'unzip'] : [],
    ...(mayHave('composer.json') && {
      build: online('[ ! -f composer.json ] || composer install --no-dev --no-interaction --no-progress --optimize-autoloader'),
    }),
    environment: {},
  }),
  python: (mayHave) => ({
    packages: ['python3', 'python3-venv'],
    build: {
      ...online('python3 -m venv .venv\n[ ! -f requirements.txt ] || .venv/bin/pip install --no-input -r requirements.txt'),
      network: mayHave('requirements.txt'),
    },
    environment: { PYTHONUNBUFFERED: '1', PYTHONDONTWRITEBYTECODE: '1' },
  }),
}

/** Packages that only a build needs, and a word of its command. */
const BUILD_TOOLS = [
  ['npm', 'npm'],
  ['composer', 'composer'],
  ['unzip', 'composer'],
] as const

/** Returns the options with the defaults of their runtime, the environment of the runtime, and the packages to install. */
export const withRuntime = (
  app: ApplicationOptions,
  mayHave: MayHave,
): ApplicationOptions & { readonly defaults: Readonly<Record<string, string>> } => {
  if (app.runtime === undefined) return { ...app, defaults: {} }
  const { packages, build, command, environment } = DEFAULTS[app.runtime](mayHave)
  // The option `build` replaces the build of the runtime, but the application still needs the program of the runtime.
  const more =
    app.build === undefined
      ? packages
      : packages.filter((name) => !BUILD_TOOLS.some(([tool, word]) => name === tool && !app.build?.command.includes(word)))
  return {
    ...app,
    ...{ packages: [...more, ...app.packages], defaults: environment },
    ...(app.build === undefined && build !== undefined && { build }),
    ...(app.command === undefined && command !== undefined && { command }),
  }
}
