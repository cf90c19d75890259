# Stagepost's build. `make help` prints this.
#
# Targets
#   all                    the four programs, in build/ (the default)
#   run                    install what is missing, build, run a whole cluster here
#   test                   install what the tests need, build, run every test
#   check                  the same, without installing anything
#   unit                   unit tests; T='redis_test lib/blob' runs those whose path contains one of the words
#   integration            real clients against running clusters; TESTS='expression' picks some (pytest -k)
#   tables                 checks that every row of every table is used, and everything in its place
#   structure              figures of the sources: cycles, clashing names, long functions and files
#   fuzz                   every fuzz target for FUZZ_SECONDS each
#   chaos                  sends CHAOS_MESSAGES while a process is killed every second
#   chaos-retrieve         the same with mail that is retrieved from 50 accounts of Dovecot
#   bench                  side by side with Postfix and Dovecot; BENCH='smtp-20 queue' runs parts of it
#   lint                   install clang-format and clang-tidy, check every source with them
#   layout                 clang-format's check of every source
#   format                 apply clang-format
#   compile_commands.json  for editors and clangd
#   install                into PREFIX, below DESTDIR, with units for systemd
#   deps, deps-test        install the packages of the build; of the tests
#   clean                  remove build/
#
# Variables
#   CC=clang               the compiler
#   SAN=1                  with ASan and UBSan, in build/san
#   SAN=thread             with TSan, in build/tsan: SAN=thread T='lib/blob lib/auth' unit
#   BUILD=dir              where everything is built
#   V=1                    show the commands
#   PREFIX=/usr/local      where install puts things; SYSCONFDIR: its configuration (/etc for PREFIX=/usr)
#   PYTEST_FLAGS='-n 0'    further flags of pytest
#
# A folder below lib/ is one archive; LAYER_<folder> names the folders that it
# may use. Programs use lib/ and what is made from proto/, never each other.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := all

BUILD   ?= build$(if $(filter thread,$(SAN)),/tsan,$(if $(SAN),/san))
ifeq ($(origin CC),default)
CC      := $(shell command -v ccache >/dev/null 2>&1 && echo ccache gcc || echo gcc)
endif
Q       := $(if $(V),,@)

PACKAGES := libevent libevent_openssl libevent_pthreads openssl libzmq libprotobuf-c hiredis \
            libargon2 libidn2 zlib icu-uc icu-i18n libcurl libcjson expat lber libqrencode libpsl
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lunbound -lcrypt -lpthread -lm

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wvla -Werror
OPT      := -O2 -g
ifneq ($(SAN),)
SANITIZERS := $(if $(filter thread,$(SAN)),thread,address,undefined -fno-sanitize-recover=undefined)
OPT      := -O1 -g -fsanitize=$(SANITIZERS) -fno-omit-frame-pointer
endif
CFLAGS   := -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) -fno-strict-aliasing -fms-extensions -Wno-microsoft-anon-tag -fstack-protector-strong \
            -ffile-prefix-map=$(CURDIR)=. -I. -I$(BUILD)/gen $(PKG_CFLAGS)
LDFLAGS  := $(OPT) -Wl,--as-needed

