import type { AlertCases } from './case.ts'

const validity = (begins: number, ends: number): Readonly<Record<string, string>> => ({
  'provision_certificate_begins_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${begins}x99`,
  'provision_certificate_ends_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${ends}x99`,
})
const labels = { host: 'lb-01', path: '/etc/ssl/a.pem' }

export const certificateCases: AlertCases = {
  CertificateNotRenewed: [
    {
      series: validity(-8500, 1500),
      silentAt: '30s',
      firingAt: '35s',
      labels,
      summary: 'the certificate /etc/ssl/a.pem on lb-01 was not renewed: 14.6% of its lifetime is left',
    },
  ],
  CertificateExpired: [
    {
      series: validity(-9500, 500),
      silentAt: '295s',
      firingAt: '300s',
      labels,
      summary: 'the certificate /etc/ssl/a.pem on lb-01 has expired or expires soon',
    },
  ],
  ServedCertificateExpires: [
    {
      series: { 'probe_ssl_earliest_cert_expiry{job="site",host="lb-01",instance="www"}': '86400x30' },
      silentAt: '60s',
      firingAt: '65s',
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www serves a certificate that expires within 24 hours',
    },
  ],
}
