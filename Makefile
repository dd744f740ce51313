# make                  build/release/egalign
# make FLAVOUR=debug    debug | asan | tsan | release; each has its own folder under build/
# make test             builds and runs every test (FLAVOUR applies); a line `N passed, N failed` ends it
# make fuzz             the fuzz targets (clang, libFuzzer), and a bounded run of each
# make bench            the benchmark programs of bench/
# make docs             writes the generated pages of docs/ again
# make install          DESTDIR and PREFIX apply
FLAVOUR ?= release
PREFIX  ?= /usr/local
B       := build/$(FLAVOUR)
VERSION := 0.1.0
REVISION := $(shell git describe --always --dirty 2>/dev/null || echo unknown)

PACKAGES := libmicrohttpd jansson libpq openblas zlib libpcre2-8 nettle
CC       ?= cc
WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
            -Wvla -Wformat=2 -Wimplicit-fallthrough
HARDEN   := -fstack-protector-strong -fPIE -fno-plt
LINKHARD := -pie -Wl,-z,relro,-z,now,-z,noexecstack

FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2
FLAGS_debug   := -O0 -g3
FLAGS_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
FLAGS_tsan    := -O1 -g -fsanitize=thread
SANITIZE      := $(filter -fsanitize%,$(FLAGS_$(FLAVOUR)))

CPPFLAGS += -Isrc -D_GNU_SOURCE -DEGALIGN_VERSION='"$(VERSION)"' $(shell pkg-config --cflags $(PACKAGES))
CFLAGS   += -std=gnu11 $(FLAGS_$(FLAVOUR)) $(WARNINGS) $(HARDEN) -pthread -fno-math-errno
LDLIBS   += $(shell pkg-config --libs $(PACKAGES)) -lm -pthread
LDFLAGS  += $(LINKHARD) $(SANITIZE)

# Loops that must vectorise. No -ffast-math: a NaN must be seen.
VECTORISE := -O3 -fopenmp-simd -fno-trapping-math
CFLAGS_src/core/lm/kernels_portable.c := $(VECTORISE)
AVX2      := $(if $(findstring x86_64,$(shell uname -m)),-mavx2 -mfma)
CFLAGS_src/core/lm/kernels_avx2.c     := $(VECTORISE) $(AVX2)
CFLAGS_src/core/lm/sgemm_avx2.c       := $(AVX2) -ffp-contract=off
CFLAGS_src/core/lm/sgemm_avx2_pack.c  := $(AVX2)

