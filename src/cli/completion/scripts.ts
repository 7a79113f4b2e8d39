/** Shells for which `provision completion` prints a script. */
export const SHELLS = ['bash', 'zsh', 'fish'] as const

export type Shell = (typeof SHELLS)[number]

/** Scripts that ask the program that is being typed for the words that can follow. */
export const completionScripts: Readonly<Record<Shell, string>> = {
  bash: `# Completion of provision in bash: source <(provision completion bash)
_provision() {
  local IFS=$'\\n'
  COMPREPLY=($("\${COMP_WORDS[0]}" completion bash --line "\${COMP_LINE:0:COMP_POINT}" 2>/dev/null))
}
complete -o default -F _provision provision
`,
  zsh: `#compdef provision
# Completion of provision in zsh: source <(provision completion zsh), after compinit
_provision() {
  local -a found
  found=(\${(f)"$("\${(Q)words[1]}" completion zsh --line "\${(j: :)words[1,CURRENT]}" 2>/dev/null)"})
  if (( \${#found} )); then
    _describe provision found
  else
    _files
  fi
}
compdef _provision provision
`,
  fish: `# Completion of provision in fish: provision completion fish | source
function __provision_words
    set -l program (commandline -opc)[1]
    $program completion fish --line (commandline -cp | string collect) 2>/dev/null
end
complete -c provision -a '(__provision_words)'
`,
}
