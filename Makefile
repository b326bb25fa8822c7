# The only door: `make run` to use it, `make dev` to work on it, `make test` before it leaves the house.

# Where CI or an administrator's shell has no rustup on the PATH.
export PATH := $(HOME)/.cargo/bin:$(PATH)

LISTEN ?= 127.0.0.1:8080
DATA ?= data

wasm-in := target/wasm32-unknown-unknown/wasm/wasm.wasm
wasm-out := web/src/generated/wasm/wasm_bg.wasm
web-out := web/dist/index.html
server := target/debug/entrenous

# Everything is compiled once, and Clippy looks on: a warning is an error. The tool that makes the web's module shares
# nothing with the rest, and is looked at where it is built.
strictly := env RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-Dwarnings cargo
tested := $(strictly) test --workspace --exclude wasm-bindgen-tool --all-features

rust-of = $(shell find $(1) -name '*.rs' -o -name Cargo.toml)
web-sources := $(shell find web/src web/public web/index.html web/vite.config.ts web/emoji-data.ts web/svelte.config.js \
  -type f -not -path 'web/src/generated/*')

.PHONY: run dev test check test-rust test-web e2e test-mariadb test-postgres test-cluster test-pythonanywhere test-long test-delete-journal test-mariadb-whole test-postgres-whole bench bench-search fuzz api dist test-dist clean

run: server
	$(server) serve --listen $(LISTEN) --data $(DATA)

# The server as `make run` has it, and Vite with hot reload in front of it. Ctrl+C ends both.
dev: server
	@$(server) serve --data $(DATA) & server=$$!; trap 'kill $$server' EXIT; cd web && npm run dev

# The web application is part of the binary.
.PHONY: server
server: $(web-out)
	cargo build --package entrenous

test: check test-rust test-web e2e test-mariadb test-postgres test-cluster test-pythonanywhere

# And what takes longer than its news are worth each time: before a release.
test-long: test test-delete-journal test-mariadb-whole test-postgres-whole fuzz test-dist

# ── Checks that run nothing ──────────────────────────────────────────────────────────────────────────────────

check: $(web-out) web/node_modules/.stamp e2e/node_modules/.stamp
	cargo fmt --check
	$(tested) --no-run --quiet
	cd web && npm run check && npm run lint
	cd e2e && npm run check && npm run lint
	# The web's types are those of the API as it is described; a test holds the description to the code.
	cd web && npm run --silent api && git diff --exit-code src/lib/api/schema.ts

# ── Tests ────────────────────────────────────────────────────────────────────────────────────────────────────

test-rust: $(web-out) target/pebble.stamp
	$(tested)
	# As on the file systems of a network.
	ENTRENOUS_SQLITE_JOURNAL=delete $(tested) --test all -- messages:: archive::

test-delete-journal: $(web-out) target/pebble.stamp
	ENTRENOUS_SQLITE_JOURNAL=delete $(tested) --test all

test-web: $(web-out) web/node_modules/.stamp
	$(tested) --no-run --quiet
	cd web && npm test
	node --test web/wasm/tests/

# Two and three real browsers against the real server, some of them through a real nginx. The server and the examples that
# they need are those of the Rust tests.
e2e: $(web-out) e2e/node_modules/.stamp target/chromium.stamp target/nginx.stamp target/faketime.stamp
	$(tested) --no-run --quiet
	cd e2e && npm test

# ── On other hosts ───────────────────────────────────────────────────────────────────────────────────────────

# The server's tests once more, those of a database server's bad days, and the story of two people in browsers.
# Where an engine could answer differently; `make test-long` has all on each.
touched := accounts:: archive:: changes:: conversations:: digest:: erasure:: indicators:: messages:: passkeys:: people:: \
  resets:: retention:: scheduled:: sessions::
for-browsers := $(web-out) e2e/node_modules/.stamp target/chromium.stamp

test-mariadb: $(for-browsers) target/mariadb.stamp
	$(tested) --no-run --quiet
	tools/with-database mariadb $(MAKE) --no-print-directory on-this-database TOUCHED='$(touched)' BAD_DAYS='engines:: mysql8::'

test-postgres: $(for-browsers) target/postgres.stamp
	$(tested) --no-run --quiet
	tools/with-database postgres $(MAKE) --no-print-directory on-this-database TOUCHED='$(touched)'

