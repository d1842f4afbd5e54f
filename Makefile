# vtoken: build, test, install. `make` alone prints the targets.

GO      ?= go
PREFIX  ?= /usr/local
DESTDIR ?=
FUZZTIME ?= 1m
KEK     ?= file
BASE    ?= main
MUTANTS ?= 200

# Packages whose tests make mutants asks: the core, and what speaks on the socket.
MUTANTS_PACKAGES ?= ./vtoken/... ./keystore/... ./provisioning ./daemon/p11server ./p11module/remote
MUTANTS_SEED     ?= 1

BIN     := bin

# A checkout that belongs to another user, or a machine without git, builds, too.
export GOFLAGS += -buildvcs=false

# Packages that the race detector runs: those whose code or tests start goroutines, or that
# run a suite which does (TestRaceFindsGoroutines). In the rest it has nothing to see, nor in
# scripts around real binaries.
RACE := ./vtoken ./vtoken/enginetest ./vtoken/secret ./vtoken/mech/libcrypto \
	./keystore ./keystore/kek/... ./keystore/kv/... \
	./provisioning ./provisioning/client ./provisioning/dialect/native/... ./provisioning/httpkit/... \
	./daemon/... ./p11module/remote/...

# One test of vtoken/mech is about concurrency; its many vectors are not.
RACE_MECH := TestKeysAreShared

# Tests that do one thing after another, thousands of times: the detector has
# nothing to see in them, and would take minutes for it. They run without it.
RACE_SKIP := EveryByte|PowerCut|OnlySealed|BadInput|ImportMany|AgainstModel|NeedsThePepper|NoKeyInTheFolder|Migrate|StorageFaults|RenewFails|PutBack|LargeFile|LargestFile|FailingDisk|TestNewline|TestProvider/(RoundTrip|Reopened|WrongKey|Changed|Refused|Silent)

# See p11module/doc.go for what these flags are for.
MODULE_LDFLAGS := -s -w -extldflags '-Wl,--version-script=$(CURDIR)/p11module/exports.map -Wl,-Bsymbolic -Wl,-z,nodelete'

.DEFAULT_GOAL := help
.PHONY: FORCE help demo test check soak timing build bench lint fuzz mutants generate install deb clean packages-test packages-build

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## show the main job end to end; KEK=tpm2, tpm2-pcrs, pkcs11, pkcs11-rsa or passphrase has the store opened by that
	@tools/sh/packages.sh demo-$(KEK)
	@$(MAKE) --no-print-directory build
	@KEK=$(KEK) tools/sh/demo.sh

test: packages-test ## set up what is missing, then lint, build, and run every test
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory build
	$(GO) test -count=1 -timeout 30m ./... # go cannot know that tests/ depend on the programs
	STORE_OPS=5000 $(GO) test -race -timeout 30m -skip '$(RACE_SKIP)' $(RACE)
	$(GO) test -race -run '$(RACE_MECH)' ./vtoken/mech

build: packages-build $(BIN)/vtokend $(BIN)/vtoken $(BIN)/p11bench $(BIN)/vtoken-pkcs11.so ## build daemon, CLI, PKCS#11 module and p11bench into bin/

# go build itself knows what is up to date.
$(BIN)/vtokend: FORCE
	$(GO) build -trimpath -o $@ ./daemon

$(BIN)/vtoken: FORCE
	$(GO) build -trimpath -o $@ ./tools/vtokenctl

$(BIN)/p11bench: FORCE
	$(GO) build -trimpath -o $@ ./tools/p11bench

$(BIN)/vtoken-pkcs11.so: FORCE
	$(GO) build -trimpath -buildmode=c-shared -ldflags="$(MODULE_LDFLAGS)" -o $@ ./p11module
	@rm -f $(BIN)/vtoken-pkcs11.h

FORCE:

bench: packages-test build ## measure the module beside SoftHSM, and print a table with ratios
	@tools/sh/bench.sh

check: packages-build ## a minute before a commit: lint, build, the rules of the house, and the tests of packages that differ from BASE (main)
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory build
	@list=$$(tools/sh/changed.sh $(BASE)) && $(GO) test -skip TestVulncheck ./tests/arch $$list

lint: packages-build ## gofmt, go vet, staticcheck, links and names in the documents, known vulnerabilities
	@out=$$(gofmt -l .); [ -z "$$out" ] || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) test -run '^TestDocs' ./tests/arch
	@tools/sh/vulncheck.sh

fuzz: packages-build ## run every fuzz target for FUZZTIME (1m) each
	@FUZZTIME=$(FUZZTIME) tools/sh/fuzz.sh

mutants: packages-test ## make small faults in the code and print those that no test notices: MUTANTS (200), MUTANTS_SEED (1), MUTANTS_PACKAGES; an hour or more
	$(GO) run ./tools/mutants -seed $(MUTANTS_SEED) -n $(MUTANTS) $(MUTANTS_PACKAGES)

