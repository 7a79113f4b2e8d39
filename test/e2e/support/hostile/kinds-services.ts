import { leaf, placeholder } from '../../../../src/resource/certificate/certificate.ts'
import { formerCertificates } from '../../../../src/resource/certificate/former.ts'
import { file } from '../../../../src/resource/file/file.ts'
import { service } from '../../../../src/resource/service/service.ts'
import type { Place } from './attacks.ts'
import type { Target } from './kinds.ts'
import { AUTHORITY } from './signer.ts'

const UNIT = 'hostile.service'
const START = `cat >/etc/systemd/system/${UNIT} <<'END'
[Service]
ExecStart=/bin/sleep infinity
ExecReload=/bin/true
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload; systemctl start ${UNIT}; systemctl enable -q ${UNIT}; mkdir -p /run/provision/loaded`

const places = (at: string): readonly Place[] => [
  { path: `${at}/it.pem`, holds: 'file', parent: true },
  { path: `${at}/it.pem.key`, holds: 'file', parent: false },
  { path: `${at}/.it.pem.provision-new`, holds: 'file', parent: false },
  { path: `${at}/.it.pem.key.provision-new`, holds: 'file', parent: false },
]
const aside = (at: string): string => `rm -f ${at}/it.pem ${at}/it.pem.key`
const pair = (at: string) => ({ path: `${at}/it.pem`, names: ['host-01.test.provision.internal'], group: 'mallory' })

export const SERVICE_TARGETS: readonly Target[] = [
  {
    name: 'certificate, placeholder',
    kinds: ['certificate'],
    places,
    resources: (at) => [placeholder(pair(at))],
    again: aside,
  },
  {
    name: 'certificate, leaf',
    kinds: ['certificate'],
    places,
    resources: (at) => [leaf({ ...pair(at), authority: AUTHORITY, usages: ['server'] })],
    again: aside,
  },
  {
    name: 'certificate, leaf renewed',
    kinds: ['certificate'],
    places,
    before: (at) => [leaf({ ...pair(at), authority: AUTHORITY, usages: ['server'] })],
    resources: (at, round) => [leaf({ ...pair(at), authority: AUTHORITY, usages: round % 2 === 0 ? ['client'] : ['server'] })],
  },
  {
    name: 'former certificates',
    kinds: ['former-certificates'],
    places: (at) => [
      { path: `${at}/it.list`, holds: 'file', parent: true },
      { path: `${at}/it.list.new`, holds: 'file', parent: false },
    ],
    resources: (at) => [formerCertificates({ path: `${at}/it.list`, list: '/etc/hostile.list', pairs: [] })],
    again: (at) => `rm -f ${at}/it.list`,
  },
  {
    name: 'service, loads',
    kinds: ['service'],
    places,
    found: () => START,
    resources: (at, round) => [service({ unit: UNIT, loads: [placeholder(pair(at)), file({ path: `${at}/it`, content: `${round}\n` })] })],
    clear: `systemctl disable -q --now ${UNIT}; rm -f /etc/systemd/system/${UNIT} /run/provision/loaded/${UNIT}; systemctl daemon-reload`,
    staysDue: true,
  },
]
