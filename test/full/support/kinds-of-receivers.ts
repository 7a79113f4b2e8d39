import { capabilitiesOf } from '../../../roles/monitoring/versions.ts'
import { releaseOf } from '../../../src/lab/machine/release.ts'
import { inside } from '../../e2e/support/interrupt.ts'
import { type Incidents, incidents, KEYS } from '../../e2e/support/services/incidents.ts'
import { AUTHORITY, addMailbox, MAIL, ownCertificate } from '../../e2e/support/services/mailbox.ts'
import { type Slack, slack } from '../../e2e/support/services/slack.ts'
import type { WatchedSite } from './alerts-site.ts'

// Alertmanager of other releases lacks a type.
const [, family, number] = /^(Debian|Ubuntu) (.*)$/.exec(releaseOf(process.env.PROVISION_LAB_RELEASE ?? 'trixie').title) ?? []
const { missingReceivers } = capabilitiesOf({
  distribution: family === 'Debian' ? 'debian' : 'ubuntu',
  release: number?.split(' ')[0] ?? '',
})
const isThere = (type: string): boolean => !missingReceivers.includes(type)

const CHANNEL = '#operations'
const PATH = '/services/T0/B0/a-poison-word'

/** Receivers of all kinds but webhooks, on an address of this machine and on web-01. */
export interface Kinds {
  /** Entries of the inventory. */
  readonly entries: readonly string[]
  listen(): Promise<void>
  /** Number of messages with this title, by kind. */
  count(title: string): Promise<Readonly<Record<string, number>>>
  /** Result of `count` if each kind got one message. */
  readonly once: Readonly<Record<string, number>>
  close(): void
}

export const kindsOfReceivers = ({ project, spec }: WatchedSite, subnet: string, port: number): Kinds => {
  const pair = ownCertificate(project, [`${subnet}.1`, `${subnet}.12`])
  addMailbox(project)
  let chat: Slack | undefined
  let services: Incidents | undefined
  const at = `http://${subnet}.1:${port + 1}`
  return {
    entries: [
      `{ name: chat, type: slack, url: 'https://${subnet}.1:${port}${PATH}', channel: '${CHANNEL}', ca_file: ${AUTHORITY} }`,
      `{ name: mail, type: email, to: [${MAIL.to}], from: monitoring@example.test, server: '${subnet}.12:587', user: ${MAIL.user}, password: '${MAIL.password}', ca_file: ${AUTHORITY} }`,
      `{ name: duty, type: pagerduty, routing_key: ${KEYS.pagerduty}, url: '${at}/v2/enqueue' }`,
      `{ name: genie, type: opsgenie, api_key: ${KEYS.opsgenie}, url: '${at}/' }`,
      `{ name: players, type: discord, url: '${at}${KEYS.discord}' }`,
      `{ name: office, type: teams, url: '${at}${KEYS.teams}' }`,
    ].filter((entry) => isThere(/type: ([a-z]+)/.exec(entry)?.[1] ?? '')),
    listen: async () => {
      chat = await slack(`${subnet}.1`, port, { path: PATH, channel: CHANNEL, ...pair })
      services = await incidents(`${subnet}.1`, port + 1)
    },
    once: { slack: 1, email: 1, pagerduty: 1, ...(isThere('discord') && { discord: 1 }), ...(isThere('teams') && { teams: 1 }) },
    count: async (title) => {
      const bodies = (path: string) => (services?.asked ?? []).filter((one) => one.path.startsWith(path)).map(({ body }) => body)
      const naming = (path: string) =>
        bodies(path).filter((body) => JSON.stringify(body).includes(JSON.stringify(title).slice(1, -1))).length
      const mails = (await inside(spec, 'web-01', 'cat /var/mail/ann 2>/dev/null || :')).split('\n')
      return {
        slack: chat?.posted.filter((one) => one.title === title).length ?? 0,
        email: mails.filter((line) => line === `Subject: ${title}`).length,
        pagerduty: naming('/v2/enqueue'),
        ...(isThere('discord') && { discord: naming(KEYS.discord) }),
        ...(isThere('teams') && { teams: naming(KEYS.teams) }),
        // A message that closes an alert has only its alias.
        ...(title.startsWith('RESOLVED') ? {} : { opsgenie: naming('/v2/alerts') }),
      }
    },
    close: () => {
      chat?.close()
      services?.close()
    },
  }
}
