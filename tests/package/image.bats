#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# The images of deploy/Dockerfile: built from source on a Debian, and run as docs/DEPLOY.md says, by
# podman, by compose and as Pods. A socket of an emulator stands in for the device nodes.

load machine
load image

setup_file() {
	images_begin
	images_build >"$I/build.log" 2>&1 || {
		tail -n 60 "$I/build.log"
		return 1
	}
	grep '^# ' "$I/build.log" >&3 || true
}

teardown_file() {
	images_end
}

setup() {
	ENGINE_PID=
	node_make
}

teardown() {
	podman_own logs service 2>/dev/null | tail -n 20 || true
	if [[ -n $ENGINE_PID ]]; then
		kill "$ENGINE_PID" 2>/dev/null || true
		wait "$ENGINE_PID" 2>/dev/null || true
	fi
	podman_own pod rm -fa -t 0 >/dev/null 2>&1 || true
	podman_own rm -fa -t 0 >/dev/null 2>&1 || true
	podman_own volume prune -f >/dev/null 2>&1 || true
	node_end
}

inspect() { # image, template
	podman_own image inspect --format "$2" "localhost/$1:1"
}

# --- what is in them ---

@test "nobody is root, and no image names a processor or a registry" {
	[[ $(inspect holdfast '{{.Config.User}}') == 10001:10001 ]]
	[[ $(inspect holdfast-loader '{{.Config.User}}') == 10002:10002 ]]
	[[ $(inspect holdfast-client '{{.Config.User}}') == 65534:65534 ]]
	[[ $(inspect holdfast-swtpm '{{.Config.User}}') == 10001:10001 ]]
	[[ $(inspect holdfast '{{.Config.Healthcheck.Test}}') == *holdfast*status* ]]
	[[ $(inspect holdfast '{{index .Config.Labels "org.opencontainers.image.licenses"}}') == Apache-2.0 ]]
	refute grep -nEi 'amd64|arm64|aarch64|x86_64|--platform' "$DEPLOY/Dockerfile"
	refute grep -nE '^FROM +[^ ]*[./][^ ]*/' "$DEPLOY/Dockerfile"
}

@test "all libraries and both ways to a chip are there, and nothing that builds" {
	local name
	podman_own run --rm --user 0:0 --entrypoint /usr/bin/ldd localhost/holdfast:1 /usr/sbin/holdfastd \
		/usr/bin/holdfast /usr/libexec/holdfast/holdfast-fapi >"$T/out"
	refute grep 'not found' "$T/out"
	podman_own run --rm --entrypoint /usr/bin/ldd localhost/holdfast-loader:1 \
		/usr/bin/holdfast-loader >"$T/out"
	refute grep 'not found' "$T/out"
	podman_own run --rm --entrypoint /usr/bin/dpkg-query localhost/holdfast:1 -W >"$T/out"
	for name in libtss2-tcti-device0 libtss2-tcti-swtpm0; do
		grep -q "^$name" "$T/out"
	done
	refute grep -E '^(gcc|meson|libtss2-dev|linux-libc-dev)[[:space:]:]' "$T/out"
	podman_own run --rm localhost/holdfast-client:1 version | grep -q '^holdfast '
}

# --- one container, and another ---

@test "seal and unseal, from inside and from a container with a tenant's folder" {
	service_run
	wait_until 30 serves hf
	[[ $(podman_own exec service id -u) == 10001 ]]
	podman_own exec service grep -qx 'CapBnd:.0000000000000000' /proc/1/status
	refute podman_own exec service touch /etc/x 2>/dev/null
	podman_own healthcheck run service
	# FAPI itself, not only the socket.
	hf status | grep -qE '^FAPI probe +succeeded'

	echo 'of the host' | hf seal >"$T/blob"
	[[ $(hf unseal <"$T/blob") == 'of the host' ]]
	wait_until 20 serves tenant web
	echo 'of the tenant' | tenant web seal >"$T/blob-web"
	[[ $(tenant web unseal <"$T/blob-web") == 'of the tenant' ]]
	refute tenant web unseal <"$T/blob" >"$T/out" 2>"$T/err"
	grep -q wrong_tenant "$T/err"
	[[ ! -s $T/out ]]
	refute tenant loader unseal <"$T/blob-web" 2>"$T/err"
	grep -q wrong_tenant "$T/err"
	# The folder is all that it has of the service.
	refute tenant web tenant list 2>/dev/null
}

