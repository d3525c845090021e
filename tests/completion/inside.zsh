# SPDX-License-Identifier: Apache-2.0
#
# The part of ask.zsh inside the terminal.
fpath=($FUNCTIONS $fpath)
autoload -Uz compinit
compinit -u -D

compadd() {
	local -a hits
	builtin compadd -O hits "$@"
	print -rl -- $hits >>$OUT
	builtin compadd "$@"
}

every-line() {
	local line
	while IFS= read -r line; do
		print -r -- "== $line" >>$OUT
		BUFFER=$line
		CURSOR=$#BUFFER
		zle ask
	done <$LINES_FILE
	print '== end' >>$OUT
}

zle -C ask list-choices _main_complete
zle -N every-line
zle-line-init() {
	zle every-line
}
zle -N zle-line-init
