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
     "fit_options object; published_fit uuid?; created_at time"},
    PAGE_OF("ProjectPage", "Project"),
    {"Response", "A candidate response to the prompt of an item.", "id uuid; text string; policy string?"},
    {"Message", "One turn of a conversation.", "role string; content string"},
    {"Item", "A prompt with its candidate responses.",
     "id uuid; prompt string/[Message]; created_at time; responses [Response]"},
    PAGE_OF("ItemPage", "Item"),
    {"Annotator", "A person who judges, by pseudonym.",
     "id uuid; name string; created_at time; comparisons integer; by_outcome object; retracted integer; "
     "last_received_at time?"},
    PAGE_OF("AnnotatorPage", "Annotator"),
    {"Acknowledgement", "A comparison that is committed, with the ids that its content stands for.",
     "id uuid; annotator uuid; item uuid; a uuid; b uuid; replayed boolean"},
    {"BatchReport", "What became of the lines of a batch.",
     "accepted integer; duplicate integer; rejected integer; errors? [LineError]"},
    {"RecordedComparison", "A recorded judgement; with `inline=true` it carries its texts.",
     "id uuid; annotator string; item uuid; a uuid/Response; b uuid/Response; prompt? string/[Message]; "
     "outcome a|b|tie|both_bad|skip; strength integer?; shown_first a|b/null; duration_ms integer?; "
     "skip_reason string?; reasons [string]?; meta object?; created_at time?; received_at time; retracted_at time?"},
    PAGE_OF("ComparisonPage", "RecordedComparison"),
    {"Fit", "One mixture of groups with its evidence. Lists leave out what is long.",
     "id uuid; job uuid; state queued|running|done|failed|cancelled; created_at time; published_at time?; "
     "is_published boolean; options object; watermark integer?; comparisons integer?; annotators integer?; k integer?; "
     "verdict string?; encoder string?; ridge number?; seed integer?; warnings [any]?; data_digest? string?; "
     "threads? integer?; blas? string?; code_version? string?; evidence? any; summary? object?; groups? [Group]; "
     "lineage_events? [LineageEvent]"},
    {"LineageEvent", "How groups came from those of the fit before, where it is not one to one.",
     "kind string; before [uuid]; after [uuid]; share number?"},
    PAGE_OF("FitPage", "Fit"),
    {"Group", "A group of taste: a component of a fit, with an id that survives refits.",
     "id uuid; name string; colour integer; fit uuid; ordinal integer; weight number; size integer; "
     "stability number?; summary object; first_seen_at time"},
    {"GroupList", "The groups of the published fit.", "fit uuid?; items [Group]; next_cursor string?"},
    {"Membership", "Which group an annotator is in, by the published fit.",
     "annotator uuid; name string; group uuid?; posterior [number]; comparisons integer"},
    {"MembershipPage", "A page of a list.", "fit uuid?; items [Membership]; next_cursor string?"},
    {"Proportion", "A share of `n`, worth `effective_n` independent ones, with Wilson's interval of 95 % on that.",
     "n number; effective_n? number; rate number?; low number; high number"},
    {"Accuracy", "Held-out accuracy of the group's reward and of the single reward for all.",
     "group Proportion; single Proportion"},
    {"WinRateGroup", "A group and how well it is served.",
     "id uuid; ordinal integer; name string; colour integer; weight number; size integer; worst_off boolean; "
     "accuracy Accuracy"},
    {"Meeting",
     "How often one policy's responses won over another's in a group: `n` judgements, worth `effective_n` independent "
     "ones, with Wilson's interval on that number.",
     "group uuid; policy string; opponent string; wins integer; ties integer; n number; effective_n? number; "
     "rate number?; low number; high number"},
    {"WorstOff", "The group that a policy serves worst, against all others.",
     "policy string; group uuid; n number; effective_n? number; rate number?; low number; high number"},
    {"Share",
     "A share of `n` of people's own judgements, worth `effective_n` independent ones, with Wilson's interval on that.",
     "n integer; effective_n? number?; rate number?; low number; high number"},
    {"StandingGroup",
     "How a group fares with a policy: win rate of `n` pairs, worth `effective_n` independent ones, with Wilson's "
     "interval on that number and the bootstrap's, that of the training "
     "reward, people's own comparisons, and what single-reward policies would win at the same KL.",
     "group uuid; n integer; effective_n? number?; rate number?; low number; high number; bootstrap_low number?; "
     "bootstrap_high number?; "
     "training_rate number?; human Share; single_at_equal_kl number?"},
    {"Standing", "The newest evaluation of a policy against another.",
     "evaluation uuid; policy string; against string?; objective string?; as_of time; by judge|training; "
     "judge ok|insufficient_annotators; groups [StandingGroup]; worst_off uuid?; least number?; mean number?; "
     "gap number?; kl number?; kl_error number?; price_of_fairness number?; compared_with string?"},
    {"StandingHistory", "An evaluation in brief.",
     "evaluation uuid; policy string; against string?; objective string?; as_of time; by judge|training; "
     "worst_off uuid?; least number?; mean number?; gap number?; kl number?"},
    {"WinRates", "How each group fares under the published fit; before the first, what there is and what is missing.",
     "status ok|one_group_suffices|insufficient_data; project string; fit_id uuid?; as_of time?; k integer; "
     "reason string?; comparisons integer; annotators integer; unassigned? integer; interval? string; missing? object; "
     "job? object?; groups [WinRateGroup]; accuracy? Accuracy; policies [string]; policies_left_out? integer; "
     "win_rates [Meeting]; worst_off [WorstOff]; evaluations [Standing]; "
     "history [StandingHistory]"},
    {"Scored", "A candidate: its anchored scores by ordinal of the group, that of the single reward, its probability.",
     "scores [number]; single number; probability? number"},
    {"SelectionGroup", "A group: its score at the choice; with beta also its mean score and its weight.",
     "id uuid; ordinal integer; takes_part boolean; score number; expected? number; weight? number"},
    {"Selection", "The choice among candidates (0 is the first), and what every group thinks of each.",
     "fit uuid; objective string; anchor centred|win; beta number; choice integer; worst_off uuid?; "
     "candidates [Scored]; groups [SelectionGroup]; gap? number"},
    {"Attempt", "A start of a job and how it ended.",
     "attempt integer; worker string; started_at time; ended_at time?; reason string?"},
    {"Job", "Work for a worker.",
     "id uuid; project string; kind string; options object; state queued|running|done|failed|cancelled; fit uuid?; "
     "policy uuid?; evaluation uuid?; stage string; progress number; seconds_left integer?; metrics object; "
     "error object?; cancel_requested boolean; created_at time; started_at time?; finished_at time?; "
     "attempts? [Attempt]"},
    PAGE_OF("JobPage", "Job"),
    {"Policy",
     "A checkpoint directory, where it comes from and how it was made: a language model, or (role `reward`) a set of "
     "reward models, one for each group of a fit and a single one.",
     "id uuid; name string; role policy|reward; state making|ready|failed|deleted; parent uuid?; job uuid; "
     "folder string?; recipe object; digest string?; family string?; parameters integer?; bytes integer?; "
     "created_at time; ready_at time?; deleted_at time?"},
    PAGE_OF("PolicyPage", "Policy"),
    {"Evaluation", "How the groups judge one policy against another; `result` is null until its job is done.",
     "id uuid; job uuid; state queued|running|done|failed|cancelled; policy string; against string?; fit uuid?; "
     "created_at time; published_at time?; result object?"},
    PAGE_OF("EvaluationPage", "Evaluation"),
    {"LogLine", "What a job said.", "line integer; at time; level info|warning|error; message string"},
    {"Metric", "The figures of a step of a training job.", "step integer; at time; figures object"},
    PAGE_OF("MetricPage", "Metric"),
    {"Sample", "A completion that a training job showed on its way.",
     "step integer; line integer; prompt string; response string; figures object"},
    PAGE_OF("SamplePage", "Sample"),
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