@test "SIGTERM ends it in order, and the next start finds the same secrets" {
	local began
	service_run
	wait_until 30 serves hf
	echo kept | hf seal --name it
	began=$SECONDS
	podman_own stop -t 30 service >/dev/null
	((SECONDS - began < 10))
	[[ $(podman_own inspect --format '{{.State.ExitCode}}' service) == 0 ]]
	podman_own logs service 2>&1 | grep -q 'holdfastd: stopping'
	podman_own rm service >/dev/null

	service_run
	wait_until 30 serves hf
	[[ $(hf unseal --name it) == kept ]]
}

@test "without its TPM it stays up and says so, and makes nothing in software" {
	kill -9 "$SWTPM_PID"
	service_run
	required() {
		hf --json status </dev/null 2>/dev/null | jq -e '.provider != "deciding"' >/dev/null
	}
	wait_until 90 required
	hf --json status </dev/null >"$T/out"
	jq -e '.provider != "legacy" and .provider != "tpm"' "$T/out"
	refute hf seal </dev/null >"$T/out" 2>"$T/err"
	grep -q tpm_required "$T/err"
}

@test "a state folder that others may read is refused, by name" {
	chmod 755 "$T/var/lib/holdfast"
	service_run
	[[ $(podman_own wait service) == 1 ]]
	podman_own logs service 2>&1 | grep -q 'chmod 700 /var/lib/holdfast'
}

# --- compose ---

compose() {
	docker-compose -p hold -f "$DEPLOY/docker-compose.yml" "$@"
}

@test "compose: the files are valid, with the devices of the machine and without" {
	compose config >"$T/tpm.yml"
	compose -f "$DEPLOY/docker-compose.swtpm.yml" config >"$T/swtpm.yml"
	sed 's/cap_drop/cap_dorp/' "$DEPLOY/docker-compose.yml" >"$T/bad.yml"
	refute docker-compose -f "$T/bad.yml" config -q 2>"$T/err"
	grep -q cap_dorp "$T/err"
	python3 - "$T/tpm.yml" "$T/swtpm.yml" <<-'END'
		import sys, yaml
		tpm, swtpm = (yaml.safe_load(open(name))["services"] for name in sys.argv[1:])
		assert tpm["holdfastd"]["devices"] == ["/dev/tpm0:/dev/tpm0", "/dev/tpmrm0:/dev/tpmrm0"]
		assert swtpm["holdfastd"]["devices"] == ["/dev/null:/dev/tpm0", "/dev/null:/dev/tpmrm0"]
		assert sorted(tpm) == ["holdfastd", "loader", "web"]
		assert sorted(swtpm) == ["holdfastd", "loader", "swtpm", "web"]
		for name, one in {**tpm, **swtpm}.items():
		    assert one["cap_drop"] == ["ALL"] and one["read_only"] is True, name
		    assert one["security_opt"] == ["no-new-privileges:true"], name
		    assert "privileged" not in one and one.get("user") != "0:0", name
		    assert name == "holdfastd" or "devices" not in one, name
		    assert all(port.startswith("127.0.0.1:") for port in one.get("ports", []))
		for name in ("web", "loader"):
		    mounts = {one["target"]: one for one in tpm[name]["volumes"]}
		    folder = mounts["/run/holdfast"]
		    assert folder["source"].endswith("/tenants/" + name) and folder["read_only"] is True
		writable = {v["target"] for v in tpm["loader"]["volumes"] if not v.get("read_only")}
		assert writable == {"/var/cache/holdfast-loader", "/var/run/docker.sock"}, writable
	END
}

engine_answers() {
	curl -s --max-time 5 --unix-socket "$T/engine.sock" http://docker/_ping >/dev/null
}

@test "compose: up with an emulator, seal in the application's container, down, up" {
	local id
	# Itself, and no shell around it, so that it is what teardown ends.
	podman --tmpdir "$I/podman" system service --time=0 "unix://$T/engine.sock" \
		>"$T/engine.log" 2>&1 3>&- &
	ENGINE_PID=$!
	wait_until 20 engine_answers
	export DOCKER_HOST=unix://$T/engine.sock HOLDFAST_RUN=$T/run/holdfast
	up() {
		compose -f "$DEPLOY/docker-compose.swtpm.yml" "$@" </dev/null 3>&-
	}
	in_web() {
		compose -f "$DEPLOY/docker-compose.swtpm.yml" run --rm -T --no-deps web "$@" 3>&-
	}
	up up -d --no-build holdfastd
	id=$(up ps -q holdfastd)
	# There is no systemd that would ask it as Docker does.
	wait_until 30 podman_own healthcheck run "$id"
	up up -d --no-build web
	wait_until 30 serves in_web
	echo composed | in_web seal >"$T/blob"
	up stop
	up up -d --no-build holdfastd
	wait_until 30 serves in_web
	[[ $(in_web unseal <"$T/blob") == composed ]]
	up down -v
}