SOURCES  := $(sort $(shell find src -name '*.c'))
OBJECTS  := $(SOURCES:%.c=$B/%.o)
LIBRARY  := $(filter-out $B/src/main.o,$(OBJECTS))
TESTS    := $(sort $(patsubst %.c,$B/%,$(wildcard tests/unit/*.c tests/core/*.c)))

all: $B/egalign

$B/egalign: $B/src/main.o $B/libegalign.a
	@echo "  LD $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$B/libegalign.a: $(LIBRARY)
	@rm -f $@
	@$(AR) rcs $@ $^

# SQL files become C: the named queries and the migrations are part of the program. The folders are prerequisites too, so
# that an added or a removed file shows.
GENERATED := $(addprefix $B/generated/,query_list.h query_texts.h migration_texts.h)
QUERIES   := $(sort $(wildcard src/store/sql/*.sql))
MIGRATIONS := $(sort $(wildcard migrations/*.sql))
TO_C      := LC_ALL=C awk -f src/store/sql/generate.awk
CPPFLAGS  += -I$B/generated

$(GENERATED): src/store/sql/generate.awk | $B/generated
$B/generated:
	@mkdir -p $@
$B/generated/query_list.h: $(QUERIES) src/store/sql
	@$(TO_C) names=1 $(QUERIES) >$@
$B/generated/query_texts.h: $(QUERIES) src/store/sql
	@$(TO_C) $(QUERIES) >$@
$B/generated/migration_texts.h: $(MIGRATIONS) migrations
	@$(TO_C) $(MIGRATIONS) >$@

$B/%.o: %.c Makefile | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(CFLAGS_$<) -MMD -MP -c -o $@ $<

# The revision changes with every commit, so it lives in one small object of its own, made again when it differs.
$B/src/base/version.o: CPPFLAGS += -DEGALIGN_REVISION='"$(REVISION)"'
$B/src/base/version.o: $B/revision-$(REVISION)
$B/revision-$(REVISION):
	@mkdir -p $(@D); rm -f $B/revision-*; touch $@

$B/tests/%: tests/%.c $B/libegalign.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -Wno-missing-prototypes -Wno-write-strings -Wno-discarded-qualifiers -MMD -MP $(LDFLAGS) -o $@ $< $B/libegalign.a $(shell pkg-config --libs cmocka) $(LDLIBS)

tests: $(TESTS)

test: $B/egalign tests
	FLAVOUR=$(FLAVOUR) tests/run

# ---- fuzzing: libFuzzer with ASan and UBSan, the parsers' code compiled apart from the flavours ----
FUZZ_RUNS    ?= 200000
FUZZ_SECONDS ?= 120
FUZZ_FLAGS   := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
FUZZ_MODEL   := $(patsubst %,src/core/lm/%.c,safetensors safetensors_header config_json shape replace) \
                $(wildcard src/core/lm/bpe*.c src/core/lm/tokenizer*.c)
FUZZ_OBJECTS := $(patsubst %.c,build/fuzz/%.o,$(sort $(wildcard src/base/*.c src/formats/*.c) $(FUZZ_MODEL)))
FUZZERS      := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(sort $(wildcard tests/fuzz/*.c)))

build/fuzz/%.o: %.c Makefile
	@mkdir -p $(@D)
	@clang $(CPPFLAGS) -DEGALIGN_REVISION='"fuzz"' $(FUZZ_FLAGS) -MMD -MP -c -o $@ $<

build/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJECTS)
	@echo "  FUZZ $@"
	@clang $(CPPFLAGS) -Itests $(FUZZ_FLAGS) -fsanitize=fuzzer -MMD -MP -o $@ $< $(FUZZ_OBJECTS) -ljansson -lpcre2-8 -lnettle -lz -lm -pthread

fuzzers: $(FUZZERS)

fuzz: fuzzers
	@for f in $(notdir $(FUZZERS)); do mkdir -p build/fuzz/corpus/$$f; echo "  RUN $$f"; \
	 build/fuzz/$$f -runs=$(FUZZ_RUNS) -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -dict=tests/fuzz/json.dict \
	   -artifact_prefix=build/fuzz/ -print_final_stats=0 build/fuzz/corpus/$$f tests/fuzz/corpus/$$f >build/fuzz/$$f.log 2>&1 || \
	   { grep -v '^#' build/fuzz/$$f.log; exit 1; }; grep -h ^Done build/fuzz/$$f.log; done

# ---- benchmarks: bench/NAME.c becomes build/release/bench/NAME; `make bench` builds them, each says how it is run ----
BENCHES := $(patsubst %.c,$B/%,$(sort $(wildcard bench/*.c)))

$B/bench/%: bench/%.c $B/libegalign.a
	@mkdir -p $(@D)
	@echo "  LD $@"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< $B/libegalign.a $(LDLIBS)

bench: $(BENCHES)

docs: $B/egalign
	@for page in config errors metrics; do $B/egalign docs $$page > docs/$$page.md; done

install: $B/egalign
	install -D -m 755 $B/egalign $(DESTDIR)$(PREFIX)/bin/egalign
	install -d $(DESTDIR)$(PREFIX)/share/egalign/web
	cp -R web/. $(DESTDIR)$(PREFIX)/share/egalign/web/

clean:
	rm -rf build

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(FUZZ_OBJECTS:.o=.d) $(FUZZERS:=.d) $(BENCHES:=.d)
.PHONY: all tests test fuzz fuzzers bench docs install clean
.SECONDARY:
