/* candidates: prompts with finitely many responses each, their rewards, and policies over them.
 *
 * Where the responses are given, everything that PPO estimates by sampling is a finite sum: tilted policies, utilities,
 * KL, win rates. The reference policy is a distribution over the candidates of each prompt. Arrays over candidates have
 * one entry for each in the order of `start`; rewards have K + 1 columns, the groups' and then the pooled single one.
 *
 * It refuses texts and files, and checks nothing: the makers of a set answer for its numbers being finite. The set only
 * points; who made the arrays owns them. Sums run in a fixed order. Any thread. */
#ifndef EGALIGN_CORE_CANDIDATES_H
#define EGALIGN_CORE_CANDIDATES_H

struct candidates {
    int prompts;             /* >= 1; all count the same */
    int groups;              /* K */
    const int *start;        /* [prompts + 1] those of prompt i are start[i] .. start[i + 1] - 1, at least one */
    const double *reference; /* [start[prompts]] pi_ref(y | x), sums to 1 for each prompt; NULL: uniform */
    double *reward;          /* [start[prompts]][K + 1] */
};

/* Anchors in place, centred: each column less its mean under the reference, for each prompt, over its standard
 * deviation within prompts (the root of the mean over prompts of the variance under the reference). A column that does
 * not vary becomes 0. Scaling a group's reward, or shifting it by any amount a prompt, changes nothing. */
void candidates_anchor_centred(struct candidates *c);

/* Anchors in place as a probability: r_u(y) <- sum over y' of pi_ref(y') sigma(r_u(y) - r_u(y')), in (0, 1). `scratch`
 * has room for the candidates of one prompt. */
void candidates_anchor_win(struct candidates *c, double *scratch);

/* policy(y | x) = pi_ref(y | x) exp(scalar(y) / beta) / Z(x), beta > 0: the policy that maximises
 * E scalar - beta KL(policy || pi_ref). Returns that maximum, beta E_x log Z(x). */
double candidates_tilt(const struct candidates *c, const double *scalar, double beta, double *policy);

/* ret[K + 1]: E r_u under the policy. *ret_kl (may be NULL): KL(policy || pi_ref), nats a prompt. */
void candidates_expect(const struct candidates *c, const double *policy, double *ret, double *ret_kl);

/* P(r(y) > r(y')) + P(r(y) = r(y')) / 2 for column u, with y from the policy and y' from the reference, each prompt
 * counting the same. */
double candidates_win_rate(const struct candidates *c, int u, const double *policy);

#endif
