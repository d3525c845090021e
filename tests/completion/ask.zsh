#!/usr/bin/zsh -f
# SPDX-License-Identifier: Apache-2.0
#
# ask.zsh FOLDER OUT: what zsh, with the functions in FOLDER, completes each line of standard input
# with: for each of them "== LINE" and the words, in OUT; at last "== end". A real zsh on a terminal is asked.
zmodload zsh/zpty
export FUNCTIONS=$1 OUT=$2
export LINES_FILE=$OUT.lines
cat >$LINES_FILE
: >$OUT
zpty shell zsh -f -i
zpty -w shell "source ${0:A:h}/inside.zsh"
repeat 3000; do
	zpty -r -t shell >/dev/null
	[[ $(tail -n 1 $OUT) != '== end' ]] || break
	sleep 0.02
done
zpty -d shell
[[ $(tail -n 1 $OUT) == '== end' ]]