soak: packages-test build ## run the tests that get better with time for longer: SCALE_TIME (10m), ATTACK_TIME (1m), WALK_TIME (1h), STORE_OPS (2000000) and STORE_TIME (1h), STORE_BYTES (all), KILLS (500), WALK_STEPS (100000), LOAD_TIME (30s), LOAD_RATE (2000/s), CONTINUITY_ROUNDS (20), CONTINUITY_FREEZE (25s), CONTINUITY_RESTARTS (10000), LARGE_BYTES (1 GiB)
	WALK_STEPS=$${WALK_STEPS:-100000} $(GO) test -count=1 -v -run TestWalk ./provisioning/dialect/walktest
	SCALE_TIME=$${SCALE_TIME:-10m} LOAD_TIME=$${LOAD_TIME:-30s} $(GO) test -count=1 -v -timeout 1h ./tests/scale
	RESTART_APPLICATIONS=1000 RESTART_SESSIONS=5000 RESTART_TOKENS=100000 $(GO) test -count=1 -v -timeout 1h -run TestRestartOfMany ./tests/scale
	LOAD_TIME=$${LOAD_TIME:-30s} LOAD_RATE=$${LOAD_RATE:-2000} $(GO) test -count=1 -v -run TestManyAdministrators ./tests/scale
	LARGE_BYTES=$${LARGE_BYTES:-1073741824} $(GO) test -count=1 -v -timeout 4h -run 'TestLargeData$$' ./tests/vectors
	RSA_BITS=8192 $(GO) test -count=1 -v -run TestRSAPair ./tests/vectors
	ATTACK_TIME=$${ATTACK_TIME:-1m} $(GO) test -count=1 -v -timeout 1h ./tests/attack
	CONTINUITY_ROUNDS=$${CONTINUITY_ROUNDS:-20} CONTINUITY_FREEZE=$${CONTINUITY_FREEZE:-25s} CONTINUITY_RESTARTS=$${CONTINUITY_RESTARTS:-10000} $(GO) test -count=1 -v -timeout 4h ./tests/continuity
	KILLS=$${KILLS:-500} $(GO) test -count=1 -v -timeout 2h -run TestKilledUnderWriters ./tests/e2e
	STORE_BYTES=$${STORE_BYTES:-all} $(GO) test -count=1 -v -run TestCheckFindsEveryByte ./keystore
	STORE_OPS=$${STORE_OPS:-2000000} STORE_TIME=$${STORE_TIME:-1h} $(GO) test -count=1 -v -timeout 8h -run 'TestStoreWalk$$' ./keystore
	ATTACK_TIME=$${WALK_TIME:-1h} $(GO) test -count=1 -v -timeout 4h -run TestWalk ./tests/attack

timing: packages-test build ## ask whether the time of a decryption tells what is in it: TIMING_COUNT (10000) rounds, 18 minutes; see docs/threat-model.md
	TIMING_COUNT=$${TIMING_COUNT:-10000} $(GO) test -count=1 -v -timeout 24h -run TestDecryption ./tests/timing

generate: ## write the generated files again (tests/arch checks that they are current)
	$(GO) generate ./...

install: ## install what `make build` made under DESTDIR and PREFIX (/usr/local)
	install -D -m 0755 $(BIN)/vtokend $(DESTDIR)$(PREFIX)/sbin/vtokend
	install -D -m 0755 $(BIN)/vtoken $(DESTDIR)$(PREFIX)/bin/vtoken
	install -D -m 0755 $(BIN)/p11bench $(DESTDIR)$(PREFIX)/bin/p11bench
	install -D -m 0644 $(BIN)/vtoken-pkcs11.so $(DESTDIR)$(PREFIX)/lib/pkcs11/vtoken-pkcs11.so
	install -D -m 0644 docs/man/vtoken.1 $(DESTDIR)$(PREFIX)/share/man/man1/vtoken.1
	install -D -m 0644 docs/man/vtoken-pkcs11.7 $(DESTDIR)$(PREFIX)/share/man/man7/vtoken-pkcs11.7
	install -D -m 0644 docs/man/vtokend.8 $(DESTDIR)$(PREFIX)/share/man/man8/vtokend.8
	install -D -m 0644 daemon/config/vtokend.yaml $(DESTDIR)$(PREFIX)/share/doc/vtoken/vtokend.yaml
	install -d $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	$(BIN)/vtoken completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/vtoken

deb: build ## build a Debian package into bin/; see packaging/README.md
	@tools/sh/deb.sh $(BIN)

clean: ## remove what was built
	rm -rf $(BIN)

packages-build:
	@tools/sh/packages.sh build

packages-test:
	@tools/sh/packages.sh test
