import { secret, z } from 'provision'
import { access, authorityFile } from './access.ts'
import { severity } from './alerts.ts'

const word = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be a short word such as admins')
const address = z.url({ protocol: /^https?$/ }).optional()

const common = {
  name: word.meta({ description: 'name of the receiver', examples: ['admins'] }),
  severities: z
    .array(severity)
    .min(1)
    .default(['critical', 'warning'])
    .meta({ description: 'severities of the alerts it gets: `critical` (act now), `warning` (look today)' }),
  ca_file: authorityFile('receiver'),
}

const email = z.strictObject({
  ...common,
  type: z.literal('email'),
  to: z.array(z.email()).min(1),
  from: z.email(),
  server: z.string().regex(/^[A-Za-z0-9.-]+:[0-9]+$/, 'must be a mail server and its port such as mail.example.org:587'),
  user: z.string().min(1).optional(),
  password: secret().optional(),
  tls: z.boolean().default(true).meta({ description: 'send over encrypted connections only' }),
})
const slack = z.strictObject({
  ...common,
  type: z.literal('slack'),
  url: secret().meta({ description: 'address of the incoming webhook; keep it secret' }),
  channel: z.string().regex(/^[#@]\S+$/, 'must be a channel such as #operations'),
})
const webhook = z.strictObject({
  ...common,
  type: z.literal('webhook'),
  url: secret().meta({ description: 'address that gets alerts as JSON, in the format of Alertmanager' }),
  auth: access.optional(),
})
const ntfy = z.strictObject({
  ...common,
  type: z.literal('ntfy'),
  url: secret().meta({ description: 'address of the topic (ntfy 2.10 or later), such as https://ntfy.sh/TOPIC; keep it secret' }),
  auth: access.optional(),
  priority: z.int().min(1).max(5).default(4).meta({ description: 'priority of the messages: 1 (lowest) to 5 (rings)' }),
})
const telegram = z.strictObject({
  ...common,
  type: z.literal('telegram'),
  bot_token: secret().meta({ description: 'token of the bot' }),
  chat_id: z.int().meta({ description: 'number of the chat; that of a group is negative', examples: [-1001234567890] }),
  url: address.meta({ description: 'address of the API, if it is your own', examples: ['https://telegram.example.org'] }),
})
const apiAddress = (example: string) =>
  address.meta({ description: 'address of the API, if it is not that of the United States', examples: [example] })
const pagerduty = z.strictObject({
  ...common,
  type: z.literal('pagerduty'),
  routing_key: secret().meta({ description: 'integration key of the service (Events API v2)' }),
  url: apiAddress('https://events.eu.pagerduty.com/v2/enqueue'),
})
const opsgenie = z.strictObject({
  ...common,
  type: z.literal('opsgenie'),
  api_key: secret().meta({ description: 'key of the API integration' }),
  url: apiAddress('https://api.eu.opsgenie.com/'),
})
const discord = z.strictObject({
  ...common,
  type: z.literal('discord'),
  url: secret().meta({ description: 'address of the webhook of the channel; keep it secret' }),
})
const teams = z.strictObject({
  ...common,
  type: z.literal('teams'),
  url: secret().meta({ description: 'address of a workflow of Microsoft Teams that posts to the channel; keep it secret' }),
})

/** A receiver of alerts. */
export const receiver = z.discriminatedUnion('type', [email, slack, webhook, ntfy, telegram, pagerduty, opsgenie, discord, teams])
export type Receiver = z.output<typeof receiver>
