// Draws a win-rates document. Knows the document and the page's style sheet; asks nobody for anything.

const SVG = "http://www.w3.org/2000/svg";
const COLOURS = 8;
const MANY_POLICIES = 4;
const CLEARLY_FEWER = 0.8;
let chosen = null; // the policy whose comparisons are shown, where there are too many pairs for all

/** An element: node("p", {class: "soft"}, "text", other, ...). Text is never read as HTML. */
function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const percent = (share) => (share === null || share === undefined ? "–" : `${Math.round(share * 100)} %`);
const interval = (p) => (p.n > 0 ? `${Math.round(p.low * 100)} – ${Math.round(p.high * 100)} %` : "no data");
const count = (n, one, many) => `${Math.round(n).toLocaleString("en")} ${Math.round(n) === 1 ? one : many}`;
/** How many, and where it is clearly fewer how many independent ones they are worth: those of a person are alike. */
function howMany(p) {
  const n = (number) => Math.round(number).toLocaleString("en");
  if (!p.effective_n || p.effective_n > CLEARLY_FEWER * p.n) return [n(p.n)];
  return [n(p.n), node("span", { class: "soft worth", title: "independent ones" }, `worth ${n(p.effective_n)}`)];
}

const colour = (group) => `g${group.colour % COLOURS}`;
const nameOf = (group) => group.name || `Group ${group.ordinal + 1}`;

/** A proportion as a dot on 0 .. 100 %, its interval as a band, one half as a dashed line. The numbers are beside. */
function range(p) {
  const at = (share) => `${(share * 100).toFixed(2)}%`;
  const svg = shape("svg", { class: "range", "aria-hidden": "true", focusable: "false" });
  svg.append(shape("line", { class: "track", x1: "0%", x2: "100%", y1: "50%", y2: "50%" }));
  svg.append(shape("line", { class: "half", x1: "50%", x2: "50%", y1: "10%", y2: "90%" }));
  if (p.n > 0) {
    svg.append(shape("line", { class: "span", x1: at(p.low), x2: at(p.high), y1: "50%", y2: "50%" }));
    svg.append(shape("circle", { class: "value", cx: at(p.rate), cy: "50%", r: "5" }));
  }
  return svg;
}

function row(label, style, p) {
  return node("tr", { class: style },
    node("th", { scope: "row" }, label),
    node("td", { class: "chart" }, range(p)),
    node("td", { class: "figure rate" }, node("strong", {}, p.n > 0 ? percent(p.rate) : "–")),
    node("td", { class: "figure interval" }, interval(p)),
    node("td", { class: "figure count" }, ...howMany(p)));
}

function rates(caption, rows) {
  return node("div", { class: "scroll" }, node("table", { class: "rates" },
    node("caption", {}, caption),
    node("thead", {}, node("tr", {},
      node("th", { scope: "col" }, ""),
      node("th", { scope: "col", class: "soft" },
        node("span", { class: "axis" }, ...["0", "50", "100"].map((mark) => node("span", {}, mark)))),
      node("th", { scope: "col", class: "figure" }, "rate"),
      node("th", { scope: "col", class: "figure" }, "95 % interval"),
      node("th", { scope: "col", class: "figure" }, "n"))),
    node("tbody", {}, ...rows)));
}

const label = (group) => node("span", { class: "name" }, node("span", { class: "dot" }), nameOf(group));

function card(group) {
  const { group: own, single } = group.accuracy;
  return node("article", { class: `card group ${colour(group)}` },
    node("header", {},
      node("h3", {}, label(group)),
      group.worst_off ? node("span", { class: "flag" }, "worst off") : null),
    node("p", { class: "soft" },
      `${count(group.size, "person", "people")} · ${percent(group.weight)} of the population`),
    rates("Judgements predicted correctly", [
      row("own reward", colour(group), own),
      row("one for all", "pooled", single)]));
}

