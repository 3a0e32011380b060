# The commands of this project; each installs what it needs from Debian and is safe to run again.
#   make mount    a vault mounted at ~/polykey (DIR=…), from nothing
#   make test     the whole test suite
#   make bench    figures beside gocryptfs and the plain disk, in ten minutes at most (BENCH_FLAGS=--quick: in about one)
#   make fuzz     libFuzzer on all that reads what others send, FUZZ_SECONDS (60) each (Fuzz/README.md)
#   make install  the program, under PREFIX (default /usr/local)

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.PHONY: build mount test bench fuzz install lint format packages test-packages bench-packages

DIR ?= $(HOME)/polykey
PREFIX ?= /usr/local
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)

BUILD_PACKAGES := libfuse3-dev fuse3 libsodium-dev libgit2-dev libssl-dev pkg-config git
TEST_PACKAGES := age openssh-client rsync nginx-light curl vim-tiny nano sqlite3 python3 python3-dotenv \
	postgresql postgresql-client libarchive-tools attr acl e2fsprogs util-linux procps inotify-tools openssl openssh-server iproute2 fcgiwrap gnupg
BENCH_PACKAGES := gocryptfs rsync python3 gcc libc6-dev strace linux-perf

SWIFT_FLAGS := --explicit-target-dependency-import-check error
RELEASE := swift build -c release --static-swift-stdlib --product polykey $(SWIFT_FLAGS)

# Installs those of the Debian packages $(1) that are missing.
define install_packages
missing=(); for package in $(1); do dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q '^install ok' || missing+=($$package); done
if [ $${#missing[@]} -gt 0 ]; then
  echo "installing $${missing[*]}"
  $(SUDO) apt-get update -qq
  $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $${missing[@]} > /dev/null
fi
endef

packages:
	@$(call install_packages,$(BUILD_PACKAGES))

test-packages: packages
	@$(call install_packages,$(TEST_PACKAGES))

bench-packages: packages
	@$(call install_packages,$(BENCH_PACKAGES))

build: packages
	@$(RELEASE)

mount: build
	@polykey=$$(swift build -c release --static-swift-stdlib --show-bin-path)/polykey
	if ! "$$polykey" status > /dev/null 2>&1; then
	  if [ -t 0 ] && [ -t 2 ]; then
	    "$$polykey" init
	  else
	    "$$polykey" init --no-passphrase
	    echo "There is no terminal to ask for a passphrase on: the identity is unprotected, readable by this user only (mode 0600)."
	    echo "Put it under a passphrase with: $$polykey key passphrase"
	  fi
	fi
	"$$polykey" vault list | grep -qx default || "$$polykey" vault create default
	"$$polykey" mount "$(DIR)"
	echo
	echo "Your vaults are at $(DIR). Try:"
	echo "  echo -n hunter2 > $(DIR)/default/password"
	echo "  cat $(DIR)/default/password"
	echo "  $$polykey log default:password"

# Suites with exit tests run by themselves: Swift Testing's wait for its children, beside Foundation's for hundreds of others, was once
# seen to hang both.
EXIT_TESTS := FuseMountTests\.UserTests|FuseMountTests\.LifeCycleTests|PeerSyncTests\.LifeTests|GitStoreTests\.RemoteHostTests

test: test-packages
	@swift build --build-tests $(SWIFT_FLAGS)
	before=$$(grep -c 'fuse\.polykey' /proc/mounts || true)
	swift test --skip-build --skip '$(EXIT_TESTS)'
	swift test --skip-build --filter '$(EXIT_TESTS)'
	after=$$(grep -c 'fuse\.polykey' /proc/mounts || true)
	if [ "$$before" != "$$after" ]; then echo "Error: the tests left mounted file systems behind:"; grep 'fuse\.polykey' /proc/mounts; exit 1; fi

bench: build bench-packages
	@POLYKEY=$$(swift build -c release --static-swift-stdlib --show-bin-path)/polykey python3 -B Tests/Benchmarks/bench.py $(BENCH_FLAGS)

# An input may take 10 s, and the program 1 GiB; more is a finding.
FUZZ_SECONDS ?= 60
FUZZ_FLAGS = -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 -verbosity=0

fuzz: packages
	@export POLYKEY_FUZZ=1 SWIFT_BACKTRACE=enable=no
	library=$$("$$(dirname "$$(readlink -f "$$(command -v swift)")")"/clang -print-resource-dir)/lib/linux
	swift build -c release --scratch-path .build/fuzz --product Fuzz -Xlinker -L"$$library"
	fuzz=$$(swift build -c release --scratch-path .build/fuzz --show-bin-path)/Fuzz
	for target in $(or $(FUZZ_TARGETS),$$("$$fuzz" --list)); do
	  echo "== $$target"
	  mkdir -p ".build/fuzz/corpus/$$target"
	  "$$fuzz" $$target ".build/fuzz/corpus/$$target" -artifact_prefix=".build/fuzz/$$target-" $(FUZZ_FLAGS)
	done

install: build
	@install -D -m 0755 "$$(swift build -c release --static-swift-stdlib --show-bin-path)/polykey" "$(DESTDIR)$(PREFIX)/bin/polykey"
	echo "installed $(DESTDIR)$(PREFIX)/bin/polykey"

lint: packages
	@swift format lint --strict --recursive Package.swift Sources Tests Fuzz
	swift build --build-tests $(SWIFT_FLAGS)
	if git grep -nE 'try!|as!|fatalError\(|nonisolated\(unsafe\)' -- 'Sources/*.swift'; then echo "Error: banned calls"; exit 1; fi

format:
	@swift format --in-place --recursive Package.swift Sources Tests Fuzz
