// Loaded with `--import`: roles and tests find 'provision' and what is below it in the sources, as they do in the build.
import { registerHooks } from 'node:module'

const sources = new Map(
  Object.entries({ provision: 'index', 'provision/kind': 'kind', 'provision/testing': 'testing' }).map(([specifier, name]) => [
    specifier,
    new URL(`../../../src/${name}.ts`, import.meta.url).href,
  ]),
)

registerHooks({ resolve: (specifier, context, next) => next(sources.get(specifier) ?? specifier, context) })
