# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Fuzzing: ./do fuzz [SECONDS] [TARGET..]. Sourced by ./do.
#
# Every target runs for so many seconds (60) under libFuzzer with ASan and UBSan, two at a time;
# afterwards the corpus that was found is run once more to see which lines of the target's own
# parser it reaches. What is found stays in build-fuzz/corpus, what breaks in build-fuzz/found.

# The parser of each target: what its inputs are there for.
declare -A FUZZ_PARSERS=(
	[attest]="src/attest/attest.c src/attest/eventlog.c"
	[blob]="src/provider/blob.c src/provider/blob_key.c"
	[cdn]="src/conf/cdn.c"
	[cgroup]="src/host/cgroup.c src/host/meter.c"
	[cms]="src/crypto/cms.c"
	[command]="src/broker/filter.c src/broker/wire.c"
	[connections]="src/broker/connections.c"
	[config]="src/conf/guard.c src/conf/reader.c src/conf/rule.c src/conf/schema.c src/conf/value.c"
	[form]="src/http/form.c src/http/range.c"
	[head]="src/fetch/head.c src/fetch/url.c"
	[identity]="src/identity/files_journal_text.c src/identity/files_record_text.c src/identity/files_text.c"
	[json]="src/base/json.c src/base/base64.c src/base/utf8.c"
	[keyfile]="src/crypto/keyfile.c"
	[names]="src/crypto/der.c src/crypto/request.c src/crypto/request_names.c src/crypto/request_subject.c"
	[object]="src/fapi/object.c"
	[request]="src/http/head.c src/http/media.c src/http/path.c src/http/route.c src/http/request.c"
	[response]="src/tpm/command.c src/tpm/public.c src/tpm/chip.c src/tpm/chip_context.c src/tpm/chip_facts.c src/tpm/chip_session.c src/tpm/nv.c src/tpm/pcr.c src/tpm/quote.c src/tpm/rc.c"
	[tools]="src/stack/look_parse.c"
	[uri]="src/openssl/uri.c"
	[v1]="src/artifact/fingerprint.c src/artifact/resource.c src/artifact/v1_open.c src/artifact/v1_seal.c src/artifact/v1_split.c"
	[v2]="src/artifact/content_key.c src/artifact/device_key.c src/artifact/device_keys.c src/artifact/manifest.c src/artifact/manifest_parse.c src/artifact/payload_key.c src/artifact/payload_open.c src/artifact/payload_seal.c"
	[vchip]="src/broker/context.c src/broker/forward.c src/broker/handles.c src/broker/room.c src/broker/saved.c src/broker/vchip.c"
	[wrap]="src/wrap/credential.c src/wrap/duplicate.c src/wrap/public.c src/wrap/seed.c"
	[x509]="src/crypto/certificate.c src/crypto/x509_chain.c src/crypto/x509_read.c"
)
FUZZ_PACKAGES=(clang llvm libclang-rt-14-dev)
FUZZ_COVERAGE=90 # percent of the parser's lines

fuzz_build() { # folder
	local flags="-fsanitize=fuzzer-no-link -fprofile-instr-generate -fcoverage-mapping"
	[ -f "$1/build.ninja" ] ||
		CC=clang quietly "meson setup" meson setup "$1" -Dfuzz=true -Db_lundef=false \
			-Db_sanitize=address,undefined -Dc_args="$flags" \
			-Dc_link_args="-fprofile-instr-generate"
	quietly "the build of the fuzz targets" ninja -C "$1" fuzz
}

# One target for so many seconds; 1 when it broke.
fuzz_run() { # folder, target, seconds
	local folder=$1 target=$2 corpus=$1/corpus/$2
	mkdir -p "$corpus" "$folder/found" "$folder/logs"
	[ ! -d "tests/fuzz/corpus/$target" ] || cp -n "tests/fuzz/corpus/$target"/* "$corpus"
	LLVM_PROFILE_FILE=/dev/null "$folder/tests/fuzz/fuzz_seeds" "$target" "$corpus"
	LLVM_PROFILE_FILE=/dev/null "$folder/tests/fuzz/fuzz_$target" "$corpus" \
		-max_total_time="$3" -timeout=25 -rss_limit_mb=2048 -max_len=16384 \
		-close_fd_mask=2 -print_final_stats=1 -artifact_prefix="$folder/found/$target-" \
		>"$folder/logs/$target" 2>&1 </dev/null
}

# Lines of the parser that the corpus reaches, in percent.
fuzz_coverage() { # folder, target
	local folder=$1 target=$2 program=$1/tests/fuzz/fuzz_$2 tools=
	command -v llvm-cov >/dev/null || tools=-14
	LLVM_PROFILE_FILE=$folder/$target.profraw "$program" "$folder/corpus/$target" -runs=0 \
		>"$folder/logs/$target.corpus" 2>&1 </dev/null || return 1
	"llvm-profdata$tools" merge -sparse "$folder/$target.profraw" -o "$folder/$target.profdata"
	"llvm-cov$tools" export -summary-only -instr-profile="$folder/$target.profdata" "$program" |
		jq --arg parser "${FUZZ_PARSERS[$target]}" '
			[.data[0].files[] | select(.filename as $f | $parser | split(" ") | any(. as $p | $f | endswith("/" + $p)))
			| .summary.lines] | (map(.covered) | add) * 1000 / (map(.count) | add) | floor / 10'
	rm -f "$folder/$target.profraw"
}

fuzz_tell() { # folder, target, status of its run
	local folder=$1 target=$2 runs percent verdict=clean
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$folder/logs/$target")
	percent=$(fuzz_coverage "$folder" "$target") || percent=0
	[ "$3" = 0 ] || verdict="BROKEN, see build-fuzz/found and build-fuzz/logs/$target"
	if [ "$verdict" = clean ] && [ "$(jq -n "$percent < $FUZZ_COVERAGE")" = true ]; then
		verdict="clean, but below $FUZZ_COVERAGE % of its parser"
	fi
	printf '  %-14s %12s runs   %5s %% of the parser'\''s lines   %s\n' \
		"$target" "${runs:-0}" "$percent" "$verdict"
	[ "$verdict" = clean ]
}

do_fuzz() {
	local folder=$root/build-fuzz seconds=60 target failed=0 targets status
	if [[ ${1:-} =~ ^[0-9]+$ ]]; then
		seconds=$1
		shift
	fi
	for target in "$@"; do
		[ -n "${FUZZ_PARSERS[$target]:-}" ] ||
			die "no fuzz target '$target'; there are: ${!FUZZ_PARSERS[*]}"
	done
	need_packages "${BUILD_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}"
	fuzz_build "$folder"
	mapfile -t targets < <(printf '%s\n' "${@:-${!FUZZ_PARSERS[@]}}" | sort)
	say "Fuzzing for $seconds s each: ${targets[*]}"
	export -f fuzz_run
	printf '%s\n' "${targets[@]}" | xargs -P 2 -I '{}' bash -c \
		'fuzz_run "$1" "$2" "$3"; echo $? >"$1/$2.status"' fuzz "$folder" '{}' "$seconds"
	for target in "${targets[@]}"; do
		status=$(cat "$folder/$target.status")
		fuzz_tell "$folder" "$target" "$status" || failed=1
	done
	[ "$failed" -eq 0 ] || die "a target broke or does not reach its parser"
}
