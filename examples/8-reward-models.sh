#!/usr/bin/env bash
# Full mode, after story.sh: a reward model for each group in place of a linear head, a policy for the worst-off group
# that these models reward, and how both compare with what the heads gave.
#
#   usage: 8-reward-models.sh FILE
#
# FILE holds one prompt a line, such as `egalign demo prompts --held-out` writes. Makes the reward models "rm-1" from
# "writer" and the published fit, and the policy "maxmin-rm-1". The first table is the share of held-out comparisons
# that each predicts: the heads on folds of items, the models on the items that they did not see.
#   EPOCHS, RATE, HELD_OUT_ITEMS  of the reward models (2, 0.001, 0.2); UPDATES, EPISODES, SAMPLES as elsewhere
# Where the service is: see service.sh.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=examples/service.sh
. "$here/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac

fit=$(api GET "$(in_project /win-rates)" | jq -er .fit_id)
job=$(jq -n --arg fit "$fit" --argjson epochs "${EPOCHS:-2}" --argjson rate "${RATE:-0.001}" \
    --argjson held_out "${HELD_OUT_ITEMS:-0.2}" \
    '{name: "rm-1", policy: "writer", fit: $fit, epochs: $epochs, learning_rate: $rate, held_out: $held_out}' |
    start reward)
wait_for "$job" "A reward model for each group"
REWARDS=rm-1 FIT=$fit "$here/5-align.sh" maxmin
"$here/6-evaluate.sh" maxmin-rm-1 "$1"

{
    api GET "$(in_project "/fits/$fit")"
    api GET "$(in_project /policies/rm-1)"
} | jq -rs '
    def share: "\(.rate * 1000 | round / 10) % (\(.low * 1000 | round / 10)-\(.high * 1000 | round / 10))";
    .[0] as $fit | .[1].recipe as $models |
    "group\tcomparisons\theads\tone head for all\tmodels\tone model for all",
    ($fit.groups[] | . as $g | $models.held_out[$g.ordinal] as $m |
        "\($g.ordinal + 1)\t\($m.group.n | round)\t\($g.summary.accuracy.group | share)\t" +
        "\($g.summary.accuracy.single | share)\t\($m.group | share)\t\($m.single | share)")' | column -t -s $'\t'
"$here/7-table.sh"
