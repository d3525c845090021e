# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Raw commands of tenants, for the suites that try them: workflows (tests/broker) in containers, on a
# bare chip for comparison, and attacks. helpers.bash is loaded before.

WORKFLOWS=$ROOT/tests/broker
PYTSS=/usr/bin/python3 # Debian's, for which its pytss is made

# raw_socket TENANT: for what runs outside of a container.
raw_socket() {
	echo "$T/run/tenants/$1/tpm.sock"
}

# raw_daemon [LINE..]: a chip, and a daemon whose tenants may send raw commands.
raw_daemon() {
	start_swtpm
	write_config 'provider = "tpm"' "$@"
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

# The same where the daemon knows the password of the lockout hierarchy.
raw_daemon_guarded() {
	start_swtpm
	tools tpm2_dictionarylockout -Q -s -n 5 -t 1000 -l 1000
	tools tpm2_changeauth -Q -c lockout lockpass
	printf lockpass >"$T/lockout"
	chmod 600 "$T/lockout"
	write_config 'provider = "tpm"' "$@"
	sed -i "s|^tpm {|tpm { lockout_auth_file = \"$T/lockout\" |" "$T/conf"
	start_daemon
	[[ $(jq -r .provider "$T/status") == tpm ]]
}

# attack SCENARIO TENANT|PATH..
attack() {
	local scenario=$1 word words=()
	shift
	for word in "$@"; do
		[[ ! -d $T/run/tenants/$word ]] || word=$(raw_socket "$word")
		words+=("$word")
	done
	timeout 300 /usr/bin/python3 -B "$WORKFLOWS/attacks.py" "$scenario" "${words[@]}"
}

# No error of any workflow tells that a chip was full: that is solved by who manages it.
no_scarcity() { # file..
	refute grep -iE '0x0*90[1235]\b' "$@"
}

# inside TENANT WORKFLOW WORD..: in a container that has the programs of the host, so those of stock
# packages, and of us the tenant's folder. What it says goes to $T/out.TENANT.
inside() {
	local tenant=$1 workflow=$2 status=0
	shift 2
	mkdir -p "$T/home-$tenant"
	timeout 300 bwrap --unshare-all --die-with-parent --clearenv --ro-bind /usr /usr \
		--symlink usr/bin /bin --symlink usr/sbin /sbin --symlink usr/lib /lib \
		--symlink usr/lib64 /lib64 --ro-bind /etc /etc --proc /proc --dev /dev --tmpfs /tmp \
		--tmpfs /run --tmpfs /var --dir /var/lib --bind "$T/home-$tenant" /home \
		--ro-bind "$WORKFLOWS" /workflows --ro-bind "$T/run/tenants/$tenant" /run/holdfast \
		--chdir /home --setenv HOME /home --setenv PATH /usr/sbin:/usr/bin \
		--setenv TPM2TOOLS_TCTI swtpm:path=/run/holdfast/tpm.sock \
		--setenv TSS2_FAPICONF /run/holdfast/fapi-config.json \
		"/workflows/$workflow" "$@" >"$T/out.$tenant" 2>&1 || status=$?
	[[ $status == 0 ]] || tail -n 30 "$T/out.$tenant"
	no_scarcity "$T/out.$tenant"
	return "$status"
}

# A chip of nobody's, to compare with; its slots are the workflow's to empty.
start_bare() {
	mkdir "$T/bare"
	helper swtpm socket --tpm2 --tpmstate "dir=$T/bare" \
		--server "type=unixio,path=$T/bare.sock" --ctrl "type=unixio,path=$T/bare.sock.ctrl" \
		--flags not-need-init,startup-clear
	wait_until listens "$T/bare.sock"
	wait_until listens "$T/bare.sock.ctrl"
}

# bare WORKFLOW WORD..: there, without a container; to $T/out.bare.
bare() {
	local workflow=$1
	shift
	[[ -d $T/bare ]] || start_bare
	BARE=yes TPM2TOOLS_TCTI=swtpm:path=$T/bare.sock "$WORKFLOWS/$workflow" "$@" \
		>"$T/out.bare" 2>&1 || {
		tail -n 30 "$T/out.bare"
		return 1
	}
}

digest_of() { # tenant or bare
	sed -n 's/^digest //p' "$T/out.$1"
}

# same WORKFLOW..: what the last runs of these printed as their results.
same() {
	local one other
	one=$(digest_of "$1")
	[[ -n $one ]]
	for other in "${@:2}"; do
		[[ $(digest_of "$other") == "$one" ]] || {
			diff "$T/out.$1" "$T/out.$other"
			return 1
		}
	done
}
