/**
 * What a shell sources to complete permctl: it asks `permctl complete -- WORDS`, the last of which is
 * the one at the cursor. What was typed is handed on as it stands: nothing of it is evaluated, since
 * a line that is still being written may hold `$(…)` and `> file`.
 */
export const COMPLETION_SCRIPTS = {
  bash: `# permctl completion for bash
_permctl() {
  local current="\${COMP_WORDS[COMP_CWORD]}" word line
  local -a asked=()
  COMPREPLY=()
  # --output=csv comes as three words.
  [[ $current == = ]] && current=
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == = ]] || asked+=("$word")
  done
  while IFS= read -r line; do
    line="\${line%%$'\\t'*}"
    [[ $line == :* || $line != "$current"* ]] || COMPREPLY+=("$line")
  done < <(permctl complete -- "\${asked[@]}" "$current" 2>/dev/null)
}
complete -o default -F _permctl permctl
`,
  zsh: `#compdef permctl
# permctl completion for zsh
_permctl() {
  local -a offered
  local line
  for line in "\${(@f)$(permctl complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z $line || $line == :* ]] && continue
    offered+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
  done
  if (( \${#offered} )); then
    _describe permctl offered
  else
    _files
  fi
}
if [[ \${funcstack[1]} == _permctl ]]; then
  _permctl "$@"
else
  compdef _permctl permctl
fi
`,
  fish: `# permctl completion for fish
function __permctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    permctl complete -- $words[2..-1] "$current" 2>/dev/null | string match -v -r '^:'
end
complete -c permctl -e
complete -c permctl -a '(__permctl_complete)'
`,
} as const
