/** Alerts by cause, with their effects, and what silences them. `CAUSES` are lists of names, which script.ts inserts. */
export const ALERTS = `
// Alertmanager reports causes and silences. If it does not answer, Prometheus still reports the firing alerts.
const firing = async () => {
  try {
    const all = await json('/alerts')
    return { all: all.filter(({ labels }) => labels.severity !== 'none') }
  } catch (error) {
    const { data } = await json('/api/v1/alerts')
    const all = data.alerts.filter(({ state, labels }) => state === 'firing' && labels.severity !== 'none')
    return {
      all: all.map(({ labels, annotations, activeAt }, i) => ({ labels, annotations, startsAt: activeAt, fingerprint: String(i), status: { inhibitedBy: [], silencedBy: [] } })),
      problem: 'Alertmanager does not answer, so these alerts are not sent (' + error.message + ').',
    }
  }
}
const began = ({ startsAt }) => Date.parse(startsAt) / 1000
const firstOf = (alerts) => Math.min(...alerts.map(began))
const isCritical = (alerts) => alerts.some(({ labels }) => labels.severity === 'critical')

/** Alerts of one name are one group, with the alerts that follow from them. The causes are first. */
const groupsOf = (all) => {
  const known = new Map(all.map((alert) => [alert.fingerprint, alert]))
  const causeOf = (alert, depth = 0) => {
    const cause = known.get(alert.status.inhibitedBy[0])
    return cause == null || depth > 9 ? alert : causeOf(cause, depth + 1)
  }
  const groups = new Map()
  const groupOf = ({ labels, status }) => {
    const isSilenced = status.silencedBy.length > 0
    const key = labels.alertname + (isSilenced ? ' silenced' : '')
    if (!groups.has(key)) groups.set(key, { name: labels.alertname, isSilenced, alerts: [], effects: [], since: [] })
    return groups.get(key)
  }
  for (const alert of all) {
    const cause = causeOf(alert)
    groupOf(cause)[cause === alert ? 'alerts' : 'effects'].push(alert)
  }
  const rank = ({ name }) => (EXPLANATIONS.includes(name) ? EXPLANATIONS.indexOf(name) : SYMPTOMS.includes(name) ? 99 : 50)
  const order = (one, other) => one.isSilenced - other.isSilenced || isCritical(other.alerts) - isCritical(one.alerts) || rank(one) - rank(other) || firstOf(one.alerts) - firstOf(other.alerts)
  const sorted = [...groups.values()].sort(order)
  // An alert about the site can have its reason on another host, if that began before it.
  return sorted.filter((group) => {
    if (!SYMPTOMS.includes(group.name) || group.isSilenced) return true
    const cause = sorted.find((one) => EXPLANATIONS.includes(one.name) && !one.isSilenced && firstOf(one.alerts) <= firstOf(group.alerts) + 60)
    if (cause == null) return true
    cause.since.push(...group.alerts, ...group.effects)
    return false
  })
}

/** Text in which words between backticks are code. */
const withCode = (text) => String(text || '').split(/\`([^\`]+)\`/).map((part, i) => (i % 2 === 1 ? make('code', {}, part) : part))
const listing = (title, alerts) => {
  if (alerts.length === 0) return []
  const words = listOf(alerts.map(({ annotations, labels }) => annotations.summary || labels.alertname))
  const items = words.slice(0, 8).map((text) => make('li', {}, text))
  if (words.length > 8) items.push(make('li', {}, 'and ' + (words.length - 8) + ' more'))
  return [make('h4', {}, title), make('ul', { class: 'effects' }, ...items)]
}
const titleOf = ({ name, alerts }) => {
  const [first] = alerts
  const summary = first.annotations.summary || name
  const hosts = listOf(alerts.map(({ labels }) => labels.host))
  if (alerts.length === 1) return summary
  return name + ': ' + alerts.length + ' alerts' + (hosts.length === 0 ? '' : ' on ' + hosts.join(', '))
}
/** How often each alert began to fire within a week. */
const timesOf = async () => {
  const times = new Map()
  for (const { metric, value } of await instant('changes(alert:began_seconds[7d]) + 1')) {
    const key = metric.alertname + ' ' + metric.host
    times.set(key, Math.max(times.get(key) || 0, Number(value[1])))
  }
  return times
}
/** True if no receiver gets these alerts. */
const isUnsent = (alerts) => alerts.every(({ receivers }) => receivers?.length > 0 && receivers.every(({ name }) => name === 'nobody'))
const cardOf = (group, times) => {
  const { name, alerts, effects, since, isSilenced } = group
  const [first] = alerts
  const start = firstOf(alerts)
  const often = Math.max(...alerts.map(({ labels }) => times.get(name + ' ' + labels.host) || 1))
  const hosts = listOf(alerts.map(({ labels }) => labels.host))
  // The runbook names one host.
  const runbook = (first.annotations.runbook || '').replaceAll('--limit ' + first.labels.host, '--limit ' + hosts.join(':'))
  const details = [
    ...(alerts.length > 1 ? listing('Each alert', alerts) : []),
    ...listing('Follows from it', effects),
    ...listing('Since then also', since),
    make('p', { class: 'runbook' }, ...withCode(runbook)),
  ]
  const card = make('article', { class: 'alert ' + first.labels.severity + (isSilenced ? ' silenced' : ''), id: name },
    make('h3', {}, titleOf(group)),
    make('p', { class: 'when' }, name + ' · ' + (first.labels.severity) + ' · since ' + moment(start) + ' (' + span(now() - start) + ')' + (often > 1 ? ' · ' + often + ' times within 7 days' : '') + (isSilenced ? ' · silenced' : '') + (isUnsent(alerts) ? ' · no receiver gets it' : '')),
    ...(isSilenced ? [make('details', {}, make('summary', {}, 'details'), ...details)] : details))
  const history = '/classic/graph?g0.expr=' + encodeURIComponent('ALERTS{alertname="' + name + '"}') + '&g0.range_input=7d&g0.tab=0'
  const links = make('p', { class: 'actions' }, make('a', { href: history }, 'history'))
  if (!isSilenced) links.append(...actionsOf(group))
  card.append(links)
  return card
}

const over = async (all) => {
  const ended = (await instant('last_over_time(alert:began_seconds[1d])'))
    .filter(({ metric }) => !all.some(({ labels }) => labels.alertname === metric.alertname && labels.host === metric.host))
    .sort((one, other) => Number(other.value[1]) - Number(one.value[1]))
  if (ended.length === 0) return []
  const items = ended.slice(0, 20).map(({ metric, value }) =>
    make('li', {}, [metric.alertname, metric.host, metric.instance === metric.host ? '' : metric.instance].filter(Boolean).join(' ') + ', began ' + moment(Number(value[1]))))
  return [make('details', { class: 'over' }, make('summary', {}, 'Over, within the last day: ' + ended.length), make('ul', { class: 'effects' }, ...items))]
}

const showAlerts = async () => {
  const section = document.getElementById('alerts')
  const { all, problem } = await firing()
  const [times, ended] = await Promise.all([timesOf(), over(all)]).catch(() => [new Map(), []])
  const groups = groupsOf(all)
  const open = groups.filter(({ isSilenced }) => !isSilenced)
  const heading = document.getElementById('heading')
  const silenced = groups.length - open.length
  if (open.length > 0) heading.replaceChildren(make('span', { class: 'bad' }, open.length + ' problem' + (open.length > 1 ? 's' : '')))
  else if (silenced > 0) heading.replaceChildren(make('span', { class: 'warn' }, silenced + ' problem' + (silenced > 1 ? 's' : '') + ', silenced'))
  document.title = (open.length > 0 ? '(' + open.length + ') ' : '') + 'monitoring'
  // A form that a user fills in is not replaced, and an open list stays open.
  if (section.querySelector('details[open] form') !== null) return problem
  const isOpen = section.querySelector('.over')?.open === true
  section.replaceChildren(...groups.map((group) => cardOf(group, times)), ...ended)
  if (isOpen && ended.length > 0) ended[0].open = true
  return problem
}
`
