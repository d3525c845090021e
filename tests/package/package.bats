#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The life of the package holdfast on a machine: installed, used, hung, killed, upgraded, removed,
# purged. A chip comes in between: an emulator, as a service of the machine.

load machine.bash

CONF=/etc/holdfast/holdfast.conf
SOCK=/run/holdfast/holdfast.sock

setup_file() {
	machine_new
	cat >"$M/root/etc/systemd/system/chip.service" <<-'END'
		[Unit]
		Description=TPM emulator
		[Service]
		ExecStartPre=/bin/mkdir -p /var/lib/chip
		ExecStart=/usr/bin/swtpm socket --tpm2 --tpmstate dir=/var/lib/chip \
			--server type=unixio,path=/run/chip.sock,mode=0666 \
			--ctrl type=unixio,path=/run/chip.sock.ctrl,mode=0666 \
			--flags not-need-init,startup-clear
	END
	machine_boot
	inside useradd --create-home member
	inside useradd --create-home stranger
}

teardown_file() {
	machine_end
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || machine_tell
}

main_pid() {
	property holdfastd.service MainPID
}

is_ready_anew() { # the pid that it had
	is_active holdfastd.service && [[ $(main_pid) != "$1" && $(main_pid) != 0 ]]
}

restarted() {
	inside systemctl restart holdfastd.service
}

@test "install: apt takes it with what it depends on, and the service starts" {
	apt_install holdfast libholdfast0 holdfast-openssl
	is_active holdfastd.service
	is_active holdfastd.socket
	[[ $(inside systemctl is-enabled holdfastd.service) == enabled ]]
	[[ $(inside systemctl is-enabled holdfastd.socket) == enabled ]]
	inside holdfastd --check | grep -qx "$CONF: ok"
	refute inside grep -vE '^#|^$' "$CONF"
	[[ $(inside dpkg-query -W -f '${Conffiles}' holdfast) == *" $CONF "* ]]
}

@test "install: user, groups and folders are there, and those who made them have no more to do" {
	[[ $(inside id -gn holdfast) == holdfast ]]
	[[ " $(inside id -Gn holdfast) " == *" tss "* ]]
	[[ $(inside stat -c '%U:%G %a' /var/lib/holdfast) == "holdfast:holdfast 700" ]]
	[[ $(inside stat -c '%U:%G %a' /run/holdfast) == "holdfast:holdfast 755" ]]
	[[ $(inside stat -c '%U:%G %a' "$SOCK") == "holdfast:holdfast 660" ]]
	[[ $(inside stat -c '%U:%G %a' /run/holdfast/admin.sock) == "holdfast:holdfast 600" ]]
	inside systemd-sysusers --dry-run /usr/lib/sysusers.d/holdfast.conf >"$M/out" 2>&1
	refute grep -i creating "$M/out"
	inside systemd-tmpfiles --create /usr/lib/tmpfiles.d/holdfast.conf
}

@test "install: each program and file format has its page" {
	local page
	for page in "1 holdfast" "1 holdfast-client" "1 eve_tools_tpm2_sign" "5 holdfast.conf" \
		"7 holdfast-broker" "7 holdfast-openssl" "8 holdfastd" "8 holdfast-fapi"; do
		# shellcheck disable=SC2086
		inside man -w $page >/dev/null
	done
	inside man -P cat 8 holdfastd | grep -q 'Holdfast trust service'
}

@test "units: systemd knows every word in them" {
	local out
	out=$(inside systemd-analyze verify --man=yes --recursive-errors=no \
		/lib/systemd/system/holdfastd.service /lib/systemd/system/holdfastd.socket 2>&1)
	refute grep holdfast <<<"$out"
}

@test "units: what the service may reach is at most 2.0 as systemd counts it" {
	inside systemd-analyze security --no-pager --threshold=20 holdfastd.service
	# It counts: nothing is that tight.
	refute inside systemd-analyze security --no-pager --threshold=1 holdfastd.service >/dev/null
}

@test "rule: udev takes it, after that of Debian or before" {
	local rule=/lib/udev/rules.d/60-holdfast.rules
	[[ $(inside grep -vcE '^#|^$' "$rule") == 1 ]]
	inside grep -qE '^ACTION!="remove", SUBSYSTEM=="tpm", KERNEL=="tpm\[0-9\]\*",' "$rule"
	# Of the device only its class is made up: any will do to have all rules read.
	inside udevadm test /sys/class/mem/null >"$M/out" 2>&1 || true
	grep -q "Reading rules file: .*60-holdfast.rules" "$M/out"
	refute grep -E '60-holdfast.rules:[0-9]+ ' "$M/out"
	refute inside grep -h '^[^#].*tpm\[0-9\].*GROUP' /lib/udev/rules.d/60-tpm-udev.rules
}

