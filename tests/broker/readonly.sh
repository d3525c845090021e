#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a container cannot do to FAPI's configuration and to what all tenants share of its store.
. "$(dirname "$0")/common.bash"

step "the configuration"
fails sh -c "echo x >>'$TSS2_FAPICONF'"
fails rm "$TSS2_FAPICONF"
shared=$(sed -n 's/.*"system_dir": *"\([^"]*\)".*/\1/p' "$TSS2_FAPICONF")
step "the system store"
[[ -d $shared ]]
fails touch "$shared/x"
fails tss2_import -p /policy/mine -i /dev/null
fails tss2_delete -p /HS/SRK
fails tss2_provision
[[ $(find "$shared" -name object.json | wc -l) -ge 1 ]]
result "read-only"
finish
