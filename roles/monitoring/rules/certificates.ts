import { PERCENT } from './format.ts'
import type { Alert, Numbers } from './rule.ts'

const LEFT = '(provision_certificate_ends_seconds - time()) / (provision_certificate_ends_seconds - provision_certificate_begins_seconds)'

/** Alerts about certificates. Runs renew a certificate in the last third of its lifetime, so less remaining lifetime means that no run was made. */
export const certificateAlerts = ({ limits, checks }: Numbers): readonly Alert[] => [
  {
    alert: 'CertificateNotRenewed',
    expr: `${LEFT} < ${limits.certificate_life}`,
    for: checks,
    severity: 'warning',
    summary: `the certificate {{ $labels.path }} on {{ $labels.host }} was not renewed: {{ $value | ${PERCENT} }} of its lifetime is left`,
  },
  {
    alert: 'CertificateExpired',
    expr: `${LEFT} <= 0.02`,
    severity: 'critical',
    summary: 'the certificate {{ $labels.path }} on {{ $labels.host }} has expired or expires soon',
  },
  {
    alert: 'ServedCertificateExpires',
    expr: `probe_ssl_earliest_cert_expiry{job=~"site|service"} - time() < ${limits.served_certificate_hours * 3600}`,
    for: 60,
    severity: 'critical',
    summary: `{{ $labels.instance }} serves a certificate that expires within ${limits.served_certificate_hours} hours`,
  },
]
