#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# Texts of deploy/ that no container runs: user-data of cloud-init and the module of NixOS, each read by
# the program that they are for. Those are unpacked into a folder and never installed: an installed
# cloud-init would begin to work on this machine. What they say is read by the programs of our packages.

load machine

setup_file() {
	X=$(mktemp -d /tmp/hx-XXXXXX)
	export X
	mkdir "$X"/{debs,root,nix}
	chmod 755 "$X"
	for package in cloud-init nix-bin; do
		apt-get install -s --no-install-recommends "$package" | awk '/^Inst / { print $2 }'
	done | sort -u >"$X/names"
	# Where they are installed there is nothing to unpack.
	(cd "$X/debs" && xargs -r apt-get -q download <"$X/names" >"$X/log" 2>&1) || {
		tail -n 5 "$X/log"
		return 1
	}
	cp "$HOLDFAST_PACKAGES"/{holdfast,libholdfast0}_*.deb "$X/debs"
	for package in "$X"/debs/*.deb; do
		dpkg-deb -x "$package" "$X/root"
	done
}

teardown_file() {
	rm -rf "$X"
}

setup() {
	ROOT=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
	DEPLOY=$ROOT/deploy
	T=$(mktemp -d "$X/t-XXXXXX")
	export LD_LIBRARY_PATH
	LD_LIBRARY_PATH=$(find "$X/root" -name '*.so*' -printf '%h\n' | sort -u | paste -sd :)
}

cloud_init() {
	PYTHONPATH=$X/root/usr/lib/python3/dist-packages python3 "$X/root/usr/bin/cloud-init" "$@"
}

# render FILE FOLDER: reads a configuration as the service and as the renderer do.
render() {
	"$X/root/usr/sbin/holdfastd" --config "$1" --check >/dev/null &&
		"$X/root/usr/bin/holdfast" tpm2 render --root "$2" --config "$1" >/dev/null
}

@test "cloud-init takes the user-data" {
	local file
	for file in user-data host-user-data; do
		cloud_init schema --config-file "$DEPLOY/cloud-init/$file"
	done
	sed 's/^package_update: true/package_update: maybe/' "$DEPLOY/cloud-init/host-user-data" >"$T/bad"
	refute cloud_init schema --config-file "$T/bad" 2>"$T/err"
	grep -q package_update "$T/err"
}

@test "cloud-init: a host gets packages that are there, and the configuration of the example" {
	python3 - "$DEPLOY/cloud-init/host-user-data" "$T" <<-'END'
		import pathlib, sys, yaml
		data = yaml.safe_load(open(sys.argv[1]))
		folder = pathlib.Path(sys.argv[2])
		files = {file["path"]: file for file in data["write_files"]}
		assert set(files) == {"/etc/holdfast/holdfast.conf", "/usr/local/sbin/holdfast-host"}
		assert all(file["owner"] == "root:root" for file in files.values())
		(folder / "conf").write_text(files["/etc/holdfast/holdfast.conf"]["content"])
		(folder / "install").write_text(files["/usr/local/sbin/holdfast-host"]["content"])
		(folder / "packages").write_text("\n".join(data["packages"]))
		assert data["runcmd"] == [["/usr/local/sbin/holdfast-host"]]
	END
	xargs apt-cache show --no-all-versions <"$T/packages" >"$T/out"
	[[ $(grep -c '^Package: ' "$T/out") == $(wc -w <"$T/packages") ]]
	render "$T/conf" "$T/tree"
	grep -q '"P_RSA2048SHA256"' "$T/tree/etc/tpm2-tss/fapi-config.json"
	[[ -f $T/tree/etc/systemd/system/tpm2-abrmd.service ]]
	sh -n "$T/install"
	# Without the packages it says so and changes nothing.
	refute env SOURCE="$T" sh "$T/install" 2>"$T/err"
	grep -q "no $T/libholdfast0_" "$T/err"
}

nix() { # options of nix-instantiate..
	NIX_STORE_DIR=$X/nix/store NIX_STATE_DIR=$X/nix/var NIX_LOG_DIR=$X/nix/log \
		NIX_CONF_DIR=$X/nix/conf HOME=$X/nix PATH=$X/root/usr/bin:$PATH nix-instantiate "$@"
}

# module WANTED MEMBER: as JSON.
module() {
	nix --eval --strict --json "$BATS_TEST_DIRNAME/nix.nix" --arg want "$1" -A "$2" 2>"$T/err" || {
		cat "$T/err"
		return 1
	}
}

@test "nix: the module and the package are Nix" {
	nix --parse "$DEPLOY/nix/module.nix" >/dev/null
	nix --parse "$DEPLOY/nix/package.nix" >/dev/null
	printf '{ }}' >"$T/bad.nix"
	refute nix --parse "$T/bad.nix" 2>/dev/null
}

@test "nix: its defaults render what those of holdfast.conf do" {
	module '{ tpm2.enable = true; }' conf | jq -r . >"$T/nix.conf"
	printf 'tpm2 { enable = true }\n' >"$T/own.conf"
	render "$T/nix.conf" "$T/nix"
	render "$T/own.conf" "$T/own"
	[[ -f $T/own/etc/tpm2-tss/fapi-config.json ]]
	diff -r "$T/own" "$T/nix"
}

@test "nix: every key of section tpm2 is an option, and nothing else is" {
	module '{ tpm2 = { enable = true; tssUser = "a"; fapi = { ekCertLess = true; ekFingerprint = "f"; }; }; }' \
		conf | jq -r . >"$T/nix.conf"
	sed -n 's/^\([A-Za-z0-9]*\) [={].*/\1/p' "$T/nix.conf" | sort >"$T/has"
	awk '/^#tpm2 \{/ { in_it = 1 } in_it' "$DEPLOY/holdfast.conf" |
		sed -n 's/^#[\t ]*\([A-Za-z0-9]*\) [={].*/\1/p' | sort >"$T/wanted"
	[[ $(wc -l <"$T/wanted") -gt 25 ]]
	diff "$T/wanted" "$T/has"
}

