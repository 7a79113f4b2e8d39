import { z } from 'zod'

/** Settings that follow from other options, and settings that decide which files PHP executes. */
const OWN: Readonly<Record<string, string>> = {
  post_max_size: 'set `body_max` of the site',
  upload_max_filesize: 'set `body_max` of the site',
  upload_tmp_dir: 'remove it: uploads arrive in a private directory',
  'session.save_path': 'remove it: sessions are stored in the state directory of the application',
  error_log: 'remove it: errors go to the journal',
  extension: 'set `extensions`',
  zend_extension: 'set `extensions`',
  extension_dir: 'set `extensions`',
  doc_root: 'set `root`',
  user_dir: 'remove it',
  'cgi.fix_pathinfo': 'remove it: only files of the release are executed',
  'opcache.validate_timestamps': 'remove it: each release is compiled anew',
}

const settings = z
  .record(
    z.string().regex(/^[a-z][a-z0-9_]*([.][a-z0-9_]+)*$/i, 'must be the name of a setting in php.ini'),
    z.union([
      z.string().regex(/^[^\p{Cc}"\\$]*$/u, 'must be one line without quotes, backslashes and dollar signs'),
      z.number(),
      z.boolean(),
    ]),
  )
  .superRefine((given, context) => {
    for (const name of Object.keys(given)) {
      const fix = OWN[name.toLowerCase()]
      if (fix !== undefined) context.addIssue({ code: 'custom', path: [name], message: `${name} is set by provision; ${fix}` })
    }
  })

const phpShape = z.strictObject({
  root: z
    .string()
    .regex(/^(\.|[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)$/, 'must be a directory of the source such as public, or .')
    .optional()
    .meta({
      description:
        'document root in the source, `.` for its top; default: `public` if the source has it, or the top; required for a repository',
      examples: ['web'],
    }),
  extensions: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9-]*$/, 'must be the end of a package name: mysql for php8.4-mysql'))
    .default([])
    .meta({ description: 'extensions, as in the names of Debian packages: `mysql` for php8.4-mysql', examples: [['mysql', 'curl', 'gd']] }),
  settings: settings.default({}).meta({
    description: 'settings of php.ini; PHP must know each of them before the application starts with it',
    examples: [{ memory_limit: '256M', max_execution_time: 60 }],
  }),
  workers: z.int().min(1).max(1000).default(10).meta({ description: 'maximum number of requests that PHP answers at once; more wait' }),
  version: z
    .string()
    .regex(/^[0-9]\.[0-9]$/, 'must be a version such as "8.4", in quotes')
    .optional()
    .meta({ description: 'version of PHP, for packages of another archive; default: that of the release of the host', examples: ['8.4'] }),
})

/** The option `php` of an application. */
export const phpOption = phpShape.optional().meta({
  description: 'document root, extensions and settings of `runtime: php`',
  examples: [{ root: 'web', extensions: ['mysql'], settings: { memory_limit: '256M' } }],
})

export type PhpOptions = z.output<typeof phpShape>

/** The options with their defaults. */
export const phpOptions = (given: PhpOptions | undefined): PhpOptions => given ?? phpShape.parse({})
