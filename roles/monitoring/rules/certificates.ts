import type { Alert, Numbers } from './rule.ts'

const LEFT = '(provision_certificate_ends_seconds - time()) / (provision_certificate_ends_seconds - provision_certificate_begins_seconds)'

const lasting = (begins: number, ends: number): Readonly<Record<string, string>> => ({
  'provision_certificate_begins_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${begins}x99`,
  'provision_certificate_ends_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${ends}x99`,
})
const labels = { host: 'lb-01', path: '/etc/ssl/a.pem' }

/** Runs renew what has a third of its life left: whoever has less was forgotten. */
export const certificateAlerts = ({ limits, checks }: Numbers): readonly Alert[] => [
  {
    alert: 'CertificateNotRenewed',
    expr: `${LEFT} < ${limits.certificate_life}`,
    for: checks,
    severity: 'warning',
    summary:
      'the certificate {{ $labels.path }} on {{ $labels.host }} should have been renewed: {{ $value | humanizePercentage }} of its life is left',
    cases: [
      {
        series: lasting(-9000, 1000),
        quiet: '10s',
        at: '100s',
        labels,
        says: 'the certificate /etc/ssl/a.pem on lb-01 should have been renewed: 9% of its life is left',
      },
    ],
  },
  {
    alert: 'CertificateExpired',
    expr: `${LEFT} <= 0.02`,
    severity: 'critical',
    summary: 'the certificate {{ $labels.path }} on {{ $labels.host }} has expired or is about to',
    cases: [
      {
        series: lasting(-9500, 500),
        quiet: '100s',
        at: '400s',
        labels,
        says: 'the certificate /etc/ssl/a.pem on lb-01 has expired or is about to',
      },
    ],
  },
  {
    alert: 'ServedCertificateExpires',
    expr: 'probe_ssl_earliest_cert_expiry{job="site"} - time() < 86400',
    for: 60,
    severity: 'critical',
    summary: 'visitors of {{ $labels.instance }} get a certificate that ends within a day',
    cases: [
      {
        series: { 'probe_ssl_earliest_cert_expiry{job="site",host="lb-01",instance="www"}': '3600x30' },
        quiet: '30s',
        at: '120s',
        labels: { job: 'site', host: 'lb-01', instance: 'www' },
        says: 'visitors of www get a certificate that ends within a day',
      },
    ],
  },
]
