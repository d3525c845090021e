# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion of holdfast and holdfast-client for bash. The program itself knows what a line may go on
# with (holdfast(1), COMPLETION); here is only how bash asks.

_holdfast() {
	local line offer word= words=() i
	# Bash takes "--type=rsa" for three words, and wants an answer without the first two.
	for ((i = 1; i <= COMP_CWORD; i++)); do
		if [[ ${#words[@]} -gt 0 && (${COMP_WORDS[i]} == = || ${COMP_WORDS[i - 1]} == =) &&
			${words[-1]} == --* ]]; then
			words[-1]+=${COMP_WORDS[i]}
		else
			words+=("${COMP_WORDS[i]}")
		fi
	done
	word=${words[-1]}
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
		:files | :folders)
			_holdfast_paths "$line" "${word#--*=}"
			;;
		*)
			offer=${line%%$'\t'*}
			[[ $word != --*=* || $COMP_WORDBREAKS != *=* ]] || offer=${offer#--*=}
			COMPREPLY+=("$offer")
			;;
		esac
	done < <("${COMP_WORDS[0]/#\~/$HOME}" --complete "${words[@]}" 2>/dev/null)
}

_holdfast_paths() {
	local kind=-f path
	[[ $1 == :files ]] || kind=-d
	while IFS= read -r path; do
		COMPREPLY+=("$path")
	done < <(compgen "$kind" -- "$2")
	compopt -o filenames 2>/dev/null
}

complete -F _holdfast holdfast holdfast-client