# ---- lib: folders and their layers ----
LAYER_base      :=
LAYER_redis     := base
LAYER_secret    := redis base
LAYER_settings  := redis base
LAYER_blob      := redis base
LAYER_smtp      := base
LAYER_mime      := base
LAYER_dns       := base
LAYER_net       := base
LAYER_http      := base
LAYER_xml       := base
LAYER_tlspolicy := settings net spool proto smtp dns redis base
LAYER_dkim      := dns redis base
LAYER_mailauth  := dkim smtp mime dns redis base
LAYER_dmarcrpt  := message mailauth xml mailbox mime blob redis base dkim smtp dns
LAYER_spool     := proto redis base
LAYER_directory := settings redis base
LAYER_auth      := directory settings secret redis base
LAYER_mailbox   := blob redis base
LAYER_spam      := settings dns blob proto redis base
LAYER_sweep     := mailbox spool blob proto redis base
LAYER_message   := mailbox mime blob redis base
LAYER_book      := message directory settings redis base
LAYER_proto     :=
LAYER_sync      := secret mailbox blob redis base
LAYER_bus       := secret spool proto redis base
LAYER_acme      := settings secret redis base
LAYER_retrieve  := net dns mailbox blob settings secret proto redis base
LAYER_admin     := retrieve acme bus auth secret tlspolicy net smtp dns spool proto dkim mailbox blob directory settings redis base
LAYER_backup    := mailbox blob proto redis base
LAYER_service   := http bus secret spool blob settings redis proto base
LIB_FOLDERS := service admin spam retrieve acme backup bus sweep book dmarcrpt message sync mailbox auth directory spool tlspolicy mailauth dkim net http xml dns mime smtp blob settings secret redis base
# The archive of a folder, then those of the layers below it.
libs_of  = $(foreach f,$(1) $(LAYER_$(1)),$(BUILD)/lib/$(f).a)
ALL_LIBS := $(foreach f,$(LIB_FOLDERS) proto,$(BUILD)/lib/$(f).a)

sources  = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