test-mariadb-whole: $(for-browsers) target/mariadb.stamp
	$(tested) --no-run --quiet
	tools/with-database mariadb $(tested) --test all

test-postgres-whole: $(for-browsers) target/postgres.stamp
	$(tested) --no-run --quiet
	tools/with-database postgres $(tested) --test all

.PHONY: on-this-database
BAD_DAYS := engines::
on-this-database:
	$(tested) --test all -- $(TOUCHED)
	$(tested) --test faults -- $(BAD_DAYS) --ignored --test-threads 1
	cd e2e && npx playwright test /story.spec

# Several nodes on one MariaDB, with NATS between them.
test-cluster: $(for-browsers) target/mariadb.stamp target/nats.stamp target/nginx.stamp
	$(tested) --no-run --quiet
	tools/with-database mariadb $(tested) --test faults -- cluster:: --ignored --test-threads 1
	cd e2e && ../tools/with-database mariadb npx playwright test --config cluster/playwright.config.ts

# What is known of that host, on this machine: deploy/pythonanywhere/README.md.
test-pythonanywhere: $(for-browsers) target/mariadb.stamp target/nginx.stamp
	$(tested) --no-run --quiet
	cd e2e && ../tools/with-database mariadb npx playwright test --config pythonanywhere/playwright.config.ts

# ── Load: docs/performance.md ────────────────────────────────────────────────────────────────────────────────

# On a machine that does nothing else. `make bench ONLY=pairs16` for one phase; SECONDS= and ROUNDS= for how long.
bench: $(web-out)
	cargo build --release --package entrenous --package bench
	target/release/bench $(if $(ONLY),--only $(ONLY)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(ROUNDS),--rounds $(ROUNDS))

# In a browser: 100,000 messages, or MESSAGES=.
bench-search: server e2e/node_modules/.stamp target/chromium.stamp
	cargo build --package client --example fill
	cd e2e && npx playwright test --config measure/playwright.config.ts

# ── Bytes that nobody meant: docs/development.md ─────────────────────────────────────────────────────────────

