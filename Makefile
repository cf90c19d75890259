# Stagepost's build. `make help` lists what there is.
#
#   make            the four programs, in build/
#   make run        install what is missing, build, run a whole cluster here
#   make test       install what the tests need, build, run every test
#
# Variables: CC=clang, SAN=1 (ASan and UBSan, into build/san), V=1 (show the
# commands), BUILD=dir, TESTS='expression' (for the integration tests: pytest -k).
#
# A folder below lib/ is one archive; LAYER_<folder> names the folders that it
# may use. Programs use lib/ and what is made from proto/, never each other.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := all

BUILD   ?= $(if $(SAN),build/san,build)
ifeq ($(origin CC),default)
CC      := $(shell command -v ccache >/dev/null 2>&1 && echo ccache gcc || echo gcc)
endif
Q       := $(if $(V),,@)

PACKAGES := libevent libevent_openssl libevent_pthreads openssl libzmq libprotobuf-c hiredis \
            libargon2 libidn2 zlib icu-uc icu-i18n libcurl libcjson
PKG_CFLAGS := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null) -lunbound -lpthread -lm

WARN     := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wpointer-arith -Wwrite-strings -Wvla -Werror
OPT      := -O2 -g
ifdef SAN
OPT      := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif
CFLAGS   := -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) -fno-strict-aliasing -fstack-protector-strong \
            -I. -I$(BUILD)/gen $(PKG_CFLAGS) -DSP_SOURCE_DIR='"$(CURDIR)"'
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
LAYER_tlspolicy := net spool proto smtp dns redis base
LAYER_dkim      := redis base
LAYER_spool     := proto redis base
LAYER_directory := settings redis base
LAYER_auth      := directory settings secret redis base
LAYER_mailbox   := blob redis base
LAYER_bus       := secret spool proto redis base
LAYER_service   := bus secret spool blob settings redis proto base
LAYER_proto     :=
LIB_FOLDERS := service bus mailbox auth directory spool tlspolicy dkim net dns mime smtp blob settings secret redis base
# The archive of a folder, then those of the layers below it.
libs_of  = $(foreach f,$(1) $(LAYER_$(1)),$(BUILD)/lib/$(f).a)
ALL_LIBS := $(foreach f,$(LIB_FOLDERS) proto,$(BUILD)/lib/$(f).a)

sources  = $(sort $(shell find $(1) -name '*.c' 2>/dev/null))
objects  = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

