#!/usr/bin/env bash
# The whole story: a model learns to write, people of two tastes judge what it writes, EM finds them, PPO trains one
# policy on a single reward and one for the worst-off group, and both are judged by people who were held out.
#
#   usage: story.sh EGALIGN FOLDER
#
# EGALIGN is the program, which plays the people; FOLDER is one of the service's policy_folders, for the texts.
#   REVIEWS, EPOCHS, PROMPTS, SAMPLES, MAJORITY, MINORITY, COMPARISONS, UPDATES, EPISODES  sizes
# What is done already is not done again. Where the service is: see service.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=examples/service.sh
. "$here/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac
egalign=$1 folder=$2

is_made() { # POLICY
    api GET "$(in_project '/policies?limit=1000')" |
        jq -e --arg name "$1" 'any(.items[]; .name == $name and .state == "ready")' >/dev/null
}

"$egalign" demo reviews --count "${REVIEWS:-10000}" >"$folder/reviews.jsonl"
"$egalign" demo prompts --count "${PROMPTS:-256}" >"$folder/prompts.txt"
"$egalign" demo prompts --held-out ${HELD_OUT:+--count "$HELD_OUT"} >"$folder/held-out.txt"

post /v1/projects <<<"{\"name\": \"$EGALIGN_PROJECT\", \"title\": \"Short reviews\"}" >/dev/null
"$here/1-train-writer.sh" "$folder/reviews.jsonl"
# Once: later there are responses of other policies too, and people would be shown those.
if [ "$(api GET "$(in_project '/comparisons?limit=1')" | jq '.items | length')" = 0 ]; then
    "$here/2-sample.sh" "$folder/prompts.txt"
    "$here/3-judge.sh" "$egalign" demo judge --majority "${MAJORITY:-240}" --minority "${MINORITY:-60}" \
        --comparisons "${COMPARISONS:-50}"
fi
# Not on a later start either, when people may have judged more and another fit may be published.
if ! is_made single || ! is_made maxmin; then
    "$here/4-fit.sh"
fi
for objective in single maxmin; do
    is_made "$objective" || "$here/5-align.sh" "$objective"
    if ! api GET "$(in_project /win-rates)" |
        jq -e --arg policy "$objective" 'any(.evaluations[]; .policy == $policy)' >/dev/null; then
        "$here/6-evaluate.sh" "$objective" "$folder/held-out.txt"
    fi
done
"$here/7-table.sh"
