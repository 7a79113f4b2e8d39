/** Updates the page in place, so that a cursor, a form and the scroll position stay. */
export const UPDATE = `
let seen = now()
// The template renders the state of the parts and hosts.
const showState = async () => {
  const answer = await fetch(location.origin + '/' + location.search)
  if (!answer.ok) throw new Error('status ' + answer.status)
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html')
  for (const id of ['heading', 'state']) document.getElementById(id).replaceChildren(...page.getElementById(id).childNodes)
}
const update = async (isFirst) => {
  let notice = ''
  try {
    if (!isFirst) await showState()
    notice = (await showAlerts()) || ''
    seen = now()
  } catch (error) {
    const heading = document.getElementById('heading')
    heading.replaceChildren(make('span', { class: 'bad' }, 'Monitoring does not answer'))
    notice = 'Everything below is as it was at ' + moment(seen) + ' (' + error.message + ').'
  }
  await showSilences().catch(() => null)
  document.getElementById('notice').textContent = notice
  await drawAll()
}
const start = async () => {
  await whoAmI().catch(() => null)
  await update(true)
  // A link in a message names an alert, which was not there when the page was loaded.
  if (location.hash.length > 1) document.getElementById(location.hash.slice(1))?.scrollIntoView()
  document.body.dataset.drawn = 'yes'
  document.body.dataset.fits = document.documentElement.scrollWidth <= innerWidth ? 'yes' : 'no'
}
const again = async () => {
  if (!document.hidden) await update()
  setTimeout(again, 30000)
}
start().then(() => setTimeout(again, 30000))
document.addEventListener('visibilitychange', () => { if (!document.hidden && now() - seen > 30) update() })
`
