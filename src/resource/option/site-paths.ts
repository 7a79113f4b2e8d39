import { z } from 'zod'

/** A path of a request or of a host that needs no quotes in configuration of nginx and systemd. */
export const unquotedPath = z
  .string()
  .regex(/^\/[A-Za-z0-9/._~%@:+,=&?*!()-]*$/, 'must be a path without spaces, quotes, braces, semicolons and dollar signs')

/** A path whose characters have no special meaning to nginx and HAProxy. */
const plainPath = z
  .string()
  .regex(/^\/[A-Za-z0-9/._~-]*$/, 'must be a path of letters, digits and ._~-')
  .refine((path) => !path.split('/').some((part) => part === '.' || part === '..'), 'must not contain . or ..')

const isPath = (path: string): boolean => plainPath.safeParse(path).success && !/\/$|\/\//.test(path)

/** A part of a site: a path, which also means everything below it. */
export const partPath = z
  .string()
  .refine((path) => path !== '/' && isPath(path), 'must be a path such as /admin, without a slash at its end')

const target = z.union([plainPath, z.string().regex(/^https?:\/\/[A-Za-z0-9.-]+(:[0-9]+)?(\/[A-Za-z0-9/._~-]*)?$/)], {
  error: 'must be a path, or an address such as https://example.org/page',
})

/** Removes the end of a pattern that means everything below a path. */
export const withoutStars = (path: string): string => path.replace(/\/\*\*$/, '')

/** Returns the parts of a site whose path is redirected as well. */
export const redirectedParts = (locations: object, moved: object): readonly string[] =>
  Object.keys(locations).filter((path) => [path, `${path}/**`].some((from) => Object.hasOwn(moved, from)))

const isTarget = (to: string): boolean => target.safeParse(withoutStars(to) || '/').success

/** An option with paths that are redirected. */
export const redirects = z
  .record(
    z.string().refine((path) => isPath(withoutStars(path)), 'must be a path such as /old, or /old/** for everything below it'),
    z.union([
      z
        .string()
        .refine(isTarget, 'must be a path, or an address such as https://example.org/page')
        .transform((to) => ({ to, status: 301 as const })),
      z.strictObject({
        to: z.string().refine(isTarget, 'must be a path, or an address'),
        status: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(301),
      }),
    ]),
  )
  .meta({
    description: 'paths that are redirected, with the query: to a path or an address, or `{ to, status }`; /** stands for everything below',
    examples: [{ '/about.html': '/about', '/blog/**': 'https://blog.example.org/**' }],
  })

/** An option that is an address to which every request of a site is redirected, with its path. */
export const redirect = z
  .string()
  .toLowerCase()
  .regex(/^https?:\/\/([a-z0-9-]+\.)*[a-z0-9-]+(:[0-9]+)?$/, 'must be an address such as https://example.org, without a path')
  .meta({ description: 'address to which every request is redirected, with its path (status 301)', examples: ['https://example.org'] })
