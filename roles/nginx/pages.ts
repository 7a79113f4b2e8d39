import { Problem } from 'provision'
import type { SiteOptions } from './options.ts'

/**
 * Throws a problem if the content of a site lacks a file that its options name. nginx would answer with status 500, or with its own error
 * page. Locations in `raw` may serve other files, so with them only `index` is checked.
 */
export const checkPages = (site: SiteOptions, paths: ReadonlySet<string>): void => {
  const { name, content = '', index, fallback, errors, raw } = site
  const isServed = (uri: string): boolean => {
    const path = uri.split('?', 1)[0]?.slice(1) ?? ''
    return paths.has(path) || (path === '' || path.endsWith('/') ? paths.has(`${path}${index}`) : paths.has(`${path}/${index}`))
  }
  const named = [
    ...(fallback === undefined ? [] : [['fallback', fallback]]),
    ...Object.entries(errors).map(([status, page]) => [`errors.${status}`, page]),
  ]
  const missing = /\blocation\b/.test(raw) ? [] : named.filter(([, uri = '']) => !isServed(uri))
  const isElsewhere = index !== 'index.html' && ![...paths].some((path) => path.slice(path.lastIndexOf('/') + 1) === index)
  const [first, ...more] = [...missing, ...(isElsewhere ? [['index', index]] : [])]
  if (first === undefined) return
  const [option = '', uri = ''] = first
  throw new Problem({
    class: 'input',
    where: { file: uri },
    what: `no such file in ${content} (${option} of site ${name}${more.length === 0 ? '' : `; also missing: ${more.map(([, other]) => other).join(', ')}`})`,
    fix: `add the file to ${content}, or correct the option`,
  })
}
