/** Metrics that a service offers on its own host. The monitoring role serves them to the monitoring hosts by mutual TLS. */
export interface Metrics {
  readonly type: 'metrics'
  /** The name of the scrape job: `haproxy`, `nginx`, `mysql`. */
  readonly job: string
  /** `prometheus` is served as it is; an exporter on the host translates the other formats. */
  readonly format: 'prometheus' | 'nginx-status' | 'mysqld'
  /** A URL on loopback. For `mysqld`, the path of its socket, to which the host's account `prometheus` has access. */
  readonly at: string
}

/** A request that the monitoring hosts send periodically, as a visitor would. */
export interface HealthProbe {
  readonly type: 'probe'
  /** The name of the target in alerts: `www.example.org`, `web-01`. */
  readonly name: string
  /** `site`: the site as visitors see it; `direct`: one host behind the load balancer. */
  readonly of: 'site' | 'direct'
  /** A URL with an address that the monitoring hosts can reach. */
  readonly url: string
  /** The host name to request, which the certificate must have. */
  readonly server: string
  /** The status of the right response. Default: after redirects, 2xx, 401, 403 or 404, because a server that answers so is not down. */
  readonly status?: number
  /** Trusted issuers of the certificate: public authorities, one trust domain of the site (with a client certificate), or anybody. */
  readonly trusts: 'public' | 'anybody' | { readonly domain: string }
}

/** Metrics or a health probe that a role exposes to monitoring. */
export type Exposes = Metrics | HealthProbe

/** Metrics or a health probe with the host and role that expose it. */
export type Exposed = Exposes & { readonly host: string; readonly role: string }
