#include "api/schema.h"

#define PAGE_OF(name, element)                                                                                         \
    {name, "A page of a list.", "items [" element "]; next_cursor string?"}

const struct schema schemas[] = {
    {"Problem", "What went wrong (RFC 9457). `code` is stable; the codes are listed in docs/errors.md.",
     "type string; title string; status integer; detail string; code string; pointer string; line? integer; "
     "request_id? string; errors? [LineError]"},
    {"LineError", "What is wrong with a line of a batch.", "line integer; pointer string; code string; detail string"},
    {"Status", "The state of the daemon.", "status string"},
    {"Version", "What this program is.", "version string; revision string"},
    {"Project", "A collection of items, annotators and comparisons.",
     "id uuid; name string; title string; refit_after_comparisons integer; refit_after_seconds integer; "
     "fit_options object; published_fit uuid?; created_at time; counts? object"},
    PAGE_OF("ProjectPage", "Project"),
    {"Response", "A candidate response to the prompt of an item.", "id uuid; text string; policy string?"},
    {"Message", "One turn of a conversation.", "role string; content string"},
    {"Item", "A prompt with its candidate responses.",
     "id uuid; prompt string/[Message]; created_at time; responses [Response]"},
    PAGE_OF("ItemPage", "Item"),
    {"Annotator", "A person who judges, by pseudonym.",
     "id uuid; name string; created_at time; comparisons integer; by_outcome object; retracted integer; "
     "last_judged_at time?"},
    PAGE_OF("AnnotatorPage", "Annotator"),
    {"Acknowledgement", "A comparison that is committed, with the ids that its content stands for.",
     "id uuid; annotator uuid; item uuid; a uuid; b uuid; replayed boolean"},
    {"BatchReport", "What became of the lines of a batch.",
     "accepted integer; duplicate integer; rejected integer; errors? [LineError]"},
    {"RecordedComparison", "A recorded judgement.",
     "id uuid; annotator any; item uuid; a any; b any; prompt? string/[Message]; outcome a|b|tie|both_bad|skip; "
     "strength? integer?; shown_first? a|b/null; duration_ms? integer?; skip_reason? string?; reasons? [string]?; "
     "meta? object?; created_at? time?; received_at time; retracted_at time?; annotator_id? uuid"},
    PAGE_OF("ComparisonPage", "RecordedComparison"),
    {"Fit", "One mixture of groups with its evidence.",
     "id uuid; job uuid; state queued|running|done|failed|cancelled; created_at time; published_at time?; "
     "is_published boolean; options object; watermark integer?; comparisons integer?; annotators integer?; k integer?; "
     "verdict string?; encoder string?; ridge number?; seed integer?; threads integer?; blas string?; "
     "code_version string?; evidence? any; summary? object?; warnings? any; groups? [Group]; lineage_events? any"},
    PAGE_OF("FitPage", "Fit"),
    {"Group", "A group of taste: a component of a fit, with an id that survives refits.",
     "id uuid; name string; colour integer; fit? uuid; ordinal integer; weight number; size integer; "
     "stability number?; summary object"},
    {"GroupList", "The groups of the published fit.", "fit uuid?; items [Group]; next_cursor string?"},
    {"Membership", "Which group an annotator is in, by the published fit.",
     "annotator uuid; name string; group uuid?; posterior [number]; comparisons integer"},
    PAGE_OF("MembershipPage", "Membership"),
    {"WinRates", "How each group fares under the published fit; before the first, what is missing.",
     "status string; groups? any"},
    {"Attempt", "A start of a job and how it ended.",
     "attempt integer; worker string; started_at time; ended_at time?; reason string?"},
    {"Job", "Work for a worker.",
     "id uuid; project? string; kind string; options object; state queued|running|done|failed|cancelled; fit uuid?; "
     "stage string; progress number; metrics object; error object?; cancel_requested boolean; created_at time; "
     "started_at time?; finished_at time?; attempts? any"},
    PAGE_OF("JobPage", "Job"),
    {"LogLine", "What a job said.", "line integer; at time; level info|warning|error; message string"},
    {"LogPage", "A part of the log of a job.", "items [LogLine]; next_cursor integer?"},
    {"Token", "A bearer token, without its secret.",
     "id uuid; project string?; role annotator|viewer|operator|admin; name string; prefix string; created_at time; "
     "expires_at time?; revoked_at time?"},
    PAGE_OF("TokenPage", "Token"),
    {"CreatedToken", "A token that was made. `token` is shown this once.",
     "token string; id uuid; project string?; role annotator|viewer|operator|admin; name string; prefix string; "
     "created_at time; expires_at time?; revoked_at time?"},
};

const size_t schema_count = sizeof schemas / sizeof schemas[0];
