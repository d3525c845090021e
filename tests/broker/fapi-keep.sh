#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A FAPI object that stays from run to run.
#
#   fapi-keep.sh make|use
. "$(dirname "$0")/common.bash"

step "$1"
if [[ $1 == make ]]; then
	printf 'what is kept' >plain
	tss2_createseal -p /HS/SRK/kept -t noda -a '' -i plain
else
	tss2_unseal -p /HS/SRK/kept -o opened
	[[ $(cat opened) == 'what is kept' ]]
fi
result "$1"
finish
