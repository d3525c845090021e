#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Shells that complete a line: bash, zsh and fish themselves are asked, and must know every verb and
# every option that the programs' own help names.

bats_require_minimum_version 1.5.0
load helpers

HOLDFAST=$(program holdfast)
COMPLETION=$ROOT/deploy/completion
SHELLS=(bash zsh fish)
PROGRAMS=(holdfast holdfast-client holdfastd holdfast-loader holdfast-origin)

# programs: all of them by their names, as they are once installed.
programs() {
	local program
	mkdir -p "$T/bin"
	for program in "${PROGRAMS[@]}"; do
		ln -s "$(program "$program")" "$T/bin/$program"
	done
	PATH=$T/bin:$PATH
	cd "$T" || return
}

verbs() { # program
	"$1" help | sed -nE 's/^  ([a-z][a-z0-9-]*( [a-z0-9-]+)?) +[A-Z].*/\1/p'
}

# The options that a help names, common ones as well.
options() { # command..
	"$@" --help | sed -nE 's/^  (-[a-z]( [^ ]+)?, )?(--[a-z0-9-]+).*/\3/p'
}

# --- each shell: lines on standard input, for each "== LINE" and what it offers ---

by_bash() {
	bash --norc -c '
		. "$1/holdfast.bash"
		. "$1/holdfastd.bash"
		compopt() { :; } # only inside of a real completion
		while IFS= read -r line; do
			read -ra COMP_WORDS <<<"${line//=/ = }"
			[[ $line != *[\ =] ]] || COMP_WORDS+=("")
			COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
			COMPREPLY=()
			echo "== $line"
			call=$(complete -p "${COMP_WORDS[0]}") && call=${call#* -F }
			"${call%% *}" "${COMP_WORDS[0]}"
			printf "%s\n" "${COMPREPLY[@]}"
		done' bash "$COMPLETION"
}

by_zsh() {
	"$ROOT/tests/completion/ask.zsh" "$COMPLETION" "$T/zsh"
	cat "$T/zsh"
}

by_fish() {
	HOME=$T fish --no-config -c '
		source $argv[1]/holdfast.fish
		source $argv[1]/holdfastd.fish
		while read -l line
			echo "== $line"
			complete -C $line | string replace -r "\t.*" ""
		end
		true' "$COMPLETION"
}

# ask SHELL: what each line of standard input is offered, to $T/offers. A line's last blank may have
# a bar behind it.
ask() {
	sed 's/ |$/ /' | "by_$1" >"$T/offers"
}

# offered LINE: the words, one a line, sorted.
offered() {
	awk -v line="== $1" '/^== / { here = $0 == line; next } here && $0 != "" { print }' \
		"$T/offers" | sort -u
}

# offers LINE WORD..: all of them.
offers() {
	local line=$1 missing
	shift
	missing=$(printf '%s\n' "$@" | sort -u | comm -23 - <(offered "$line"))
	[[ -z $missing ]] || {
		echo "no offer for '$line': $missing"
		return 1
	}
}

# offers_just LINE [WORD..]: these and nothing else.
offers_just() {
	local line=$1
	shift
	diff <([[ $# == 0 ]] || printf '%s\n' "$@" | sort -u) <(offered "$line") || {
		echo "offered for '$line'"
		return 1
	}
}

# --- all verbs, all options ---

# wanted PROGRAM: for each place of a verb or an option "LINE<tab>WORD", from the program's help.
wanted() {
	local program=$1 verb
	verbs "$program" | while IFS= read -r verb; do
		printf '%s \t%s\n' "$program" "${verb% *}"
		[[ $verb != *' '* ]] || printf '%s %s \t%s\n' "$program" "${verb% *}" "${verb#* }"
		[[ $verb != help ]] || continue
		printf "$program $verb --\t%s\n" --help
		# shellcheck disable=SC2086
		options "$program" $verb | sed "s/^/$program $verb --\t/"
	done
}

@test "every verb and every option of its help, by each shell" {
	local shell
	need_program "${SHELLS[@]}"
	programs
	{
		wanted holdfast
		wanted holdfast-client
	} | sort -u >wanted
	[[ $(grep -c -- '--help$' wanted) -gt 90 && $(wc -l <wanted) -gt 400 ]]
	for shell in "${SHELLS[@]}"; do
		cut -f 1 wanted | uniq | ask "$shell"
		awk -v OFS='\t' '/^== / { line = substr($0, 4); next } $0 != "" { print line, $0 }' offers |
			sort -u >"got.$shell"
		diff wanted "got.$shell"
	done
}

@test "every option of the services' programs, by each shell" {
	local shell verb words
	need_program "${SHELLS[@]}"
	programs
	for shell in "${SHELLS[@]}"; do
		{
			printf '%s --\n' holdfastd holdfast-loader holdfast-origin
			echo 'holdfast-loader '
			printf 'holdfast-loader %s --\n' status login load artifact cancel unlock
			echo 'holdfast-origin --formula '
		} | ask "$shell"
		for verb in holdfastd holdfast-loader holdfast-origin; do
			mapfile -t words < <(options "$verb")
			[[ $verb != holdfastd ]] || [[ ${#words[@]} == 2 ]]
			[[ ${#words[@]} -ge 2 ]]
			offers "$verb --" "${words[@]}" --help --version
		done
		mapfile -t words < <(holdfast-loader --help | sed -nE 's/^  ([a-z]+)  +[A-Z].*/\1/p')
		[[ ${#words[@]} == 6 ]]
		offers_just 'holdfast-loader ' "${words[@]}"
		for verb in "${words[@]}"; do
			mapfile -t words < <(loader_options "$verb")
			[[ $verb == cancel || ${#words[@]} -ge 1 ]]
			offers "holdfast-loader $verb --" "${words[@]}" --help
		done
		offers_just 'holdfast-origin --formula ' v1-hw v1-nohw
	done
}

# A verb of the loader is explained once its configuration is read; one that is whole is short.
loader_options() {
	printf '%s = "%s"\n' api_url https://api.example.com/ cdn_url https://cdn.example.com/ \
		salts_file /x >"$T/loader"
	holdfast-loader --config "$T/loader" "$1" --help |
		sed -nE 's/^  (--[a-z-]+).*/\1/p'
}

# --- values ---

values() {
	local shell=$1 joined=
	need_program "${SHELLS[@]}"
	programs
	mkdir -p files/folder
	touch files/file
	ask "$shell" <<-'EOF'
		holdfast key create n --type |
		holdfast key create n --type rsa-
		holdfast key create n --type=e
		holdfast key create n --use sign --use |
		holdfast key create n --type ecc-p256 --ty
		holdfast seal --in files/f
		holdfast seal --in=files/f
		holdfast artifact publish --origin files/
		holdfast --socket files/f
		holdfast --json key cr
		holdfast key create --
		holdfast key create -- --
		holdfast nonsense |
		holdfast key nonsense |
		holdfast help key cr
		holdfast help key create |
		holdfast --version |
	EOF
	# Fish puts the whole word in, the others what stands behind the =.
	[[ $shell != fish ]] || joined=--type=
	offers_just 'holdfast key create n --type ' ecc-p256 ecc-p384 rsa-2048 rsa-3072 hmac-sha256
	offers_just 'holdfast key create n --type rsa-' rsa-2048 rsa-3072
	offers_just 'holdfast key create n --type=e' "$joined"ecc-p256 "$joined"ecc-p384
	offers_just 'holdfast key create n --use sign --use ' sign decrypt agree
	offers_just 'holdfast key create n --type ecc-p256 --ty'
	offers_just 'holdfast --json key cr' create
	offers_just 'holdfast help key cr' create
	offers_just 'holdfast nonsense '
	offers_just 'holdfast key nonsense '
	offers_just 'holdfast help key create '
	offers_just 'holdfast --version '
	offers_just 'holdfast key create -- --'
	[[ $(offered 'holdfast seal --in files/f') == *file* ]]
	[[ $(offered 'holdfast seal --in=files/f') == *file* ]]
	[[ $(offered 'holdfast --socket files/f') == *file* ]]
	[[ $(offered 'holdfast artifact publish --origin files/') == *folder* ]]
	[[ $(offered 'holdfast artifact publish --origin files/') != *file ]]
	[[ ! -e nonsense ]]
}

@test "choices, files and folders, by bash" { values bash; }
@test "choices, files and folders, by zsh" { values zsh; }
@test "choices, files and folders, by fish" { values fish; }

# --- names that the service knows ---

@test "names of keys, secrets, attestation keys and tenants are asked of the service" {
	local shell
	need_program "${SHELLS[@]}"
	programs
	CONFIG+=('tenant web { }')
	on tpm
	ends 0 key create first
	ends 0 key create second --type rsa-2048
	ends 0 aik create vouch
	printf x | hf seal --name geheim
	export HOLDFAST_SOCKET=$SOCK
	for shell in "${SHELLS[@]}"; do
		ask "$shell" <<-'EOF'
			holdfast key public |
			holdfast key delete f
			holdfast key create |
			holdfast-client key export |
			holdfast sign --key |
			holdfast sign --key=s
			holdfast secret delete |
			holdfast unseal --name |
			holdfast aik quote |
			holdfast aik certify vouch --key |
			holdfast tenant show |
			holdfast tenant remove w
			holdfast tenant add |
			holdfast --timeout 5 key csr s
			holdfast --socket /nowhere key public |
		EOF
		offers_just 'holdfast key public ' first second
		offers_just 'holdfast key delete f' first
		offers_just 'holdfast key create '
		offers_just 'holdfast-client key export ' first second
		offers_just 'holdfast sign --key ' first second
		[[ $(offered 'holdfast sign --key=s') == *second ]]
		offers_just 'holdfast secret delete ' geheim
		offers_just 'holdfast unseal --name ' geheim
		offers_just 'holdfast aik quote ' vouch
		offers_just 'holdfast aik certify vouch --key ' first second
		offers 'holdfast tenant show ' web host
		offers_just 'holdfast tenant remove w' web
		offers_just 'holdfast tenant add '
		offers_just 'holdfast --timeout 5 key csr s' second
		offers_just 'holdfast --socket /nowhere key public '
	done
}

@test "completing does nothing of what the line says" {
	local verb
	programs
	on legacy
	wait_until identity_decided
	ends 0 key create k
	printf x | hf seal --name s
	admin GET /v1/device && cp "$T/body" before
	hf --complete key delete k '' >out 2>&1
	hf --complete secret delete s '' >>out 2>&1
	hf --complete key create other --type ecc-p256 '' >>out 2>&1
	hf --complete device reset --yes '' >>out 2>&1
	hf --complete seal --out "$T/made" '' >>out 2>&1
	hf --complete random --out "$T/made" 16 '' >>out 2>&1
	hf --complete tpm2 render --root "$T/made" '' >>out 2>&1
	[[ $(hf key list) == k && $(hf secret list) == s ]]
	admin GET /v1/device && cmp "$T/body" before
	[[ ! -e $T/made ]]
	# No verb does anything before it parses its words: what it opens it only reads, and whom it
	# asks is this service alone.
	while IFS= read -r verb; do
		# shellcheck disable=SC2086
		HOLDFAST_SOCKET=$SOCK strace -f -o trace -e \
			trace=connect,openat,creat,unlink,unlinkat,rename,renameat,mkdir,execve,kill \
			holdfast --complete $verb --json '' >out 2>err </dev/null
		[[ ! -s err && $(grep -c execve trace) == 1 ]]
		refute grep -E '^[0-9]+ +(creat|unlink|rename|mkdir|kill)|O_CREAT|O_WRONLY|O_TMPFILE' trace
		refute grep -P "connect\\((?!.*\"$T/run/)" trace
	done < <(verbs holdfast | grep -v '^help$')
}

@test "without a service, or with one that is silent, nothing is said and no time is lost" {
	local start
	programs
	HOLDFAST_SOCKET=$T/none holdfast --complete key public '' >out 2>err
	HOLDFAST_SOCKET=$T/none holdfast --complete tenant show '' >>out 2>>err
	HOLDFAST_SOCKET=$(printf 'x%.0s' {1..200}) holdfast --complete tenant show '' >>out 2>>err
	HOLDFAST_SOCKET=$(printf 'x%.0s' {1..200}) holdfast --complete --json key public '' >>out 2>>err
	[[ ! -s out && ! -s err ]]
	helper socat "UNIX-LISTEN:$T/silent,fork" EXEC:'sleep 60'
	wait_until listens "$T/silent"
	start=${EPOCHREALTIME/[.,]/}
	HOLDFAST_SOCKET=$T/silent holdfast --complete key public '' >out 2>err
	((${EPOCHREALTIME/[.,]/} - start < 10000000))
	[[ ! -s out && ! -s err ]]
	# What is no line to complete is a word like others.
	ends 2 --complete
	ends 2 key --complete ''
}

@test "the files are installed where shells look for them" {
	local places place
	places=$(meson introspect --installed "$BUILD" | jq -r 'to_entries[] | .value')
	for place in bash-completion/completions/holdfast bash-completion/completions/holdfastd \
		zsh/site-functions/_holdfast zsh/site-functions/_holdfastd \
		fish/vendor_completions.d/holdfast.fish fish/vendor_completions.d/holdfastd.fish; do
		grep -q "/share/$place\$" <<<"$places"
	done
	# Each as its shell reads it.
	bash -n "$COMPLETION/holdfast.bash" "$COMPLETION/holdfastd.bash"
	need_program "${SHELLS[@]}"
	zsh -n "$COMPLETION/_holdfast" && zsh -n "$COMPLETION/_holdfastd"
	fish -n "$COMPLETION/holdfast.fish" && fish -n "$COMPLETION/holdfastd.fish"
}
