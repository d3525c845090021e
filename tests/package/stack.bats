#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A machine whose TPM2 software is configured by one file: what stock programs do on it in a login
# shell, with nothing else set.

load machine.bash

CONF=/etc/holdfast/holdfast.conf

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
		[Install]
		WantedBy=multi-user.target
	END
	# Software that has nothing but the owner of the chip to ask.
	mkdir -p "$M/root/etc/holdfast"
	machine_boot
	inside useradd --create-home --shell /bin/bash user
	apt_install holdfast libholdfast0 tpm2-tools tpm2-abrmd libtss2-tcti-tabrmd0 libtpm2-pkcs11-1 \
		libtpm2-pkcs11-tools opensc p11-kit p11-kit-modules openssl >"$M/apt" 2>&1 || {
		tail -n 30 "$M/apt"
		return 1
	}
	inside usermod -aG tss user
	inside systemctl start chip.service
	wait_until 20 inside test -S /run/chip.sock.ctrl
}

teardown_file() {
	machine_end
}

teardown() {
	[[ -n $BATS_TEST_COMPLETED ]] || machine_tell
}

# Every part, with all that would tell that it was touched.
parts_state() {
	jq -r '.parts[].path' "$M/first" | inside xargs stat -c '%n %i %z %s %a %U:%G'
}

# Users and folders may have gone, and are made each time.
UNCHANGED='(.changed or .kept | not) and all(.parts[]; .deed == "same") and
	all(.reload[]; .well and (.command | test("^systemd-(sysusers|tmpfiles) ")))'

@test "apply: the machine is as the file says, and a second time nothing is to be done" {
	inside tee -a "$CONF" >/dev/null <<-'END'
		tpm { tcti = "swtpm:path=/run/chip.sock"  wait = 0 }
		tpm2 {
			enable = true
			abrmd { enable = true }
			pkcs11 { enable = true }
			tctiEnvironment { enable = true  interface = "tabrmd" }
			fapi { profileName = "P_RSA2048SHA256"  ekCertLess = true }
		}
	END
	inside systemctl restart holdfastd.service
	wait_until 60 provider_is tpm
	inside holdfast tpm2 apply --json >"$M/first"
	jq -e '.changed and (.kept | not) and ([.parts[] | select(.deed == "absent")] | length == 0) and
		all(.reload[]; .well) and (.reload | length > 0)' "$M/first"
	parts_state >"$M/before"
	[[ $(wc -l <"$M/before") -gt 10 ]]
	inside holdfast tpm2 apply --dry-run --json | jq -e "$UNCHANGED"
	inside holdfast tpm2 apply --json >"$M/again"
	jq -e "$UNCHANGED" "$M/again"
	parts_state >"$M/after"
	diff "$M/before" "$M/after"
}

@test "abrmd: it runs on the service's socket" {
	wait_until 60 is_active tpm2-abrmd.service
	[[ $(property tpm2-abrmd.service User) == tss ]]
	property tpm2-abrmd.service ExecStart | grep -q 'swtpm:path=/run/holdfast/tpm.sock'
}

@test "tpm2-tools: random bytes in a login shell" {
	login user 'echo $TPM2TOOLS_TCTI' | grep -q '^tabrmd:'
	[[ $(login user 'tpm2_getrandom 8 --hex') =~ ^[0-9a-f]{16}$ ]]
}

@test "FAPI: provisions, and seals" {
	login user tss2_provision
	login user 'printf sealed >data; tss2_createseal --path=/HS/SRK/it --data=data --authValue=""'
	[[ $(login user 'tss2_unseal --path=/HS/SRK/it --data=-') == sealed ]]
}

# check STATUS: as root in a login shell, into $M/check.
check() {
	local status=0
	login root 'holdfast tpm2 check --json' >"$M/check" || status=$?
	[[ $status == "$1" ]] || {
		echo "exit $status instead of $1"
		jq -c '.checks[]' "$M/check"
		return 1
	}
}

# finds STATE ID..: as the last check() told.
finds() {
	local state=$1 id
	shift
	for id; do
		jq -e --arg id "$id" --arg state "$state" \
			'[.checks[] | select(.id == $id) | .state] == [$state]' "$M/check" >/dev/null || {
			echo "not $state: $id"
			jq -c '.checks[]' "$M/check"
			return 1
		}
	done
}

@test "check: all is as the file says; what is missing fails by its name, and apply mends it" {
	check 0
	finds ok tpm2 file-udev-rules file-udev-trigger file-udev-wanted file-sysusers file-tmpfiles \
		file-abrmd-unit file-abrmd-wanted file-abrmd-bus file-pkcs11-module file-profile \
		file-environment file-fapi-config tss-user tss-group holdfast-group resource-manager abrmd \
		tcti-tools tcti-pkcs11 tcti-openssl tcti fapi-profile fapi-system-dir fapi-keystore \
		pkcs11-module pkcs11-store
	inside mv /etc/tpm2-tss/fapi-config.json /etc/sysusers.d/holdfast-tpm2.conf /root/
	check 1
	finds fail file-fapi-config file-sysusers
	finds ok tpm2 file-profile file-abrmd-unit tss-user abrmd tcti
	inside holdfast tpm2 apply
	inside cmp /root/fapi-config.json /etc/tpm2-tss/fapi-config.json
	inside cmp /root/holdfast-tpm2.conf /etc/sysusers.d/holdfast-tpm2.conf
	check 0
}

@test "PKCS#11: a token and a key in it, by tpm2_ptool and pkcs11-tool" {
	local module
	module=$(inside sh -c 'ls /usr/lib/*/pkcs11/libtpm2_pkcs11.so')
	login user 'p11-kit list-modules' | grep -qi tpm2
	login user 'tpm2_ptool init --path /etc/tpm2_pkcs11 &&
		tpm2_ptool addtoken --pid 1 --label tok --sopin 123456 --userpin 654321 --path /etc/tpm2_pkcs11'
	login user "pkcs11-tool --module $module --list-token-slots" | grep -q tok
	login user "pkcs11-tool --module $module --token-label tok --login --pin 654321 --keypairgen \
		--key-type EC:prime256v1 --id 01 --label ec --usage-sign"
	login user "printf message | openssl dgst -sha256 -binary >digest &&
		pkcs11-tool --module $module --token-label tok --login --pin 654321 --sign --id 01 \
			--mechanism ECDSA --signature-format openssl -i digest -o sig &&
		pkcs11-tool --module $module --token-label tok --read-object --type pubkey --id 01 -o pub.der &&
		openssl pkey -pubin -inform DER -in pub.der -out pub &&
		openssl pkeyutl -verify -pubin -inkey pub -in digest -sigfile sig"
}

@test "off: what was written goes, and the package's own unit is back" {
	inside sed -i '/^tpm2 {/,$ s/^enable = true/enable = false/' "$CONF"
	inside holdfast tpm2 apply
	refute inside test -e /etc/profile.d/holdfast-tpm2.sh
	inside grep -q 'Requires=dev-tpm0.device' /lib/systemd/system/tpm2-abrmd.service
}
