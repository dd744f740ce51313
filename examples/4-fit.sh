#!/usr/bin/env bash
# Finds the groups of taste among the people: a fit, by expectation maximisation. A third of the people are held out of
# it: they judge the policies that are trained on what it finds, for a policy must not grade itself.
#
#   usage: 4-fit.sh
#
# Prints the groups.
#   K  how many there are (0: the data decide, and one may suffice)
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:-} in -h | --help) usage && exit 0 ;; esac

job=$(jq -n --argjson k "${K:-0}" \
    '(if $k > 0 then {k: $k} else {k_max: 3} end) +
     {restarts: 2, folds: 3, ridge_grid: [1, 3, 10, 30], held_out_annotators: 0.34}' |
    post "$(in_project /fits)" | jq -er .job)
wait_for "$job" "Finding the groups of taste"
api GET "$(in_project /groups)" |
    jq -r '.items[] | "  group \(.ordinal + 1): \(.weight * 100 | round) % of the people"' >&2
