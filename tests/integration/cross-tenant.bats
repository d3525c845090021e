#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every operation of docs/API.yaml, tried between two tenants of the same names, without its right,
# and with what no operation may take. The requests are made from the document (endpoints/).

load helpers

endpoints() {
	"$BATS_TEST_DIRNAME/endpoints/run.py" "$@"
}

# part NAME PROVIDER
part() {
	mapfile -t FILE_CONFIG < <(endpoints config)
	CONFIG=("${FILE_CONFIG[@]}")
	on "$2"
	endpoints "$1" "$T/run" "$2"
	api GET /v1/status
	expect 200
}

@test "each operation of the document has a recipe here, and each recipe an operation" {
	endpoints recipes
}

@test "no tenant sees, uses, lists or deletes another's (tpm)" { part isolation tpm; }
@test "no tenant sees, uses, lists or deletes another's (legacy)" { part isolation legacy; }

@test "each operation takes its right and no other (tpm)" { part rights tpm; }
@test "each operation takes its right and no other (legacy)" { part rights legacy; }

@test "what the administrator asks is answered as documented (tpm)" { part admin tpm; }
@test "what the administrator asks is answered as documented (legacy)" { part admin legacy; }

@test "malformed bodies, names and parameters are refused, and say what is wrong (tpm)" { part malformed tpm; }
@test "malformed bodies, names and parameters are refused, and say what is wrong (legacy)" { part malformed legacy; }

@test "paths and methods that are not there, and headers too large (tpm)" { part strays tpm; }
