import type { AlertCases } from './case.ts'

const validity = (begins: number, ends: number): Readonly<Record<string, string>> => ({
  'provision_certificate_begins_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${begins}x99`,
  'provision_certificate_ends_seconds{host="lb-01",path="/etc/ssl/a.pem"}': `${ends}x99`,
})
const labels = { host: 'lb-01', path: '/etc/ssl/a.pem' }

export const certificateCases: AlertCases = {
  CertificateNotRenewed: [
    {
      series: validity(-9000, 1000),
      silentAt: '10s',
      firingAt: '100s',
      labels,
      summary: 'the certificate /etc/ssl/a.pem on lb-01 should have been renewed: 9% of its lifetime is left',
    },
  ],
  CertificateExpired: [
    {
      series: validity(-9500, 500),
      silentAt: '100s',
      firingAt: '400s',
      labels,
      summary: 'the certificate /etc/ssl/a.pem on lb-01 has expired or expires soon',
    },
  ],
  ServedCertificateExpires: [
    {
      series: { 'probe_ssl_earliest_cert_expiry{job="site",host="lb-01",instance="www"}': '3600x30' },
      silentAt: '30s',
      firingAt: '120s',
      labels: { job: 'site', host: 'lb-01', instance: 'www' },
      summary: 'www serves a certificate that expires within a day',
    },
  ],
}
