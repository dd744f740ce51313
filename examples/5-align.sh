#!/usr/bin/env bash
# Trains a policy from "writer" by PPO, for an objective over the groups of the published fit: a ppo job.
#
#   usage: 5-align.sh OBJECTIVE        single (one reward for all), maxmin (the worst-off group), average, nash, ...
#
# Makes the policy of the objective's name; with REWARDS, of both names. Scores further out than three s.d. of the
# writer's own are clipped, for there a learnt reward is not to be trusted; the model is far smaller than those that the
# preset's learning rate is for.
#   UPDATES  of PPO (40)
#   REWARDS  reward models of the groups (none: the fit's own heads), and FIT, the fit that they were made of
# Where the service is: see service.sh.
set -euo pipefail
# shellcheck source=examples/service.sh
. "$(dirname "${BASH_SOURCE[0]}")/service.sh"
case ${1:---help} in -h | --help) usage && exit 0 ;; esac

job=$(jq -n --arg objective "$1" --argjson updates "${UPDATES:-40}" --argjson episodes "${EPISODES:-256}" \
    --arg rewards "${REWARDS:-}" --arg fit "${FIT:-}" '{
    name: ($objective + if $rewards == "" then "" else "-" + $rewards end),
    policy: "writer",
    objective: $objective,
    ppo: {preset: "small", updates: $updates, episodes: $episodes, response_tokens: 64, learning_rate: 0.0005,
          beta: 0.15, adaptive_beta: false, score_clip: 3}
} + if $rewards == "" then {} else {rewards: $rewards, fit: $fit} end' | start ppo)
wait_for "$job" "Training for $1"
