# SPDX-License-Identifier: Apache-2.0
# For tests of the OpenSSL module: stock programs with an openssl.cnf that has it active. TLS is
# spoken over Unix sockets, so that no port is taken.

HOLDFAST=$(program holdfast)
USE=$BUILD/tests/tls/tls_use
FETCH=$BUILD/tests/tls/tls_fetch
NGINX=$(command -v nginx || echo /usr/sbin/nginx)

# openssl_config [LINE..]: the module active beside the default provider, lines for its section.
openssl_config() {
	mkdir -p "$T/modules"
	ln -sfn "$BUILD/src/openssl/holdfast.so" "$T/modules/holdfast.so"
	cat >"$T/openssl.cnf" <<-END
		openssl_conf = top
		[top]
		providers = providers
		[providers]
		default = of_default
		holdfast = of_holdfast
		[of_default]
		activate = 1
		[of_holdfast]
		module = $T/modules/holdfast.so
		activate = 1
		$(printf '%s\n' "$@")
		[req]
		distinguished_name = name
		[name]
	END
	export OPENSSL_CONF=$T/openssl.cnf
	unset OPENSSL_MODULES
}

# tls_on tpm|legacy: a daemon, and the module that uses it.
tls_on() {
	on "$1"
	openssl_config
	export HOLDFAST_SOCKET=$SOCK
}

# named NAME: a certificate of its own for a key of the service.
named() {
	openssl req -new -x509 -key "holdfast:key/$1" -subj "/CN=$1" -days 30 -out "$T/$1.crt"
}

# ordinary NAME: a key in a file, and its certificate, for a server or a client.
ordinary() {
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
		-keyout "$T/$1.key" -subj /CN=localhost -addext subjectAltName=DNS:localhost \
		-out "$T/$1.crt" 2>"$T/req.log" || { cat "$T/req.log" && false; }
}

# key_file NAME: its PEM reference.
key_file() {
	hf key key-file "$1" --out "$T/$1.pem"
}

# nginx_start CERT KEY [LINE of its server..]: it serves TLS on $T/web.
nginx_start() {
	local cert=$1 key=$2
	shift 2
	mkdir -p "$T/nginx/html"
	echo served >"$T/nginx/html/index.html"
	cat >"$T/nginx/conf" <<-END
		user root;
		daemon off;
		worker_processes 2;
		pid $T/nginx/pid;
		error_log $T/nginx/log info;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path $T/nginx/a;
			proxy_temp_path $T/nginx/b;
			fastcgi_temp_path $T/nginx/c;
			uwsgi_temp_path $T/nginx/d;
			scgi_temp_path $T/nginx/e;
			server {
				listen unix:$T/web ssl;
				server_name localhost;
				root $T/nginx/html;
				ssl_certificate $cert;
				ssl_certificate_key $key;
				ssl_protocols TLSv1.2 TLSv1.3;
				ssl_session_cache off;
				ssl_session_tickets off;
				$(printf '%s\n' "$@")
			}
		}
	END
	"$NGINX" -p "$T/nginx" -e "$T/nginx/log" -c "$T/nginx/conf" >"$T/nginx/out" 2>&1 3>&- &
	NGINX_PID=$!
	wait_until serves || { cat "$T/nginx/out" "$T/nginx/log" && false; }
}

serves() {
	is_gone "$NGINX_PID" || listens "$T/web"
}

# The master ends its workers; it takes them along, which a kill would not.
nginx_stop() {
	if [[ -n ${NGINX_PID:-} ]]; then
		kill -TERM "$NGINX_PID" 2>/dev/null || true
		wait "$NGINX_PID" 2>/dev/null || true
	fi
	NGINX_PID=
}

# client_accepts KEY CERT -tls1_3|-tls1_2: nginx on $T/web accepts s_client with this key.
client_accepts() {
	printf 'GET / HTTP/1.0\r\n\r\n' |
		openssl s_client -unix "$T/web" -CAfile "$T/web.crt" -verify_return_error -quiet \
			-servername localhost "$3" -key "$1" -cert "$2" >"$T/out" 2>"$T/err" || true
	grep -q served "$T/out" || { cat "$T/out" "$T/err" && false; }
}

# warmly costs COUNT COMMAND..: once before it is counted, since a key may have left the chip's slots
# for another.
warmly() {
	"${@:3}"
	"$@"
}

# costs COUNT COMMAND..: so many TPM commands.
costs() {
	local expected=$1 before spent
	shift
	before=$(commands_sent)
	"$@"
	spent=$(($(commands_sent) - before))
	[[ $spent == "$expected" ]] || { echo "$spent TPM commands, not $expected: $*" && false; }
}

python_client() { # certificate, key file
	python3 - "$T/web" "$T/web.crt" "$@" <<-'END'
		import socket, ssl, sys
		path, ca, cert, key = sys.argv[1:]
		context = ssl.create_default_context(cafile=ca)
		context.load_cert_chain(cert, key)
		with socket.socket(socket.AF_UNIX) as raw:
		    raw.connect(path)
		    with context.wrap_socket(raw, server_hostname="localhost") as link:
		        link.sendall(b"GET / HTTP/1.0\r\n\r\n")
		        answer = b"".join(iter(lambda: link.recv(4096), b""))
		sys.exit(0 if answer.startswith(b"HTTP/1.1 200") else 1)
	END
}