@test "users: a member of group holdfast is answered, another is told what he lacks" {
	inside usermod -aG holdfast member
	as member holdfast status | grep -qi legacy
	refute as stranger holdfast status >"$M/out" 2>&1
	grep -q "for members of group holdfast" "$M/out"
	grep -q "usermod -aG" "$M/out"
	printf 'not for root alone' | as member holdfast seal --name early
	# Sealed in software: what comes after the chip is seen by its provider.
	[[ $(as member holdfast unseal --name early) == 'not for root alone' ]]
}

@test "chip: with one that is configured, all is sealed by it, and FAPI reaches it in the sandbox" {
	inside systemctl start chip.service
	wait_until 20 inside test -S /run/chip.sock.ctrl
	inside tee -a "$CONF" >/dev/null <<-'END'
		provider = "tpm"
		tpm { tcti = "swtpm:path=/run/chip.sock"  wait = 0 }
	END
	restarted
	wait_until 60 provider_is tpm
	[[ $(inside holdfast status --json | jq -r .fapi.probe) == succeeded ]]
	printf 'by the chip' | as member holdfast seal >"$M/blob"
	[[ $(as member holdfast unseal <"$M/blob") == 'by the chip' ]]
	inside holdfast fapi probe
	as member holdfast key create web --type ecc-p256
}

@test "sandbox: it is in force: no capability, no network, system calls filtered, nothing writable" {
	local pid status view
	pid=$(main_pid)
	status=$(inside cat "/proc/$pid/status")
	grep -qE '^CapBnd:\s+0+$' <<<"$status"
	grep -qE '^NoNewPrivs:\s+1$' <<<"$status"
	grep -qE '^Seccomp:\s+2$' <<<"$status"
	[[ $(inside readlink "/proc/$pid/ns/net") != $(inside readlink /proc/1/ns/net) ]]
	# In its view of the files, where even root is held. Nothing can be started in it but its own.
	view=/proc/$pid/root
	refute inside touch "$view/etc/holdfast/x"
	refute inside touch "$view/usr/x"
	inside touch "$view/var/lib/holdfast/.probe"
	inside rm /var/lib/holdfast/.probe
	refute inside "$view/usr/bin/touch" --version
	refute inside "$view/usr/bin/env" true
	inside "$view$(inside readlink "/proc/$pid/exe")" --version
	[[ $(inside awk '/^Max locked memory/ {print ($5 >= 65536)}' "/proc/$pid/limits") == 1 ]]
}

@test "tenants: one that is added is served in a folder of its own, and its group is read" {
	inside holdfast tenant add web
	inside test -S /run/holdfast/tenants/web/holdfast.sock
	printf 'of web' | inside holdfast-client --socket /run/holdfast/tenants/web/holdfast.sock \
		seal --name its
	inside systemd-run --quiet --wait --pipe --unit=reader -p CPUAccounting=yes -- \
		holdfast-client --socket /run/holdfast/tenants/web/holdfast.sock usage --json >"$M/out"
	jq -e . "$M/out" >/dev/null
}

@test "socket: a connection starts the service that was stopped" {
	inside systemctl stop holdfastd.service
	refute is_active holdfastd.service
	is_active holdfastd.socket
	inside test -S "$SOCK"
	# Whoever has a tenant's folder mounted keeps it.
	inside test -d /run/holdfast/tenants/web
	as member holdfast status >/dev/null
	is_active holdfastd.service
	wait_until 60 provider_is tpm
}

@test "reload: the configuration is read again, in the same process" {
	local pid
	pid=$(main_pid)
	inside tee -a "$CONF" >/dev/null <<<'tenant second { keys = 4 }'
	inside systemctl reload holdfastd.service
	wait_until 20 inside test -S /run/holdfast/tenants/second/holdfast.sock
	[[ $(main_pid) == "$pid" ]]
}