# --- Kubernetes ---

@test "Kubernetes: the objects are valid" {
	command -v npm >/dev/null || skip "npm is not installed"
	npm install --silent --no-audit --no-fund --prefix "$I/npm" kubernetes-models@5.1.0 \
		>"$T/npm" 2>&1 || skip "kubernetes-models is not to be had: $(tail -n 1 "$T/npm")"
	valid() {
		"$BATS_TEST_DIRNAME/kubernetes.py" json "$@" >"$T/objects" &&
			node "$BATS_TEST_DIRNAME/kubernetes.mjs" "$I/npm/node_modules/kubernetes-models" \
				<"$T/objects"
	}
	valid "$DEPLOY"/kubernetes/*.yaml >"$T/out"
	[[ $(sort "$T/out" | paste -sd ,) == "ConfigMap holdfast,DaemonSet holdfast-loader,DaemonSet holdfastd,Namespace holdfast,Pod web" ]]
	sed 's/mountPath: /mountPth: /' "$DEPLOY/kubernetes/web.yaml" >"$T/bad.yaml"
	refute valid "$T/bad.yaml" 2>"$T/err"
	grep -q mountPath "$T/err"
}

play() { # name of a file in deploy/kubernetes
	"$BATS_TEST_DIRNAME/kubernetes.py" pod "$DEPLOY/kubernetes/$1.yaml" "$T" >"$T/$1.yaml"
	refute grep -nE 'privileged|runAsUser: 0' "$T/$1.yaml"
	podman_own play kube --network none "$T/$1.yaml" >/dev/null
}

@test "Kubernetes: the Pods run, the application's seals" {
	play holdfast
	host() {
		podman_own exec -i holdfastd-holdfastd holdfast "$@"
	}
	wait_until 30 serves host
	[[ $(podman_own exec holdfastd-holdfastd id -u) == 10001 ]]
	play web
	wait_until 20 podman_own logs web-web
	podman_own wait web-web >/dev/null
	podman_own logs web-web | grep -qE '^tenant +web$'
	echo pod | tenant web seal >"$T/blob"
	[[ $(tenant web unseal <"$T/blob") == pod ]]

	mkdir "$T/etc/holdfast-loader"
	printf 'prefix = "p"\nhw = "h"\napi = "a"\nresource = "r"\n' \
		>"$T/etc/holdfast-loader/loader.salts"
	cp "$ROOT/docs/examples/holdfast-loader.conf" "$T/etc/holdfast-loader/"
	chmod 600 "$T/etc/holdfast-loader/loader.salts"
	chown -R 10002:10002 "$T/etc/holdfast-loader"
	play loader
	loader_serves() {
		podman_own exec holdfast-loader-holdfast-loader holdfast-loader status --json |
			jq -e '.provider == "tpm"' >/dev/null
	}
	wait_until 20 loader_serves
}

# --- another processor ---

@test "the client's image is made for another processor" {
	local file=$I/arm64
	command -v aarch64-linux-gnu-gcc >/dev/null || skip "there is no compiler for arm64"
	mkdir -p "$file/out/usr/bin"
	printf 'int main(void) { return 0; }\n' >"$file/main.c"
	aarch64-linux-gnu-gcc -static -o "$file/out/usr/bin/holdfast-client" "$file/main.c"
	awk '/^FROM / { in_it = / AS client$/ } in_it' "$DEPLOY/Dockerfile" >"$file/Dockerfile"
	buildah bud --format docker --arch arm64 --build-context "build=$file" \
		-f "$file/Dockerfile" -t localhost/other:1 "$file" >"$T/out" 2>&1
	[[ $(inspect other '{{.Architecture}}') == arm64 ]]
	[[ $(inspect holdfast-client '{{.Architecture}}') == "$(dpkg --print-architecture)" ]]
}
