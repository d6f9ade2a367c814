import { COMPLETE_VERB } from './complete-verb.ts';

/** Shells that have a script. */
export type Shell = keyof typeof SCRIPTS;

// The shells hand over the words before the cursor; `zlayer __complete` prints a candidate a line (value, tab, help) and
// last of all `:none`, `:files` or `:directories`.
const BASH = `# bash completion for zlayer: source <(zlayer completion bash)
_zlayer() {
  local line="\${COMP_LINE:0:COMP_POINT}" words output cur value
  read -ra words <<<"$line"
  [[ "$line" == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]}-1]}"
  output="$("\${words[0]/#\\~/$HOME}" ${COMPLETE_VERB} "\${words[@]:1}" 2>/dev/null)" || return
  # readline replaces only what follows the last "=" or ":" of the word
  local skip="\${cur%"\${cur##*[=:]}"}"
  COMPREPLY=()
  while IFS=$'\\t' read -r value _; do
    case "$value" in
      :none) ;;
      :files) mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "\${cur#"$skip"}"); compopt -o filenames ;;
      :directories) mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -d -- "\${cur#"$skip"}"); compopt -o filenames ;;
      *) COMPREPLY+=("\${value#"$skip"}") ;;
    esac
  done <<<"$output"
}
complete -F _zlayer zlayer
`;

const ZSH = `#compdef zlayer
# zsh completion for zlayer: source <(zlayer completion zsh), or put it in a folder of $fpath as _zlayer
_zlayer() {
  local -a lines candidates
  local line value help
  lines=("\${(@f)$("\${words[1]}" ${COMPLETE_VERB} "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in "\${lines[@]}"; do
    value="\${line%%$'\\t'*}"
    help="\${line#*$'\\t'}"
    case "$value" in
      :none) ;;
      :files) _files ;;
      :directories) _files -/ ;;
      *) candidates+=("\${value//:/\\\\:}:$help") ;;
    esac
  done
  (( \${#candidates} )) && _describe 'zlayer' candidates
}
if [[ "$funcstack[1]" == _zlayer ]]; then _zlayer "$@"; else compdef _zlayer zlayer; fi
`;

const FISH = `# fish completion for zlayer: zlayer completion fish | source
function __zlayer_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in ($words[1] ${COMPLETE_VERB} $words[2..-1] 2>/dev/null)
    switch $line
      case :none
      case :files
        __fish_complete_path (commandline -ct)
      case :directories
        __fish_complete_directories (commandline -ct)
      case '*'
        echo $line
    end
  end
end
complete -c zlayer -f -a '(__zlayer_complete)'
`;

/** Completion scripts by shell. */
export const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH } as const;
