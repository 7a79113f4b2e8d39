import { AGE } from '../../rules/format.ts'

/** Templates that write numbers like the script does: `48.9 MB`, `5%`, `2 h 5 min`. */
export const FORMATS = `{{ define "bytes" }}{{ . | humanize | reReplaceAll "^([0-9]{3})[.][0-9]+" "$1" | reReplaceAll "^([0-9]{2}[.][0-9])[0-9]+" "$1" | reReplaceAll "^([0-9][.][0-9]{2})[0-9]+" "$1" | reReplaceAll "([a-zA-Z]?)$" " $1" }}B{{ end -}}
{{ define "percent" }}{{ . | printf "%.1f" | reReplaceAll "[.]0$" "" }}%{{ end -}}
{{ define "share" }}{{ . | printf "%.2f" | reReplaceAll "[.]?0+$" "" }}%{{ end -}}
{{ define "age" }}{{ . | ${AGE} }}{{ end -}}
{{ define "hosts" }}{{ range $i, $one := . }}{{ if $i }}, {{ end }}{{ $one.Labels.host }}{{ end }}{{ end -}}
`
