# shellcheck shell=bash
# How the scripts of this folder talk to the service: curl and jq, nothing else. Sourced, not run.
#
#   EGALIGN_URL      address of the service (http://127.0.0.1:8080)
#   EGALIGN_HEADER   file with the header "Authorization: Bearer ..." of an admin
#   EGALIGN_PROJECT  project (reviews)
: "${EGALIGN_URL:=http://127.0.0.1:8080}"
: "${EGALIGN_PROJECT:=reviews}"
: "${EGALIGN_HEADER:=${XDG_STATE_HOME:-$HOME/.local/state}/egalign-quickstart/authorization}"

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# Prints the comment at the head of the script, for --help.
usage() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

# api METHOD PATH [CURL-OPTION...]: the answer; on an error answer, what it says goes to standard error.
api() {
    local method=$1 path=$2 answer
    shift 2
    if answer=$(curl -sS --fail-with-body --max-time 300 -X "$method" -H "@$EGALIGN_HEADER" "$@" \
        "$EGALIGN_URL$path"); then
        printf '%s\n' "$answer"
    else
        printf '%s %s: %s\n' "$method" "$path" "$answer" >&2
        return 1
    fi
}

# post PATH: the body comes from standard input.
post() {
    api POST "$1" -H 'content-type: application/json' --data-binary @-
}

in_project() {
    printf '/v1/projects/%s%s' "$EGALIGN_PROJECT" "$1"
}

# start KIND: the job's options come from standard input; prints its id. The same options give the same job.
start() {
    jq -c --arg kind "$1" '{kind: $kind, options: .}' | post "$(in_project /jobs)" | jq -er .id
}

# A bar of 30 marks on a terminal; nothing elsewhere.
bar() { # TITLE FRACTION STAGE
    local marks=$((30 * $2 / 100)) i text=
    [ -t 2 ] || return 0
    for ((i = 0; i < 30; i++)); do
        if [ "$i" -lt "$marks" ]; then text+='#'; else text+='.'; fi
    done
    printf '\r\033[K%-34s [%s] %3d %%  %s' "$1" "$text" "$2" "$3" >&2
}

# wait_for JOB TITLE: until it is done, with a bar on a terminal; fails when the job does.
wait_for() {
    local job=$1 title=$2 document state percent stage
    [ -t 2 ] || printf '%s\n' "$title" >&2
    for (( ; ; )); do
        document=$(api GET "$(in_project "/jobs/$job")") || return 1
        IFS=$'\t' read -r state percent stage < <(
            jq -r '[.state, ((.progress // 0) * 100 | floor), (.stage // "")] | @tsv' <<<"$document")
        case $state in
        done)
            bar "$title" 100 ''
            [ ! -t 2 ] || printf '\n' >&2
            return 0
            ;;
        failed | cancelled)
            [ ! -t 2 ] || printf '\n' >&2
            fail "$title: the job $job is $state: $(jq -c .error <<<"$document")"
            ;;
        esac
        bar "$title" "${percent:-0}" "$stage"
        sleep "${EGALIGN_POLL:-0.5}"
    done
}
