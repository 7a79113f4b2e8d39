import type { Options } from '../options.ts'
import { isWildcard, wildcardRegex } from '../sites/names.ts'
import type { Maintenance } from '../sites/parts.ts'
import type { Backend } from './backends.ts'
import { inLines, section } from './lines.ts'
import { PATH, under } from './rules.ts'

const HOST_ASKED = 'req.hdr(host),field(1,:),lower'

/** Conditions that a request is for one of these names: exact names, then wildcards. An exact name precedes a wildcard, as in TLS. */
const forNames = (names: readonly string[]): { readonly exact: readonly string[]; readonly wild: readonly string[] } => ({
  exact: inLines(names.filter((name) => !isWildcard(name))).map((some) => `{ ${HOST_ASKED} -m str ${some.join(' ')} }`),
  wild: inLines(names.filter(isWildcard)).map((some) => `{ ${HOST_ASKED} -m reg ${some.map(wildcardRegex).join(' ')} }`),
})

/** Lines of a frontend that parts of sites need, before the choice. */
export const pathLines = (backends: readonly Backend[]): readonly string[] =>
  backends.some(({ at }) => at !== undefined && 'path' in at) ? PATH : []

/** Lines of a frontend that choose the section of a request. The first match wins. */
export const choiceLines = (backends: readonly Backend[], { sites }: Options, nameOf: (backend: Backend) => string): readonly string[] => {
  const common = backends.filter(({ names }) => names.length === 0)
  const lines = (backend: Backend, condition: string): readonly string[] => {
    const { maintenance, at } = backend
    const use = (name: string, ...more: readonly string[]) => `use_backend ${name}${ifAll([condition, ...more])}`
    return [
      ...(maintenance === undefined
        ? []
        : [use(maintenanceName(maintenance), ...(maintenance.allow.length === 0 ? [] : [`!${admittedName(backend)}`]))]),
      ...(at === undefined && condition === '' ? [] : [use(nameOf(backend), at === undefined ? '' : shareOf(at))]),
    ]
  }
  const named = (kind: 'exact' | 'wild') =>
    backends.flatMap((one) => forNames(one.names)[kind].map((condition) => [one, condition] as const))
  const last = common.find(({ at }) => at === undefined)
  return [
    ...backends.flatMap((backend) =>
      inLines(backend.maintenance?.allow ?? []).map((some) => `acl ${admittedName(backend)} src ${some.join(' ')}`),
    ),
    ...[...named('exact'), ...named('wild'), ...common.map((one) => [one, ''] as const)].flatMap(([one, condition]) =>
      lines(one, condition),
    ),
    ...(sites.length > 0 || last === undefined ? ['default_backend nobody'] : [`default_backend ${nameOf(last)}`]),
  ]
}

/** Condition of a part. A share is chosen by address, so a returning visitor gets the same version. */
const shareOf = (at: Exclude<Backend['at'], undefined>): string =>
  'path' in at ? under(at.path) : `{ src,ipmask(32,64),xxh32,mod(100) lt ${at.percent} }`

const ifAll = (conditions: readonly string[]): string => {
  const some = conditions.filter((one) => one !== '')
  return some.length === 0 ? '' : ` if ${some.join(' ')}`
}

/** Lines that redirect every request for the names of a site without web servers. */
export const redirectingLines = ({ sites }: Options): readonly string[] => {
  const redirecting = sites.flatMap(({ names, redirect }) => (redirect === undefined ? [] : [{ to: redirect, ...forNames(names) }]))
  return (['exact', 'wild'] as const).flatMap((kind) =>
    redirecting.flatMap((one) => one[kind].map((condition) => `http-request redirect prefix ${one.to} code 301 if ${condition}`)),
  )
}

const maintenanceName = ({ retry_after_seconds }: Maintenance): string => `maintenance-${retry_after_seconds}`

const admittedName = ({ rules }: Backend): string => `sees-${rules.site}`

/** Sections that answer requests for sites in maintenance. */
export const maintenanceSections = (
  backends: readonly Backend[],
  pages: readonly { readonly status: string; readonly path: string }[],
): readonly string[] => {
  const all = new Map(
    backends.flatMap(({ maintenance }) => (maintenance === undefined ? [] : [[maintenanceName(maintenance), maintenance]])),
  )
  const page = pages.find(({ status }) => status === '503')?.path
  return [...all].map(([name, { retry_after_seconds }]) =>
    section(`backend ${name}`, [
      `http-request return status 503 content-type "text/html; charset=utf-8" hdr Retry-After ${retry_after_seconds} file ${page}`,
    ]),
  )
}