PROTOS     := $(wildcard proto/*.proto)
PROTO_C    := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c)
PROTO_H    := $(PROTO_C:.c=.h)
PROTO_OBJ  := $(PROTO_C:.c=.o)

SOURCE_FOLDERS := lib frontend spool-broker delivery-worker ctl

PROGRAMS := stagepost frontend spool-broker delivery-worker
SRC_stagepost       := ctl
SRC_frontend        := frontend
SRC_spool-broker    := spool-broker
SRC_delivery-worker := delivery-worker

.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/%)

# A unit test of a program's file links that program's objects but its main. What the
# test defines takes the place of a library's function (muldefs: the first one counts).
define program_rules
OBJ_$(1) := $$(call objects,$$(call sources,$$(SRC_$(1))))
$(BUILD)/$(1): $$(OBJ_$(1)) $(ALL_LIBS)
	@echo "  LD    $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$(OBJ_$(1)) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS)
$(BUILD)/tests/unit/$$(SRC_$(1))/%: $(BUILD)/obj/tests/unit/$$(SRC_$(1))/%.o $$(filter-out %/main.o,$$(OBJ_$(1))) $(ALL_LIBS)
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$< $$(filter-out %/main.o,$$(OBJ_$(1))) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS) -lcmocka -Wl,-z,muldefs
endef
$(foreach p,$(PROGRAMS),$(eval $(call program_rules,$(p))))

define lib_rules
$(BUILD)/lib/$(1).a: $$(call objects,$$(call sources,lib/$(1)))
	@mkdir -p $$(@D)
	@echo "  AR    $$@"
	$(Q)rm -f $$@ && ar rcs $$@ $$^
$(BUILD)/tests/unit/lib/$(1)/%: $(BUILD)/obj/tests/unit/lib/$(1)/%.o $$(call libs_of,$(1))
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$< -Wl,--start-group $$(call libs_of,$(1)) -Wl,--end-group $(PKG_LIBS) -lcmocka
endef
$(foreach f,$(LIB_FOLDERS),$(eval $(call lib_rules,$(f))))

$(BUILD)/lib/proto.a: $(PROTO_OBJ)
	@mkdir -p $(@D)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/gen/proto/%.pb-c.c $(BUILD)/gen/proto/%.pb-c.h &: proto/%.proto
	@mkdir -p $(BUILD)/gen
	@echo "  GEN   $<"
	$(Q)protoc-c --c_out=$(BUILD)/gen $<

$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	@echo "  CC    $<"
	$(Q)$(CC) -std=gnu17 $(OPT) -I. -I$(BUILD)/gen $(PKG_CFLAGS) -c -o $@ $<

$(BUILD)/obj/%.o: %.c | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Only this file knows where the sources are: a path on every command line would
# defeat ccache between checkouts.
$(BUILD)/obj/tests/unit/lib/settings/reference_test.o: CFLAGS += -DSP_SOURCE_DIR='"$(CURDIR)"'

# Lua scripts are embedded with .incbin, which dependency files do not record: each
# line of a source that embeds one becomes a rule "object: script".
PRELUDE  := $(wildcard lib/mailbox/prelude/*.lua)
LUA_USES := $(shell grep -rHoE --include='*.c' '^(REDIS_SCRIPT.*[.]lua"|MAILBOX_SCRIPT[(]\w+[)])' $(SOURCE_FOLDERS) tests/unit | \
              sed -E -e 's,^(.*)[.]c:MAILBOX_.*[(](.*)[)],\1.o:lib/mailbox/\2.lua \1.o:$$(PRELUDE),' \
              -e 's,^(.*)[.]c:REDIS_.*"(.*)",\1.o:\2,')
$(foreach use,$(LUA_USES),$(eval $(BUILD)/obj/$(use)))

# So are the files of the administration page.
$(BUILD)/obj/frontend/web/page.o: $(wildcard frontend/web/page/*)

# Objects for tests are kept, although make considers them intermediate.
.SECONDARY:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests, benchmarks, fuzzing ----
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(call sources,tests/unit))
ifdef T
UNIT_TESTS := $(strip $(foreach t,$(UNIT_TESTS),$(if $(strip $(foreach word,$(T),$(findstring $(word),$(t)))),$(t))))
endif

.PHONY: unit unit-programs tables structure
unit-programs: $(UNIT_TESTS)
unit: $(UNIT_TESTS)
	$(if $(UNIT_TESTS),$(Q)tests/run-unit.sh $(UNIT_TESTS),$(error no unit test has '$(T)' in its path))
tables:
	$(Q)$(PYTHON) tests/tables.py
structure:
	$(Q)$(PYTHON) tests/structure.py

INTEGRATION := tests/integration
PYTHON      ?= /usr/bin/python3
PYTEST_FLAGS ?=
.PHONY: integration
SEED_ITEMS  := $(BUILD)/tests/integration/seed_items
$(SEED_ITEMS): $(call objects,tests/integration/seed_items.c) $(call libs_of,mailbox)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(call libs_of,mailbox) -Wl,--end-group $(PKG_LIBS)
REMOTE_SESSION := $(BUILD)/tests/integration/remote_session
$(REMOTE_SESSION): $(call objects,tests/integration/remote_session.c) $(filter-out %/main.o,$(OBJ_delivery-worker)) $(ALL_LIBS)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $< $(filter-out %/main.o,$(OBJ_delivery-worker)) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS)
integration: all $(SEED_ITEMS) $(REMOTE_SESSION)
	$(Q)STAGEPOST_BUILD=$(abspath $(BUILD)) PYTHON=$(PYTHON) tests/run-integration.sh $(if $(TESTS),-k '$(TESTS)') $(PYTEST_FLAGS)

# A fuzz target links the sanitised archives; each runs for FUZZ_SECONDS.
FUZZ_SECONDS ?= 5
FUZZ_BUILD   := build/fuzz
FUZZERS      := $(patsubst fuzz/%_fuzz.c,$(FUZZ_BUILD)/%_fuzz,$(wildcard fuzz/*_fuzz.c))
.PHONY: fuzz fuzz-run
fuzz:
	$(Q)$(MAKE) --no-print-directory BUILD=$(FUZZ_BUILD) CC="$(shell command -v ccache) clang" \
	    OPT='-O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined' fuzz-run
fuzz-run: $(FUZZERS)
	$(Q)fuzz/run.sh $(FUZZ_SECONDS) $(FUZZERS)
# The programs' objects as archives: of two with the same name a target uses its own program's.
FUZZED := $(FUZZ_BUILD)/fuzz/frontend.a $(FUZZ_BUILD)/fuzz/delivery-worker.a
$(foreach p,frontend delivery-worker,$(eval $(FUZZ_BUILD)/fuzz/$(p).a: $(call objects,$(filter-out %/main.c,$(call sources,$(p))))))
$(FUZZED):
	@mkdir -p $(@D)
	@echo "  AR    $@"
	$(Q)rm -f $@ && ar rcs $@ $^
$(FUZZ_BUILD)/%_fuzz: $(FUZZ_BUILD)/obj/fuzz/%_fuzz.o $(ALL_LIBS) $(FUZZED)
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(OPT) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(FUZZED) $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS)

# Compares with Postfix and Dovecot, then drains queues of several sizes, queries a
# large one as an operator does, and runs a small sender beside it. BENCH='smtp-20 relay queue' runs parts of it.
QUEUE_DRAINED ?= 1000 10000 100000
QUEUE_LOOKED  ?= 100000
QUEUE_BESIDE  ?= 100000
bench_parts   := $(filter-out queue,$(BENCH))
bench_all     := $(if $(BENCH),,all)
BENCH_PROGRAMS := $(BUILD)/bench/load $(BUILD)/bench/blob_bench $(BUILD)/bench/mailbox_bench
.PHONY: bench bench-programs
bench-programs: all $(BENCH_PROGRAMS)
bench:
	$(Q)deploy/install-deps.sh build bench
	$(Q)$(MAKE) --no-print-directory bench-programs
	$(if $(bench_parts)$(bench_all),$(Q)STAGEPOST_BUILD=$(abspath $(BUILD)) $(PYTHON) bench/run.py \
	    $(BENCH_FLAGS) $(bench_parts))
	$(if $(filter queue,$(BENCH))$(bench_all),$(Q)export STAGEPOST_BUILD=$(abspath $(BUILD)); \
	    $(PYTHON) bench/queue_scale.py drain $(QUEUE_DRAINED) && $(PYTHON) bench/queue_scale.py look $(QUEUE_LOOKED) && \
	    $(PYTHON) bench/queue_scale.py fair $(QUEUE_BESIDE))
$(BUILD)/bench/load: $(call objects,$(wildcard bench/load*.c)) $(BUILD)/lib/base.a
$(BUILD)/bench/blob_bench: $(call objects,bench/blob_bench.c) $(call libs_of,blob)
$(BUILD)/bench/mailbox_bench: $(call objects,bench/mailbox_bench.c) $(call libs_of,mailbox)
$(BENCH_PROGRAMS):
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

SSSD_PACKAGES = sssd-ldap sssd-common sssd-krb5-common libnss-sss libpam-sss libsss-idmap0 libsss-certmap0 \
	libsss-nss-idmap0 libbasicobjects0 libcollection4 libdhash1 libini-config5 libpath-utils1 libref-array1 libldb2 \
	libtalloc2 libtdb1 libtevent0 libnfsidmap1 libnl-3-200 libnl-route-3-200 libc-ares2 libsemanage2 libsepol2 libpopt0 pamtester

.PHONY: deps deps-test run test check help lint lint-run format clean chaos chaos-retrieve install
deps:
	$(Q)deploy/install-deps.sh build
deps-test:
	$(Q)deploy/install-deps.sh build test lint
	$(Q)$(INTEGRATION)/npm-install.sh $(INTEGRATION)/imapflow build/npm imapflow
	$(Q)$(INTEGRATION)/npm-install.sh $(INTEGRATION)/ldapjs build/npm-ldapjs ldapjs
	$(Q)$(INTEGRATION)/deb-unpack.sh build/debian nslcd libnss-ldapd libpam-ldapd pamtester
	$(Q)$(INTEGRATION)/deb-unpack.sh build/sssd $(SSSD_PACKAGES)
	$(Q)$(INTEGRATION)/npm-install.sh $(INTEGRATION)/manifests build/npm-manifests "What checks k8s/"

run: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(BUILD)/stagepost up

# Everything: tables, the layout, unit tests (those with threads under TSan
# too), a short run of each fuzz target, integration tests.
test: deps-test
	$(Q)$(MAKE) --no-print-directory check
check:
	$(Q)tests/run-all.sh $(if $(SAN),SAN=1)

# Kills a process every second under load; fails on any loss.
CHAOS_MESSAGES ?= 100000
chaos: all
	$(Q)STAGEPOST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/chaos/chaos.py --messages $(CHAOS_MESSAGES)
# Needs root.
chaos-retrieve: all
	$(Q)STAGEPOST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/chaos/retrieve.py

# Tests are left out: their tables are laid out by hand.
FORMATTED := $(shell find lib frontend spool-broker delivery-worker ctl bench fuzz -name '*.[ch]' 2>/dev/null)
TIDY      := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(call sources,$(SOURCE_FOLDERS)))
lint:
	$(Q)deploy/install-deps.sh build lint
	$(Q)$(MAKE) --no-print-directory lint-run
lint-run: $(TIDY) layout
	@echo "lint: $(words $(FORMATTED)) passed the layout, $(words $(TIDY)) clang-tidy"
# clang-tidy takes seconds per file, too many for every run of the tests; the layout takes three in total.
.PHONY: layout
layout:
	$(Q)clang-format --dry-run --Werror $(FORMATTED)
	@echo "layout: $(words $(FORMATTED)) passed, 0 failed"
format:
	$(Q)clang-format -i $(FORMATTED)
$(BUILD)/tidy/%.ok: %.c .clang-tidy $(filter %.h,$(FORMATTED)) | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  TIDY  $<"
	$(Q)clang-tidy --quiet $< -- $(filter-out -Werror,$(CFLAGS)) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

# ---- for editors, installing, the rest ----
# One entry per source, made without any tool but the shell.
COMPILED := $(call sources,$(SOURCE_FOLDERS) tests/unit fuzz bench)
compile_commands.json: Makefile $(PROTO_H) FORCE
	@{ echo '['; \
	   for f in $(COMPILED); do \
	       echo '{"directory": "$(CURDIR)", "file": "'$$f'", "command": "$(lastword $(CC)) $(CFLAGS) -c '$$f'"},'; \
	   done | sed '$$s/,$$//'; echo ']'; } >$@
FORCE:

# All programs are in one folder, because `stagepost up` looks for the others next to
# itself. An existing stagepost.conf is kept. Nothing is enabled or started.
PREFIX     ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITS      := $(wildcard deploy/systemd/*.service deploy/systemd/*.timer deploy/systemd/*.target)
LIBEXEC    := $(DESTDIR)$(PREFIX)/lib/stagepost
placed      = sed 's,@PREFIX@,$(PREFIX),g; s,@SYSCONFDIR@,$(SYSCONFDIR),g' $(1) >$(2) && chmod 644 $(2)
install: all
	install -d $(LIBEXEC) $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	    $(DESTDIR)$(PREFIX)/share/doc/stagepost $(DESTDIR)$(PREFIX)/lib/systemd/system \
	    $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(SYSCONFDIR)/stagepost
	install $(PROGRAMS:%=$(BUILD)/%) $(LIBEXEC)
	ln -sf ../lib/stagepost/stagepost $(DESTDIR)$(PREFIX)/bin/stagepost
	install -m 644 deploy/stagepost.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/stagepost
	install -m 644 README.md LICENSE docs/*.md $(DESTDIR)$(PREFIX)/share/doc/stagepost
	$(Q)$(foreach u,$(UNITS),$(call placed,$(u),$(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $(u))) &&) :
	install -m 644 deploy/systemd/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/stagepost.conf
	test -e $(DESTDIR)$(SYSCONFDIR)/stagepost/stagepost.conf || \
	    install -m 640 deploy/systemd/stagepost.conf $(DESTDIR)$(SYSCONFDIR)/stagepost/stagepost.conf

clean:
	rm -rf build

help:
	@sed -n '1,/^# A folder below/{/^# A folder below/d;s/^# \{0,1\}//p;}' Makefile