/** What the figures come to, in a sentence or two. */
function verdict(doc) {
  if (doc.k <= 1) return "Nothing in the judgements asks for more than one taste: one reward serves everybody alike.";
  const worst = doc.groups.find((group) => group.worst_off);
  const found = `There are ${doc.k} groups of taste among ${count(doc.annotators, "person", "people")}.`;
  if (!worst) return found;
  return `${found} One reward for all predicts ${percent(worst.accuracy.single.rate)} of the judgements of ` +
    `${nameOf(worst)}, the worst-off group; the group's own reward predicts ${percent(worst.accuracy.group.rate)}.`;
}

/** What the figures rest on. */
function basis(doc) {
  const who = `${count(doc.comparisons, "judgement", "judgements")} by ${count(doc.annotators, "person", "people")}`;
  if (!doc.unassigned) return `${who}.`;
  return `${who}; ${count(doc.unassigned, "is", "are")} in no group, for want of judgements or of a clear taste.`;
}

function headline(doc) {
  return doc.k > 1 ? `${doc.k} groups of taste` : "One taste for all";
}

/** [[a, b], ...]: every pair once, or those of one policy when there are many. */
function pairsOf(policies) {
  if (policies.length > MANY_POLICIES) return policies.filter((p) => p !== chosen).map((p) => [chosen, p]);
  return policies.flatMap((a, i) => policies.slice(i + 1).map((b) => [a, b]));
}

function pairCard(doc, [a, b]) {
  const rows = doc.groups.flatMap((group) => {
    const found = doc.win_rates.find((w) => w.group === group.id && w.policy === a && w.opponent === b);
    return found ? [row(label(group), colour(group), found)] : [];
  });
  return rows.length ? node("article", { class: "card" }, rates(`${a} wins against ${b}`, rows)) : null;
}

function winRateSection(doc, again) {
  const { policies, policies_left_out: leftOut } = doc;
  if (policies.length < 2 && doc.evaluations?.length) return null;
  if (policies.length < 2) {
    return node("section", { class: "section" }, node("h2", {}, "Win rates"),
      node("p", { class: "soft" },
        "Responses must name their policy, and two policies must meet, for there to be win rates."));
  }
  if (!policies.includes(chosen)) chosen = policies[0];
  let chooser = null;
  if (policies.length > MANY_POLICIES) {
    const option = (p) => node("option", p === chosen ? { selected: "" } : {}, p);
    const select = node("select", { id: "policy" }, ...policies.map(option));
    select.addEventListener("change", () => ((chosen = select.value), again()));
    chooser = node("p", { class: "choose" }, node("label", { for: "policy" }, "Win rates of"), select);
  }
  return node("section", { class: "section" },
    node("h2", {}, "Win rates between policies, by group"),
    node("p", { class: "soft" }, "How often people of a group prefer the one to the other; a tie is half a win. " +
      "n are the judgements; those of one person are alike, so they may be worth fewer independent ones, on which " +
      "the band rests, the 95 % interval."),
    leftOut > 0
      ? node("p", { class: "soft" }, `${count(leftOut, "policy", "policies")} with fewer judgements left out.`) : null,
    chooser,
    node("div", { class: "pairs" }, ...pairsOf(policies).map((pair) => pairCard(doc, pair))));
}

const objectives = {
  single: "trained on one reward for all",
  average: "trained for the mean over groups",
  nash: "trained for a bargain between the groups",
  maxmin: "trained for the worst-off group",
  maxmin_argmin: "trained for the worst-off group",
};

/** "71 %, 64 %": one figure of each group of an evaluation, in the order of the rows; null when there is none. */
function each(evaluation, figure) {
  const told = evaluation.groups.map(figure);
  return told.every((share) => share === null || share === undefined) ? null : told.map(percent).join(", ");
}

/** "61 % of 40": how often people of a group preferred the policy when they saw both answers. */
function asked({ human }) {
  return human.n > 0 ? `${percent(human.rate)} of ${human.n.toLocaleString("en")}` : "nobody";
}

