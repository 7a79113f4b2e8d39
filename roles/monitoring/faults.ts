import type { OptionFault, SiteContext } from 'provision'
import type { Options } from './options.ts'
import { ownTargets } from './own-probes.ts'
import { hostsIn, TEST_ALERT } from './routes.ts'
import { alertsOf } from './rules/all.ts'

type Context = SiteContext<Options>

/** Problems of the options and of the site. */
export const faultsIn = (context: Context): readonly OptionFault[] => [
  ...serverFaults(context),
  ...receiverFaults(context),
  ...ruleFaults(context),
  ...silenceFaults(context),
  ...dashboardFaults(context),
  ...targetFaults(context),
  ...checkFaults(context),
  ...probeFaults(context),
]

const serverFaults = ({ options: { servers }, site }: Context): readonly OptionFault[] => {
  const members = site.group(servers)
  const unbound = members.filter((one) => !site.withRole('monitoring').includes(one))
  return [
    ...(members.length > 0
      ? []
      : [{ path: ['servers'], what: `group ${servers} has no hosts`, fix: 'set `servers` to the group of the monitoring servers' }]),
    ...unbound.map(({ name }) => ({
      path: ['servers'],
      what: `${name} is in the group ${servers}, but no play binds the role monitoring to it`,
      fix: 'bind the role to all hosts (`hosts: all`)',
    })),
  ]
}

/** Names of built-in receivers. */
const RESERVED = ['nobody', 'heartbeat']

const receiverFaults = ({ options }: Context): readonly OptionFault[] =>
  takenNames('receivers', options.receivers, RESERVED).map(({ name, path }) => ({
    path,
    what: `name ${name} is reserved or used by another receiver`,
    fix: 'choose another name for this receiver',
  }))

const ruleFaults = ({ options }: Context): readonly OptionFault[] =>
  takenNames('rules', options.rules, [TEST_ALERT, ...builtIn(options)]).map(({ name, path }) => ({
    path,
    what: `name ${name} is used by another alert`,
    fix: 'choose another name; `limits` has the thresholds of built-in alerts, and `silence` turns one off',
  }))

const builtIn = (options: Options): readonly string[] => alertsOf({ ...options, rules: [] }).map(({ alert }) => alert)

/** Entries whose name is taken by an earlier one, or reserved. */
const takenNames = (option: string, entries: readonly { readonly name: string }[], reserved: readonly string[]) => {
  const names = entries.map(({ name }) => name)
  return names.flatMap((name, i) => (names.indexOf(name) < i || reserved.includes(name) ? [{ name, path: [option, i, 'name'] }] : []))
}

const dashboardFaults = ({ options: { dashboard } }: Context): readonly OptionFault[] =>
  dashboard === false
    ? []
    : dashboard.may_silence.flatMap((name, i) =>
        Object.hasOwn(dashboard.users, name)
          ? []
          : [
              {
                path: ['dashboard', 'may_silence', i],
                what: `${name} is not a user of the dashboard`,
                fix: 'add the user to `dashboard.users`, or remove it here',
              },
            ],
      )

const silenceFaults = ({ options, site }: Context): readonly OptionFault[] => {
  const alerts = alertsOf(options).flatMap(({ alert, severity }) => (severity === 'none' ? [] : [alert]))
  return options.silence.flatMap(({ rule, hosts }, i) => [
    ...(alerts.includes(rule)
      ? []
      : [
          {
            path: ['silence', i, 'rule'],
            what: `no alert that is sent has the name ${rule}`,
            fix: `use the name of a rule of your own, or one of: ${alerts.join(', ')}`,
          },
        ]),
    ...unknownHosts(site, ['silence', i, 'hosts'], hosts),
  ])
}

const unknownHosts = (site: Context['site'], path: readonly PropertyKey[], names: readonly string[] = []): readonly OptionFault[] =>
  names.flatMap((name, i) =>
    hostsIn(site)(name).length > 0
      ? []
      : [{ path: [...path, i], what: `no host or group with a host is named ${name}`, fix: 'correct the name, or remove it' }],
  )

/** Jobs of the role itself, and of the exporters that it runs. */
const JOBS = ['node', 'prometheus', 'alertmanager', 'haproxy', 'nginx', 'mysql', 'ping', 'site', 'direct', 'service']

const targetFaults = ({ options, site }: Context): readonly OptionFault[] => [
  ...takenNames(
    'targets',
    options.targets.map(({ job: name }) => ({ name })),
    JOBS,
  ).map(({ name, path }) => ({
    path: [...path.slice(0, -1), 'job'],
    what: `job ${name} is reserved or used by another target`,
    fix: 'choose another name for this job',
  })),
  ...options.targets.flatMap((one, i) => ('hosts' in one ? unknownHosts(site, ['targets', i, 'hosts'], one.hosts) : [])),
]

const checkFaults = ({ options, site }: Context): readonly OptionFault[] => [
  ...takenNames('checks', options.checks, []).map(({ name, path }) => ({
    path,
    what: `name ${name} is used by another check`,
    fix: 'choose another name for this check',
  })),
  ...options.checks.flatMap(({ hosts }, i) => unknownHosts(site, ['checks', i, 'hosts'], hosts)),
]

const probeFaults = ({ options, site }: Context): readonly OptionFault[] =>
  takenNames(
    'probes',
    ownTargets({ options, site }).map(({ labels }) => ({ name: labels.instance ?? '' })),
    [],
  ).map(({ name, path }) => ({
    path: path.slice(0, -1),
    what: `name ${name} is used by an earlier probe`,
    fix: 'give one of them another `name`, or remove it',
  }))
