# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# An origin of one's own, with invented salts, and what asks it. Beside helpers.bash.

HOLDFAST_ORIGIN=$(program holdfast-origin)
HOLDFAST=$(program holdfast)

EMAIL=a@b.c
PASSWORD=pw
# Of EMAIL, PASSWORD and SALTS (docs/ARTIFACT.md, "Vectors").
HARDWARE=sdpQlsNOiwuddrrN4FW56cUzwgNjgAw7bGium0zs7Kwh1Q4D04QHmfFdrOHGIH70
USER_KEY=bcbf25ab2d6815dc7296291383309a968ab59cb8da6d32d739503b24f460cc3c
FLEET_KEY=a6e6ba55ecdcd42997f26b7f9b34922459e01851856dfa44280d4a47984e2849
USAGE=2.25.331222883403935337620007880232889463152

# What a publisher and an origin need, in $T.
origin_files() {
	mkdir -p "$T/origin"
	printf '# users\n%s:%s\nd@e.f:x: y\n' "$EMAIL" "$PASSWORD" >"$T/users"
	cat >"$T/salts" <<-'END'
		prefix = "PFX"
		hw = "HWSALT"
		api = "APISALT"
		resource = "res:+salt="
	END
	chmod 600 "$T/users" "$T/salts"
}

# start_origin [OPTION..]: its address is in $ORIGIN, its process in $ORIGIN_PID.
start_origin() {
	: >"$T/origin.log"
	"$HOLDFAST_ORIGIN" --root "$T/origin" --users "$T/users" --salts "$T/salts" "$@" \
		2>"$T/origin.log" 3>&- &
	ORIGIN_PID=$!
	HELPERS+=("$ORIGIN_PID")
	wait_until grep -q 'listening on' "$T/origin.log"
	ORIGIN=http://$(sed -n 's/.*listening on //p' "$T/origin.log")
}

# login [PASSWORD [EMAIL]]: prints the token.
login() {
	curl -sS --fail-with-body -H 'Content-Type: application/json' \
		-d "{\"email\":\"${2:-$EMAIL}\",\"password\":\"${1:-$PASSWORD}\"}" "$ORIGIN/login" |
		jq -r .token
}

# status ARGUMENTS OF CURL..: prints the status; the body is in $T/body.
status() {
	curl -sS -o "$T/body" -w '%{http_code}' "$@"
}

# get_small FILE [FOLDER]: of the API, as it comes, in $T/body; prints the status.
get_small() {
	status -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \
		-d "{\"password\":\"$PASSWORD\",\"hardware\":\"$HARDWARE\",\"fileName\":\"$1\"}" \
		"$ORIGIN/resources/get${2:+/$2}"
}

# openssl_open KEY BLOB PLAIN
openssl_open() {
	openssl enc -d -aes-256-cbc -K "$1" -iv "$(head -c 16 "$2" | xxd -p)" \
		-in <(tail -c +17 "$2") -out "$3"
}

# openssl_seal KEY PLAIN BLOB
openssl_seal() {
	local iv
	iv=$(openssl rand -hex 16)
	{
		xxd -r -p <<<"$iv"
		openssl enc -aes-256-cbc -K "$1" -iv "$iv" -in "$2"
	} >"$3"
}

# Who signs: $T/ca.pem, $T/signer.pem (with its issuer behind it) and $T/signer.key.
make_signer() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/ca.key" \
		-out "$T/ca.pem" -subj '/CN=Kelp CA' -days 30 2>/dev/null
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$T/signer.key" \
		-out "$T/signer.csr" -subj '/O=Kelp/CN=Publisher' 2>/dev/null
	openssl x509 -req -in "$T/signer.csr" -CA "$T/ca.pem" -CAkey "$T/ca.key" -days 20 \
		-extfile <(printf 'keyUsage=digitalSignature\nextendedKeyUsage=%s\n' "$USAGE") \
		-out "$T/leaf.pem" 2>/dev/null
	cat "$T/leaf.pem" "$T/ca.pem" >"$T/signer.pem"
}
