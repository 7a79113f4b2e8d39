// Loaded with `--import`: roles find 'provision' and 'provision/kind' in the sources, as they do in the build.
import { registerHooks } from 'node:module'

const sources = new Map(
  Object.entries({ provision: 'index', 'provision/kind': 'kind' }).map(([specifier, name]) => [
    specifier,
    new URL(`../../../src/${name}.ts`, import.meta.url).href,
  ]),
)

registerHooks({ resolve: (specifier, context, next) => next(sources.get(specifier) ?? specifier, context) })