# Each parser for SECONDS= (20), or one of them with ONLY=; it ends at the first crash, with the bytes that did it. No
# sanitizer, which the stable toolchain does not have: the code is safe Rust, where a mistake is a panic.
fuzzed := $(if $(ONLY),$(ONLY),$(patsubst fuzz/fuzz_targets/%.rs,%,$(wildcard fuzz/fuzz_targets/*.rs)))
fuzz-run := PATH="$(CURDIR)/target/tools/bin:$$PATH" cargo fuzz
fuzz-flags := --fuzz-dir fuzz --sanitizer none --target-dir target/fuzz
fuzz: target/tools/bin/cargo-fuzz $(web-out)
	cargo run --quiet --package e2ee --all-features --example seeds -- target/fuzz/corpus
	$(fuzz-run) build $(fuzz-flags)
	@for target in $(fuzzed); do \
	  echo "── $$target" && mkdir -p target/fuzz/corpus/$$target && \
	  $(fuzz-run) run $(fuzz-flags) $$target target/fuzz/corpus/$$target -- \
	    -max_total_time=$(if $(SECONDS),$(SECONDS),20) -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 || exit 1; \
	done

# ── To give away: docs/self-hosting.md ───────────────────────────────────────────────────────────────────────

version := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
musl := x86_64-unknown-linux-musl
binary := target/dist/entrenous-$(version)-x86_64-linux-musl

# One static binary with the web inside, what is in it, and their sums.
dist: $(web-out) target/musl.stamp target/tools/bin/cargo-cyclonedx
	# The addresses to be set right at its start, written short: a megabyte less.
	cargo rustc --profile dist --target $(musl) --package entrenous --bin entrenous -- -C link-arg=-Wl,-z,pack-relative-relocs
	@mkdir -p target/dist && rm -f target/dist/entrenous-* target/dist/SHA256SUMS
	cp target/$(musl)/dist/entrenous $(binary)
	node tools/sbom.mjs $(musl) >$(binary).cdx.json
	cd target/dist && sha256sum entrenous-* >SHA256SUMS && cat SHA256SUMS

# It, alone in an empty root; then two people in two browsers write to each other through it there.
test-dist: dist e2e/node_modules/.stamp target/chromium.stamp
	tools/test-dist $(binary)
	cd e2e && ENTRENOUS_BINARY=$(abspath tools/in-empty-root) ENTRENOUS_STATIC=$(abspath $(binary)) npx playwright test /story.spec

# ── Generated files ──────────────────────────────────────────────────────────────────────────────────────────

# After a change of the API: its description and the web's types.
api: server web/node_modules/.stamp
	$(server) openapi > openapi.json
	cd web && npm run --silent api

$(wasm-in): Cargo.toml Cargo.lock $(call rust-of,e2ee web/wasm) target/wasm-target.stamp
	cargo build --package wasm --profile wasm --target wasm32-unknown-unknown
	@touch $@

$(wasm-out): $(wasm-in) $(call rust-of,tools/wasm-bindgen)
	$(strictly) run --quiet --package wasm-bindgen-tool -- $(wasm-in) $(@D)
	@touch $@

$(web-out): $(wasm-out) web/node_modules/.stamp $(web-sources)
	cd web && npm run build
	@touch $@

# After a change of the interface: the pictures of the guides.
.PHONY: tour
tour: server e2e/node_modules/.stamp target/chromium.stamp
	cd e2e && npx playwright test --config tour/playwright.config.ts

# ── What is needed, where it is missing ──────────────────────────────────────────────────────────────────────

target/wasm-target.stamp: rust-toolchain.toml
	rustup target list --installed | grep -q wasm32-unknown-unknown || rustup target add wasm32-unknown-unknown
	@mkdir -p target && touch $@

%/node_modules/.stamp: %/package.json %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	@touch $@

sudo := $(if $(filter 0,$(shell id -u)),,sudo)
target/chromium.stamp:
	command -v chromium-headless-shell >/dev/null || { $(sudo) apt-get update && \
	  $(sudo) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium-headless-shell fonts-noto-color-emoji; }
	@mkdir -p target && touch $@

# Only the program is wanted: no service is started now (policy-rc.d forbids it meanwhile) or at the next boot.
forbid-starts = [ -e /usr/sbin/policy-rc.d ] || { printf '\#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && \
  chmod 755 /usr/sbin/policy-rc.d && trap 'rm /usr/sbin/policy-rc.d' EXIT; }
install-without-start = $(sudo) sh -ec "$(forbid-starts); apt-get update; \
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends $(1); \
  systemctl disable $(2) || true"
target/nginx.stamp:
	test -x /usr/sbin/nginx || $(call install-without-start,nginx,nginx)
	@mkdir -p target && touch $@

target/mariadb.stamp:
	test -x /usr/sbin/mariadbd || $(call install-without-start,mariadb-server,mariadb)
	@mkdir -p target && touch $@

target/postgres.stamp:
	ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || $(call install-without-start,postgresql,postgresql)
	@mkdir -p target && touch $@

target/nats.stamp:
	command -v nats-server >/dev/null || $(call install-without-start,nats-server,nats-server)
	@mkdir -p target && touch $@

# Let's Encrypt's test server.
target/pebble.stamp:
	command -v pebble-challtestsrv >/dev/null || { $(sudo) apt-get update && \
	  $(sudo) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends pebble; }
	@mkdir -p target && touch $@

# For the C in SQLite, ring and mimalloc.
target/musl.stamp: rust-toolchain.toml
	command -v musl-gcc >/dev/null || { $(sudo) apt-get update && \
	  $(sudo) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends musl-tools; }
	rustup target list --installed | grep -q $(musl) || rustup target add $(musl)
	@mkdir -p target && touch $@

target/tools/bin/cargo-cyclonedx:
	cargo install cargo-cyclonedx --version 0.5.9 --locked --root target/tools

target/tools/bin/cargo-fuzz:
	cargo install cargo-fuzz --version 0.13.1 --locked --root target/tools

# Time that passes while nobody waits for it.
target/faketime.stamp:
	command -v faketime >/dev/null || { $(sudo) apt-get update && \
	  $(sudo) env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends faketime; }
	@mkdir -p target && touch $@

clean:
	rm -rf target web/dist web/node_modules web/src/generated e2e/node_modules
