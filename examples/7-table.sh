#!/usr/bin/env bash
# Prints how often each group prefers each policy to the one it was compared with, with 95 % intervals.
#
#   usage: 7-table.sh
#
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:-} in -h | --help) usage && exit 0 ;; esac

api GET "$(in_project /win-rates)" | jq -r '
    def percent: . * 100 | round | tostring;
    def rate: if .rate == null then "no data" else "\(.rate | percent) % (\(.low | percent)-\(.high | percent))" end;
    .groups as $groups
    | (["preferred to the writer by", ($groups[] | (if .name == "" then "Group \(.ordinal + 1)" else .name end) +
        " (\(.weight | percent) %)"), "KL"] | @tsv),
      (.evaluations[]
       | [.policy,
          (.groups as $rates | $groups[].id as $id | [$rates[] | select(.group == $id) | rate][0] // "no data"),
          (if .kl == null then "" else (.kl * 100 | round / 100 | tostring) end)] | @tsv)' |
    awk -F '\t' '{ printf "  %-28s", $1; for (i = 2; i <= NF; i++) printf "  %-20s", $i; print "" }' | sed 's/ *$//'
