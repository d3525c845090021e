# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Completion of the services' own programs for bash.

_holdfastd() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} verb i
	local options verbs='' line
	case ${COMP_WORDS[0]##*/} in
	holdfastd) options='--config --check --version --help' ;;
	holdfast-origin)
		options='--root --users --salts --listen --formula --upload-max --ek-anchors --eks'
		options+=' --version --help'
		;;
	*)
		options='--config --dev --check --version --help'
		verbs='status login load artifact cancel unlock'
		;;
	esac
	for ((i = 1; i < COMP_CWORD; i++)); do
		verb=${COMP_WORDS[i]}
		[[ " $verbs " != *" $verb "* || ${COMP_WORDS[i - 1]} == --config ]] || break
		verb=
	done
	case $verb in
	status) options='--follow --json --help' ;;
	login | unlock) options='--password-file --help' ;;
	load) options='--out --help' ;;
	artifact) options='--out --json --help' ;;
	cancel) options=--help ;;
	esac
	[[ -z $verb ]] || verbs=
	COMPREPLY=()
	case $before in
	--formula) options='v1-hw v1-nohw' verbs='' ;;
	--root | --config | --users | --salts | --ek-anchors | --eks | --password-file | --out)
		local kind=-f
		[[ $before != --root ]] || kind=-d
		while IFS= read -r line; do
			COMPREPLY+=("$line")
		done < <(compgen "$kind" -- "$word")
		compopt -o filenames 2>/dev/null
		return
		;;
	--listen | --upload-max) return ;;
	esac
	[[ $word == -* || -z $verbs ]] || options=$verbs
	while IFS= read -r line; do
		COMPREPLY+=("$line")
	done < <(compgen -W "$options" -- "$word")
}

complete -F _holdfastd holdfastd holdfast-loader holdfast-origin
