#!/bin/sh
# The language model beside PyTorch: each pair is our program and then the peer, doing the same work one after another.
# usage: bench/lm_pairs.sh [small|gpt2]...     both without arguments; bf16 too where the CPU has instructions for it
set -eu
cd "$(dirname "$0")/.."
precisions=fp32
if grep -q avx512_bf16 /proc/cpuinfo; then
    precisions="fp32 bf16"
fi
[ $# -gt 0 ] || set -- small gpt2
for shape in "$@"; do
    steps=10
    [ "$shape" = small ] || steps=3
    for precision in $precisions; do
        for threads in 2 1; do
            build/release/bench/lm "$shape" "$threads" "$steps" "$precision"
            OPENBLAS_NUM_THREADS=1 /usr/bin/python3 bench/lm_peer.py "$shape" "$threads" "$steps" "$precision"
        done
    done
done
