import type { Options } from '../options.ts'
import { inLines } from './lines.ts'

/** Headers about the client are set by the balancer, and removed from requests. */
export const FROM_VISITORS = [
  'http-request set-header X-Forwarded-For %[src]',
  'http-request set-header X-Forwarded-Proto https',
  ...['X-Forwarded-Host', 'X-Forwarded-Port', 'X-Real-IP', 'Forwarded'].map((name) => `http-request del-header ${name}`),
] as const

export const limitLines = ({ requests, except }: Exclude<Options['rate_limit'], false>): readonly string[] => [
  // An IPv6 client can use a whole /64.
  ...inLines(except).map((some) => `acl uncounted src ${some.join(' ')}`),
  `http-request track-sc0 src,ipmask(32,64) table visitors${except.length === 0 ? '' : ' unless uncounted'}`,
  `http-request deny deny_status 429 if { sc_http_req_rate(0) gt ${requests} }`,
]