/** A policy against another as the groups' judges see it, and what must be known to believe it. */
function policyCard(doc, evaluation) {
  const rows = evaluation.groups.flatMap((told) => {
    const group = doc.groups.find((known) => known.id === told.group);
    return group ? [row(label(group), colour(group), told)] : [];
  });
  const people = evaluation.groups.some((told) => told.human.n > 0);
  const notes = [
    ["by people who saw both", people ? evaluation.groups.map(asked).join(", ") : null],
    ["by the reward of training", each(evaluation, (told) => told.training_rate)],
    ["one reward for all, as far from the start",
      evaluation.objective === "single" ? null : each(evaluation, (told) => told.single_at_equal_kl)],
    ["least", percent(evaluation.least)],
    ["mean over people", percent(evaluation.mean)],
    ["KL to the start", evaluation.kl === null ? null : `${evaluation.kl.toFixed(2)} nats`]];
  return rows.length ? node("article", { class: "card" },
    rates(`${evaluation.policy} wins against ${evaluation.against}`, rows),
    node("p", { class: "soft" }, [objectives[evaluation.objective] ?? evaluation.objective,
      evaluation.by === "judge"
        ? "judged by people held out of the training"
        : "judged by its own reward: nobody was held out"]
      .filter(Boolean).join(", ")),
    node("dl", { class: "notes" }, ...notes.filter(([, value]) => value !== null).map(([name, value]) =>
      node("div", {}, node("dt", {}, name), node("dd", {}, value))))) : null;
}

function policySection(doc) {
  if (!doc.evaluations?.length) return null;
  return node("section", { class: "section" },
    node("h2", {}, "Trained policies, by group"),
    node("p", { class: "soft" }, "How often each group prefers a policy's answers to the other policy's, " +
      "on the same prompts. The band is the 95 % interval, which allows for answers to one prompt being alike; " +
      "n the pairs of answers."),
    node("div", { class: "pairs" }, ...doc.evaluations.map((evaluation) => policyCard(doc, evaluation))));
}

const fitStates = {
  queued: "A fit is waiting for a worker.",
  running: "A fit is being made now.",
  failed: "The last fit failed; its job tells why.",
  cancelled: "The last fit was cancelled.",
};

/** `missing` counts what more is needed: a fit, or comparisons and annotators enough for one. */
function insufficient(doc) {
  const { fits, ...lacking } = doc.missing;
  const needed = Object.entries(lacking).map(([what, n]) => count(n, `more ${what.slice(0, -1)}`, `more ${what}`));
  return node("section", { class: "card head" },
    node("h1", {}, needed.length ? "Not enough judgements yet" : "No groups yet"),
    node("p", { class: "lead" }, needed.length
      ? `Still needed: ${needed.join(" and ")}.`
      : "Groups appear here once there is a fit of this project's comparisons."),
    node("p", {},
      `So far: ${count(doc.comparisons, "comparison", "comparisons")} by `,
      `${count(doc.annotators, "annotator", "annotators")}. `,
      (fits && fitStates[doc.job?.state]) || ""));
}

function asOf(doc) {
  const time = new Date(doc.as_of);
  const format = { dateStyle: "medium", timeStyle: "short" };
  return node("p", { class: "note" }, "As of ",
    node("time", { datetime: doc.as_of },
      Number.isNaN(time.getTime()) ? String(doc.as_of) : time.toLocaleString([], format)),
    ` · fit ${doc.fit_id}`);
}

/** Replaces what `place` shows by the document. */
export function draw(place, doc) {
  if (doc.status === "insufficient_data") {
    place.replaceChildren(insufficient(doc));
    return;
  }
  const again = () => {
    draw(place, doc);
    document.getElementById("policy")?.focus();
  };
  place.replaceChildren(...[
    node("section", { class: "head" }, node("h1", {}, headline(doc)), node("p", { class: "lead" }, verdict(doc)),
      node("p", { class: "note" }, basis(doc)), asOf(doc)),
    node("section", { class: "section" }, node("h2", {}, doc.k > 1 ? "The groups" : "The group"),
      node("div", { class: "groups" }, ...doc.groups.map(card))),
    policySection(doc),
    winRateSection(doc, again)].filter((section) => section !== null));
}