PROTOS     := $(wildcard proto/*.proto)
PROTO_C    := $(PROTOS:%.proto=$(BUILD)/gen/%.pb-c.c)
PROTO_H    := $(PROTO_C:.c=.h)
PROTO_OBJ  := $(PROTO_C:.c=.o)
LUA        := $(shell find lib ctl frontend spool-broker delivery-worker tests -name '*.lua')

PROGRAMS := stagepost frontend spool-broker delivery-worker
SRC_stagepost       := ctl
SRC_frontend        := frontend
SRC_spool-broker    := spool-broker
SRC_delivery-worker := delivery-worker

.PHONY: all
all: $(PROGRAMS:%=$(BUILD)/%)

# A unit test of a program's file links that program's objects but its main.
define program_rules
OBJ_$(1) := $$(call objects,$$(call sources,$$(SRC_$(1))))
$(BUILD)/$(1): $$(OBJ_$(1)) $(ALL_LIBS)
	@echo "  LD    $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$(OBJ_$(1)) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS)
$(BUILD)/tests/unit/$$(SRC_$(1))/%: $(BUILD)/obj/tests/unit/$$(SRC_$(1))/%.o $$(filter-out %/main.o,$$(OBJ_$(1))) $(ALL_LIBS)
	@mkdir -p $$(@D)
	@echo "  LD    $$@"
	$(Q)$(CC) $(LDFLAGS) -o $$@ $$< $$(filter-out %/main.o,$$(OBJ_$(1))) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS) -lcmocka
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

# Lua scripts are embedded with .incbin, which no dependency file sees.
$(BUILD)/obj/%.o: %.c $(LUA) | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# Objects for tests are kept, though make sees them as intermediate.
.SECONDARY:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- tests, benchmarks, fuzzing ----
UNIT_TESTS := $(patsubst %.c,$(BUILD)/%,$(call sources,tests/unit))

.PHONY: unit
unit: $(UNIT_TESTS)
	$(Q)tests/run-unit.sh $(UNIT_TESTS)

INTEGRATION := tests/integration
PYTHON      ?= /usr/bin/python3
PYTEST_FLAGS ?= -n 2
.PHONY: integration
integration: all
	$(Q)cd $(INTEGRATION) && STAGEPOST_BUILD=$(abspath $(BUILD)) $(PYTHON) -m pytest -q --durations=5 \
	    -p no:cacheprovider $(if $(TESTS),-k '$(TESTS)') $(PYTEST_FLAGS)

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
$(FUZZ_BUILD)/%_fuzz: $(FUZZ_BUILD)/obj/fuzz/%_fuzz.o $(ALL_LIBS) $(call objects,$(filter-out %/main.c,$(call sources,frontend delivery-worker)))
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(OPT) -fsanitize=fuzzer -o $@ $^ -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(PKG_LIBS)

# Comparison with Postfix and Dovecot, then queues of some sizes drained, an
# operator's questions to a large one, and a small sender beside it. BENCH='smtp-20 relay queue' runs some of it.
QUEUE_DRAINED ?= 1000 10000 100000
QUEUE_LOOKED  ?= 100000
QUEUE_BESIDE  ?= 100000
bench_parts   := $(filter-out queue,$(BENCH))
bench_all     := $(if $(BENCH),,all)
BENCH_PROGRAMS := $(BUILD)/bench/load $(BUILD)/bench/blob_bench
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
$(BENCH_PROGRAMS):
	@mkdir -p $(@D)
	@echo "  LD    $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

.PHONY: deps deps-test run test check help lint lint-run format clean chaos
deps:
	$(Q)deploy/install-deps.sh build
deps-test:
	$(Q)deploy/install-deps.sh build test
	$(Q)$(INTEGRATION)/imapflow/install.sh build/npm

run: deps
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(BUILD)/stagepost up

# Everything: unit tests, a short run of each fuzz target, integration tests.
test: deps-test
	$(Q)$(MAKE) --no-print-directory check
check:
	$(Q)tests/run-all.sh $(if $(SAN),SAN=1)

# Kills a process a second under load; fails on any loss.
CHAOS_MESSAGES ?= 100000
chaos: all
	$(Q)STAGEPOST_BUILD=$(abspath $(BUILD)) $(PYTHON) tests/chaos/chaos.py --messages $(CHAOS_MESSAGES)

# Tests are left out: their tables are laid out by hand.
FORMATTED := $(shell find lib frontend spool-broker delivery-worker ctl bench fuzz -name '*.[ch]' 2>/dev/null)
TIDY      := $(patsubst %.c,$(BUILD)/tidy/%.ok,$(call sources,lib frontend spool-broker delivery-worker ctl))
lint:
	$(Q)deploy/install-deps.sh build lint
	$(Q)$(MAKE) --no-print-directory lint-run
lint-run: $(TIDY)
	$(Q)clang-format --dry-run --Werror $(FORMATTED)
format:
	$(Q)clang-format -i $(FORMATTED)
$(BUILD)/tidy/%.ok: %.c .clang-tidy $(filter %.h,$(FORMATTED)) | $(PROTO_H)
	@mkdir -p $(@D)
	@echo "  TIDY  $<"
	$(Q)clang-tidy --quiet $< -- $(filter-out -Werror,$(CFLAGS)) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

clean:
	rm -rf build

help:
	@sed -n '1,/^$$/s/^# \{0,1\}//p' Makefile
	@echo "Targets: all run test check unit fuzz integration chaos bench lint format deps deps-test clean"