@test "nix: the seed's example, and what is refused" {
	local all='{ extraConfig = "tenant web { }\n"; tpm2 = { enable = true; abrmd.enable = true;
		pkcs11.enable = true; tctiEnvironment = { enable = true; interface = "tabrmd"; };
		fapi = { profileName = "P_RSA2048SHA256"; ekCertLess = true; systemPcrs = [ 1 2 ]; }; }; }'
	module "$all" conf | jq -r . >"$T/conf"
	render "$T/conf" "$T/tree"
	jq -e '.profile_name == "P_RSA2048SHA256" and .ek_cert_less == "yes" and
		(.system_pcrs | tojson | contains("[1,2]"))' "$T/tree/etc/tpm2-tss/fapi-config.json"
	grep -q '/nix/store/tpm2-abrmd/bin/tpm2-abrmd' "$T/tree/etc/systemd/system/tpm2-abrmd.service"
	# What it links of the tree is there.
	module "$all" command | jq -r . | grep -o '\$out/etc/[^"]*' | sed 's/^\$out//' >"$T/links"
	[[ -s $T/links ]]
	while read -r link; do
		[[ -e $T/tree$link ]]
	done <"$T/links"
	[[ $(module "$all" variables | jq -r .TPM2TOOLS_TCTI) == tabrmd:bus_name=com.intel.tss2.Tabrmd ]]
	[[ $(module "$all" units) == '["holdfastd","tpm2-abrmd"]' ]]
	[[ $(module '{ tpm2.enable = true; }' units) == '["holdfastd"]' ]]
	[[ $(module '{ }' etc) == '["holdfast/holdfast.conf"]' ]]

	refute module '{ tpm2.fapi.systemPcrs = [ 24 ]; }' conf >"$T/out"
	grep -q systemPcrs "$T/out"
	refute module '{ tpm2.tctiEnvironment.interface = "mssim"; }' conf >"$T/out"
	grep -q 'tabrmd device holdfast' "$T/out"
	refute module '{ tpm2.nothing = true; }' conf >"$T/out"
	grep -q 'no option nothing' "$T/out"
}
