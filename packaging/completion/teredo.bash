# Completion of teredo for bash, with the functions of the package bash-completion.
_teredo() {
    local cur prev words cword line files
    _get_comp_words_by_ref -n =: cur prev words cword
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            mapfile -t files < <(compgen -f -- "$cur")
            COMPREPLY+=("${files[@]}")
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("${words[0]}" complete -- "${words[@]:1:cword}" 2>/dev/null)
    [[ ${COMPREPLY-} == *= ]] && compopt -o nospace 2>/dev/null
    __ltrim_colon_completions "$cur"
}
complete -F _teredo teredo
