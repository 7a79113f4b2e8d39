// Loaded with `--import`: roles find `provision` in the sources, as they do in the build.
import { registerHooks } from 'node:module'

registerHooks({
  resolve: (specifier, context, next) =>
    next(specifier === 'provision' ? new URL('../../../src/index.ts', import.meta.url).href : specifier, context),
})
