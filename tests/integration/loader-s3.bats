#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The CDN is an S3 server that is not ours (OpenStack Swift's s3api) and looks at every signature.

bats_require_minimum_version 1.5.0
load helpers
load loader

setup_file() {
	scene_begin
	start s3 "$TOOLS/s3.py" "$T/swift" --region test-1 --key acme:reader=Reader-Secret \
		--key acme:writer=Writer-Secret --bucket models --bucket site
	start_proxy link "127.0.0.1:$(port s3)"
	start_origin
	credentials_file keys Reader-Secret
	start_s3_loader loader keys 'test-1'
	logged_in
	plain 500000 >"$T/plain"
}

teardown_file() {
	scene_end
}

# credentials_file NAME READER-SECRET [HOST]
credentials_file() {
	(
		umask 077
		cat >"$T/$1" <<-END
			host: "${3:-http://127.0.0.1:$(port link)}"
			downloader_access_key: "acme:reader"
			downloader_access_secret: "$2"
			uploader_access_key: "acme:writer"
			uploader_access_secret: "Writer-Secret"
		END
	)
}

# start_s3_loader NAME CREDENTIALS REGION [MEMBER..]: without a cdn_url.
start_s3_loader() {
	local name=$1 file=$2 region=$3
	shift 3
	loader_config "$name"
	sed -i '/^cdn_url/d' "$T/$name.conf"
	cat >>"$T/$name.conf" <<-END
		s3 {
			endpoint = "http://127.0.0.1:$(port link)"
			region = "$region"
			credentials_file = "$T/$file"
			$(printf '%s\n' "$@")
		}
	END
	run_loader "$name"
}

scene_mend() {
	rules link
	stand_up
}

upload() { # name file [folder]
	front POST "/upload/$1" -F "data=@$2" -F "folder=${3:-models}"
}

@test "s3: an upload is stored, signed so that the server believes it, and loads" {
	upload up "$T/plain"
	answers 200
	[[ -e $T/origin/models/up.small && ! -e $T/origin/models/up.big ]]
	gives up "$T/plain"
	[[ $(seen link '.method == "PUT" and .path == "/models/up.big" and .s3 and .status < 300') == 1 ]]
	[[ $(seen link '.method == "GET" and .path == "/models/up.big" and .s3 and .status == 200') == 1 ]]
	# What is stored opens with the openssl command.
	cat "$T/origin/models/up.small" "$(cached up)" >"$T/blob"
	openssl_open "$T/blob" "$T/back"
	cmp "$T/plain" "$T/back"
}

@test "s3: it goes on by Range after a drop" {
	upload drops "$T/plain"
	answers 200
	rules link '{"match": "GET /models/drops.big", "drop_bytes": 200000}'
	gives drops "$T/plain"
	rules link
	[[ $(seen link '.path == "/models/drops.big" and .status == 206') == 2 ]]
	(($(jq -s 'map(select(.method == "GET" and .path == "/models/drops.big") | .sent) | add' \
		"$T/link.requests") <= 500016))
}

@test "s3: every allowed character of a name is signed as it is sent" {
	upload 'A-z_0.9~'x "$T/plain"
	[[ $CODE == 422 ]]
	upload 'A-z_0.9' "$T/plain"
	answers 200
	gives 'A-z_0.9' "$T/plain"
}

@test "s3: with a bucket the folder is a part of the key" {
	start_s3_loader bucket keys test-1 'bucket = "site"'
	logged_in
	upload in-bucket "$T/plain" nets
	answers 200
	gives in-bucket "$T/plain" nets
	[[ $(seen link '.path == "/site/nets/in-bucket.big" and .method == "PUT"') == 1 ]]
	stop bucket
}

@test "s3: a wrong secret gives nothing, and it is said" {
	upload guarded "$T/plain"
	answers 200
	credentials_file wrong-keys Wrong-Secret
	start_s3_loader wrong wrong-keys test-1
	logged_in
	begin_load guarded
	wait_until progress guarded .error.detail
	[[ ! -e $(cached guarded) ]]
	[[ $(seen link '.path == "/models/guarded.big" and .status == 403') -ge 1 ]]
	progress guarded .error.detail | grep -Ei '403|credential|access|refuse'
	refute grep -r -e Wrong-Secret -e Writer-Secret "$T/wrong.log"
	front GET /v2/status
	refute grep -e Wrong-Secret -e Writer-Secret "$T/body"
	stop wrong
}

@test "s3: what was never there" {
	plain 5000 >"$T/small.bin"
	upload lost "$T/small.bin"
	answers 200
	cp "$T/origin/models/lost.small" "$T/origin/models/never.small"
	load_named never
	[[ $CODE == 404 || $CODE == 500 ]]
}

@test "s3: settings of the API: cdn.yaml, fetched at the login" {
	credentials_file cdn Reader-Secret
	cp "$T/cdn" "$T/origin/cdn.yaml"
	loader_config by-api
	sed -i '/^cdn_url/d' "$T/by-api.conf"
	printf 's3 {\n\tregion = "test-1"\n}\n' >>"$T/by-api.conf"
	run_loader by-api
	logged_in
	upload by-api "$T/plain"
	answers 200
	gives by-api "$T/plain"
	stop by-api
	rm "$T/origin/cdn.yaml"
	run_loader by-api
	login
	echo "without cdn.yaml: $CODE"
	[[ $CODE == 401 ]]
	stop by-api
}
