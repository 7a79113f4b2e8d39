import { EXPLANATIONS, SYMPTOMS } from '../rules/causes.ts'
import { ALERTS } from './script/alerts.ts'
import { CHART } from './script/chart.ts'
import { FORMAT } from './script/format.ts'
import { SILENCE } from './script/silence.ts'
import { UPDATE } from './script/update.ts'

const LISTS = `const EXPLANATIONS = ${JSON.stringify(EXPLANATIONS)}\nconst SYMPTOMS = ${JSON.stringify(SYMPTOMS)}\n`

/** Script of the dashboard: alerts by cause, silences, and charts, without a library. */
export const SCRIPT = [FORMAT, LISTS, ALERTS, SILENCE, CHART, UPDATE].join('')
