#!/usr/bin/env bash
# Has people compare what a policy wrote. The people are simulated: their command reads items and writes comparisons,
# one JSON object a line, which are stored as a whole or not at all.
#
#   usage: 3-judge.sh COMMAND [ARGUMENT...]      such as: 3-judge.sh egalign demo judge --majority 160 --minority 40
#
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac

# All items, page by page.
items() {
    local page cursor=
    for (( ; ; )); do
        page=$(api GET "$(in_project "/items?limit=1000$cursor")")
        jq -c '.items[] | {prompt, responses: [.responses[] | {text, policy}]}' <<<"$page"
        cursor=$(jq -r '.next_cursor // ""' <<<"$page")
        [ -n "$cursor" ] || return 0
        cursor="&cursor=$cursor"
    done
}

items | "$@" | api POST "$(in_project /comparisons)" -H 'content-type: application/x-ndjson' --data-binary @- |
    jq -r '"\(.accepted + .duplicate) comparisons are stored"' >&2