@test "watchdog: it is fed; a service that hangs is ended and starts anew" {
	local pid fed
	inside mkdir -p /run/systemd/system/holdfastd.service.d
	printf '[Service]\nWatchdogSec=2\n' |
		inside tee /run/systemd/system/holdfastd.service.d/quick.conf >/dev/null
	inside systemctl daemon-reload
	restarted
	pid=$(main_pid)
	fed=$(property holdfastd.service WatchdogTimestampMonotonic)
	fed_again() { [[ $(property holdfastd.service WatchdogTimestampMonotonic) -gt $fed ]]; }
	wait_until 20 fed_again
	inside sh -c "kill -STOP $pid"
	wait_until 60 is_ready_anew "$pid"
	inside journalctl --no-pager -u holdfastd.service | grep -q "Watchdog timeout"
	inside rm -r /run/systemd/system/holdfastd.service.d
	inside systemctl daemon-reload
	restarted
}

@test "kill: after SIGKILL it is back, with all that it acknowledged" {
	local pid
	pid=$(main_pid)
	printf 'acknowledged' | as member holdfast seal --name before
	inside systemctl kill -s KILL holdfastd.service
	wait_until 60 is_ready_anew "$pid"
	wait_until 60 provider_is tpm
	[[ $(as member holdfast unseal --name before) == acknowledged ]]
}

# The package as it is, with a version that is higher.
higher() { # name
	local work=$M/higher
	rm -rf "$work"
	dpkg-deb -R "$HOLDFAST_PACKAGES/$1"_[0-9]*.deb "$work"
	sed -i -E 's/^Version: .*/&+1/; s/^( *|Depends: .*)libholdfast0 \(= [^)]*\)/\1libholdfast0/' \
		"$work/DEBIAN/control"
	dpkg-deb --root-owner-group -b "$work" "$M/root/packages/$1-higher.deb" >/dev/null
}

@test "upgrade: the service starts anew, and secrets, blobs, keys, tenants and settings are there" {
	local pid
	pid=$(main_pid)
	higher holdfast
	apt_install /packages/holdfast-higher.deb
	[[ $(inside dpkg-query -W -f '${Version}' holdfast) == *+1 ]]
	is_active holdfastd.socket
	is_active holdfastd.service
	[[ $(main_pid) != "$pid" ]]
	wait_until 60 provider_is tpm
	[[ $(as member holdfast unseal --name before) == acknowledged ]]
	[[ $(as member holdfast unseal <"$M/blob") == 'by the chip' ]]
	as member holdfast key list | grep -q web
	[[ $(inside holdfast-client --socket /run/holdfast/tenants/web/holdfast.sock \
		unseal --name its) == 'of web' ]]
	inside grep -q 'swtpm:path=/run/chip.sock' "$CONF"
}

@test "remove: the service is gone, its state and its configuration stay" {
	# What tpm2 apply has made stays, and whoever removes the package is told.
	inside sh -c 'mkdir -p /var/lib/holdfast-tpm2 && echo x >/var/lib/holdfast-tpm2/applied'
	inside env DEBIAN_FRONTEND=noninteractive apt-get -qy remove holdfast >"$M/removed" 2>&1
	grep -q 'run: holdfast tpm2 apply' "$M/removed"
	inside rm -r /var/lib/holdfast-tpm2
	refute is_active holdfastd.service
	refute is_active holdfastd.socket
	refute inside test -e "$SOCK"
	inside test -s /var/lib/holdfast/auth.key
	inside test -s "$CONF"
}

@test "remove: whoever installs it again has all that was there" {
	apt_install holdfast
	wait_until 60 provider_is tpm
	[[ $(as member holdfast unseal --name before) == acknowledged ]]
}

@test "purge: state and configuration are gone, the user stays, and it installs as new" {
	# What is mounted below is left, and keeps nothing else from going.
	inside mkdir /var/lib/holdfast/other
	inside mount -t tmpfs none /var/lib/holdfast/other
	inside touch /var/lib/holdfast/other/file
	inside env DEBIAN_FRONTEND=noninteractive apt-get -qy purge holdfast
	[[ $(inside find /var/lib/holdfast -type f) == /var/lib/holdfast/other/file ]]
	inside umount /var/lib/holdfast/other
	inside rm -r /var/lib/holdfast
	refute inside test -e /etc/holdfast
	refute inside test -e /run/holdfast
	inside id holdfast
	apt_install holdfast
	is_active holdfastd.service
	refute as member holdfast unseal --name before
	[[ -z $(inside systemctl --failed --quiet --no-legend 'holdfast*') ]]
}
