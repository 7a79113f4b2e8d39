/** Silences. All users see them; accounts in `may_silence` create and end them. */
export const SILENCE = String.raw`
/** The account of this browser, if it may silence alerts. */
let account
const whoAmI = async () => {
  const answer = await fetch(location.origin + '/silence/account')
  account = answer.ok ? answer.headers.get('account') : null
}
const VARYING = ['severity', 'job']
const escaped = (text) => text.replace(/[.*+?^{}$()|[\]\\]/g, '\\$&')
/** Matchers of these alerts: the labels that all of them have. */
const matchersOf = (alerts) =>
  Object.keys(alerts[0].labels)
    .filter((name) => !VARYING.includes(name) && alerts.every(({ labels }) => labels[name] != null))
    .map((name) => {
      const values = listOf(alerts.map(({ labels }) => labels[name]))
      return values.length === 1 ? { name, value: values[0], isRegex: false, isEqual: true } : { name, value: values.map(escaped).join('|'), isRegex: true, isEqual: true }
    })
const silence = async (alerts, hours, comment) => {
  const at = Date.now()
  const body = { matchers: matchersOf(alerts), startsAt: new Date(at).toISOString(), endsAt: new Date(at + hours * 3600000).toISOString(), createdBy: account, comment }
  await act('/silence/add', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
}
const act = async (path, options) => {
  try {
    const answer = await fetch(location.origin + path, options)
    if (!answer.ok) throw new Error(answer.status === 403 ? 'this account may not silence alerts' : 'status ' + answer.status)
    for (const form of document.querySelectorAll('#alerts details[open]')) form.open = false
    await update()
  } catch (error) { document.getElementById('notice').textContent = 'Nothing was silenced: ' + error.message }
}
const button = (text, act) => {
  const one = make('button', { type: 'button' }, text)
  one.addEventListener('click', act)
  return one
}
const HOURS = [[1, '1 hour'], [4, '4 hours'], [12, '12 hours'], [24, '1 day'], [168, '7 days']]
const actionsOf = ({ alerts }) => {
  if (account == null) return []
  const reason = make('input', { name: 'reason', required: '', maxlength: '500', placeholder: 'reason', 'aria-label': 'reason' })
  const hours = make('select', { name: 'hours', 'aria-label': 'duration' }, ...HOURS.map(([value, text]) => make('option', { value }, text)))
  const form = make('form', {}, reason, hours, make('button', { type: 'submit' }, 'Silence'))
  form.addEventListener('submit', (event) => { event.preventDefault(); silence(alerts, Number(hours.value), reason.value) })
  return [
    button('Acknowledge for 4 hours', () => silence(alerts, 4, 'acknowledged')),
    make('details', {}, make('summary', {}, 'Silence…'), form),
  ]
}
const showSilences = async () => {
  const active = (await json('/silences')).filter(({ status }) => status.state !== 'expired')
  const lines = active.sort((one, other) => (one.endsAt < other.endsAt ? -1 : 1)).map(({ id, matchers, endsAt, createdBy, comment }) => {
    const isNew = ({ name, value }) => name !== 'instance' || !matchers.some((one) => one.name === 'host' && one.value === value)
    const what = matchers.filter(isNew).map(({ name, value, isEqual }) => (name === 'alertname' && isEqual !== false ? value : name + (isEqual === false ? ' not ' : ' ') + value)).join(', ')
    const line = make('p', { class: 'silence' }, 'Silenced until ' + moment(Date.parse(endsAt) / 1000) + ' by ' + createdBy + ': ' + what + ' (' + comment + ')')
    if (account != null) line.append(button('End', () => act('/silence/end/' + id, { method: 'DELETE' })))
    return line
  })
  document.getElementById('silences').replaceChildren(...lines)
}
`
